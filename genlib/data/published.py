"""Published sets: downloaded once, known by their content, or embedded in a library.

A set is taken from ``$GENLIB_DATA``, the user's cache or, once, the network: checked, under a lock, repeated when cut.
No pickle is ever loaded.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import time
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from filelock import FileLock

from .rendered import SIZES


class DataError(RuntimeError):
    """A data set is unknown, absent, or not what it should be; the message says what to do."""


# Where each file is to be had, and the SHA-256 of what it holds unpacked: a copy in any packing is known by it.
PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))
TRIES, PAUSE = 3, 1.0  # of a download, with seconds between


def cache():
    """The user's cache folder, ``$XDG_CACHE_HOME/genlib`` or ``~/.cache/genlib``, made if it can be: who has none, or
    none that can be written, goes on without a cache."""
    home = os.path.expanduser("~")
    place = os.environ.get("XDG_CACHE_HOME") or (os.devnull if home == "~" else f"{home}/.cache")
    with contextlib.suppress(OSError):
        os.makedirs(f"{place}/genlib", exist_ok=True)
    return Path(place) / "genlib"


def keep(path, content):
    """Write bytes whole or not at all, and say whether they are there: a full disk costs nothing but the cache."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        os.replace(beside, path)
        return True
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        return False


def find(name):
    """Where the files of a published set (a folder of ``$GENLIB_DATA``) lie, packed or not: a Path, or None."""
    places = [Path(os.path.expanduser(p)) for p in [os.environ.get("GENLIB_DATA")] if p] + [cache()]
    for raw in (place / name / "raw" for place in places):
        if all(os.path.isfile(raw / n) or os.path.isfile(raw / f"{n}.gz") for n in PUBLISHED[name]["sha256"]):
            return raw
    return None


def fetch(name):
    """{file: content} of a published set, from ``$GENLIB_DATA`` where it lies, else from the user's cache, into which
    comes from the network what is absent or damaged: checked, whole or not at all, again when cut. Raises DataError."""
    raw = find(name)
    if raw is None:
        places = "in GENLIB_DATA, nor " if os.environ.get("GENLIB_DATA") else ""
        print(f"{name} is not {places}on this machine yet: downloading it to the cache")
    with contextlib.ExitStack() as held:  # a second process waits here, then finds the work done
        with contextlib.suppress(OSError, NotImplementedError):  # where nothing can be written or locked
            held.enter_context(FileLock(cache() / f"{name}.lock"))
        return {file: _fetch_one(name, file, raw) for file in PUBLISHED[name]["sha256"]}


def _unpacked(content):
    """A file's content without its gzip, if it has one; a damaged one stays as it is, and its sum says so."""
    with contextlib.suppress(EOFError, gzip.BadGzipFile, zlib.error):
        return gzip.decompress(content)
    return content


def _fetch_one(name, file, raw):
    """One file's content, out of the folder ``raw``, or out of the cache with a mirror behind it."""
    import pooch

    known, mine, error = PUBLISHED[name]["sha256"][file], cache() / name / "raw", None
    right = lambda content: hashlib.sha256(content).hexdigest() == known
    copies = [folder / n for folder in (raw, mine) if folder for n in (file, f"{file}.gz")]
    copies = [path for path in copies if os.path.isfile(path)]
    for content in (_unpacked(path.read_bytes()) for path in copies):
        if right(content):
            return content
    if copies and raw not in (None, mine):
        raise DataError(f"{copies[0]} is damaged (its content is not {name}'s): replace it, or unset GENLIB_DATA.")
    for source in (url.format(file) for url in PUBLISHED[name]["urls"] for _ in range(TRIES)):
        try:
            with io.BytesIO() as got:
                pooch.HTTPDownloader(timeout=20)(source, got, None)  # seconds of silence
                content = _unpacked(got.getvalue())
            if right(content):
                keep(mine / file, content)
                return content
            error = error or ValueError(f"what {source} sends is not {file}, by its SHA-256")
        except OSError as caught:  # no answer, or none to the end
            error = error or caught
        time.sleep(PAUSE)
    while error.__context__ is not None:  # requests and urllib3 each wrap what the socket said
        error = error.__context__
    given = os.environ.get("GENLIB_DATA")
    there = f" (it is set to {given}, which has no such folder, or not all of its files)" if given else ""
    raise DataError(
        f"{name} could not be downloaded ({error}): connect to a network, point GENLIB_DATA at a folder that holds "
        f"{name}/raw{there}, or use preset='smoke', whose data need neither."
    ) from error


def mnist(name):
    """Title, training and test pairs (x, y), and class names of mnist or fashion-mnist."""
    title = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}[name]
    arrays = []
    for content in fetch(title.replace("-", "")).values():  # idx: type, dimensions, then big-endian sizes, then values
        shape = np.frombuffer(content, ">i4", content[3], 4)
        arrays.append(torch.tensor(np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)))
    pairs = ((x[:, None].float() / 255, y.long()) for x, y in (arrays[:2], arrays[2:]))
    clothes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
    return title, *pairs, tuple("0123456789") if name == "mnist" else clothes


def digits(name):
    """scikit-learn's 1,797 digits (8×8, 17 levels), brought to 28×28 as MNIST frames them: a 20×20 box in a margin."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    x = torch.from_numpy(raw.images).float()[:, None] / 16
    x = F.pad(F.interpolate(x, size=20, mode="bilinear", align_corners=False), (4, 4, 4, 4))
    y = torch.from_numpy(raw.target).long()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))  # always the same test set
    x, y = x[order], y[order]
    return f"{name} (scikit-learn, 28×28)", (x[:1500], y[:1500]), (x[1500:], y[1500:]), tuple("0123456789")


def dsprites(device="cpu"):
    """The published dSprites (Matthey et al. 2017) in the place of ``sprites``: a function of the factors v (N, 5) int,
    in the same columns, that gives the images (N, 1, 64, 64), float32 in {0, 1}, on the device, where all 737,280 lie
    as bytes (3 GB). The first and the last orientation are the same angle. Downloaded once; raises DataError."""
    (content,) = fetch("dSprites").values()
    images = torch.from_numpy(np.load(io.BytesIO(content), allow_pickle=False)["imgs"])
    images = images.view(*SIZES, *images.shape[1:]).to(device)  # the file is row-major in the factors
    return lambda v: images[tuple(v.long().to(device).T)][:, None].float()
