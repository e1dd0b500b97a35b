"""Data as tensors on the device.

``load(name, device)`` takes a published set from ``$GENLIB_DATA``, the user's cache or, once, the network: checked,
under a lock, repeated when cut. Everything is float32 in [0, 1]; a batch is an index. No pickle is ever loaded.
"""

import contextlib
import gzip
import hashlib
import io
import json
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from filelock import FileLock

from . import did_you_mean


class DataError(RuntimeError):
    """A data set is unknown, absent, or not what it should be; the message says what to do."""


@dataclass
class Split:
    """Images or points ``x`` (N, ...) float32 and, where there are any, labels ``y`` (N,) int64, on one device."""

    x: torch.Tensor
    y: torch.Tensor | None = None

    def __len__(self):
        return len(self.x)

    def take(self, n):
        """The first n examples."""
        return Split(self.x[:n], None if self.y is None else self.y[:n])

    @property
    def tensors(self):
        return (self.x,) if self.y is None else (self.x, self.y)


@dataclass
class Dataset:
    """A training and a test Split, with the name it is loaded by, the title it is printed by, and its class names."""

    name: str
    title: str
    train: Split
    test: Split
    classes: tuple[str, ...] = ()


class Batches:
    """Batches by index from a Split, a tensor or a tuple of tensors, in an order reshuffled each epoch on the device;
    or fresh tensors from a function of the batch size. The last, incomplete batch of an epoch is left out."""

    def __init__(self, source, batch, generator):
        self.source, self.batch, self.generator, self.order, self.at = source, batch, generator, None, 0
        if batch < 1:
            raise DataError(f"A batch has at least one row, not {batch}.")
        if callable(source):
            return
        tensors = source.tensors if isinstance(source, Split) else (source,) if torch.is_tensor(source) else source
        if not isinstance(tensors, (tuple, list)) or not all(map(torch.is_tensor, tensors)):
            raise DataError(
                "Batches are drawn from a Split (such as mnist.train), a tensor, a tuple of tensors, or a function "
                f"of the batch size, not from a {type(source).__name__}."
            )
        lengths = sorted({len(t) for t in tensors})
        if len(lengths) != 1 or lengths == [0]:
            raise DataError(f"The source has no rows, or tensors with different numbers of rows: {lengths}.")
        self.tensors, self.rows, self.batch = tensors, lengths[0], min(batch, lengths[0])

    def next(self, peek=False):
        """The tensors of the next batch; with ``peek``, tensors of the same shape, and the order stays where it is."""
        if callable(self.source):
            fresh = self.source(self.batch)
            return (fresh,) if torch.is_tensor(fresh) else tuple(fresh)
        if peek:
            return tuple(t[: self.batch] for t in self.tensors)
        if self.order is None or self.at + self.batch > self.rows:
            self.order = torch.randperm(self.rows, generator=self.generator, device=self.generator.device)
            self.at = 0
        index = self.order[self.at : self.at + self.batch].to(self.tensors[0].device)
        self.at += self.batch
        return tuple(t.index_select(0, index) for t in self.tensors)  # on a CPU twice as fast as t[index]


def load(name, device="cpu"):
    """A Dataset by name: mnist, fashion-mnist (28×28, downloaded once), digits (embedded in scikit-learn, no network),
    or a 2-D toy: moons, ring. Raises DataError in one sentence."""
    makers = {"mnist": _mnist, "fashion-mnist": _mnist, "digits": _digits, "moons": _toy, "ring": _toy}
    if name not in makers:
        known = f"{did_you_mean(name, makers)}: choose one of {', '.join(makers)}."
        raise DataError(f"There is no data set {name!r}{known}")
    made = makers[name](name)
    made.train, made.test = (Split(*(t.to(device) for t in split.tensors)) for split in (made.train, made.test))
    return made


# --- published sets: fetched once, known by their content -------------------------------------------------------------

# Where each file is to be had, and the SHA-256 of what it holds unpacked: a copy in any packing is known by it.
PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text())


def cache():
    """The user's cache folder: ``$XDG_CACHE_HOME/genlib`` or ``~/.cache/genlib``; made if it is not there."""
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genlib"
    path.mkdir(parents=True, exist_ok=True)
    return path


def find(name):
    """Where the files of a published set (a folder of ``$GENLIB_DATA``) lie, packed or not: a Path, or None."""
    places = [Path(p).expanduser() for p in [os.environ.get("GENLIB_DATA")] if p] + [cache()]
    for raw in (place / name / "raw" for place in places):
        if all((raw / n).exists() or (raw / f"{n}.gz").exists() for n in PUBLISHED[name]["sha256"]):
            return raw
    return None


def fetch(name):
    """{file: content} of a published set, from ``$GENLIB_DATA`` where it lies, else from the user's cache, into which
    pooch brings what is absent or damaged: checked, whole or not at all, again when cut. Raises DataError."""
    raw = find(name)
    if raw is None:
        print(f"{name} is not on this machine yet: downloading it to the cache")
    with FileLock(cache() / f"{name}.lock"):  # a second process waits here, then finds the work done
        return {file: _fetch_one(name, file, raw) for file in PUBLISHED[name]["sha256"]}


def _unpacked(path):
    """A file's content without its gzip, if it has one; a damaged one stays as it is, and its sum says so."""
    with contextlib.suppress(EOFError, gzip.BadGzipFile, zlib.error):
        return gzip.decompress(path.read_bytes())
    return path.read_bytes()


def _fetch_one(name, file, raw):
    """One file's content, out of the folder ``raw``, or out of the cache with a mirror behind it."""
    import pooch

    known, mine, error = PUBLISHED[name]["sha256"][file], cache() / name / "raw", None
    copies = [p for p in (raw / file, raw / f"{file}.gz") if p.exists()] if raw else []
    for content in map(_unpacked, copies):
        if hashlib.sha256(content).hexdigest() == known:
            return content
    if copies and raw != mine:
        raise DataError(f"{copies[0]} is damaged (its content is not {name}'s): replace it, or unset GENLIB_DATA.")

    def bring(source, path, store):
        pooch.HTTPDownloader(timeout=20)(source, path, store)  # seconds of silence
        Path(path).write_bytes(_unpacked(Path(path)))

    pooch.get_logger().setLevel("ERROR")  # its log goes to stderr, which a notebook would store
    for source in (url.format(file) for url in PUBLISHED[name]["urls"]):
        store = pooch.create(mine, "", registry={file: known}, urls={file: source}, retry_if_failed=2)
        try:
            return Path(store.fetch(file, downloader=bring)).read_bytes()
        except (ValueError, OSError) as caught:  # not the content that is known; no answer
            error = error or caught
    while error.__context__ is not None:  # requests and urllib3 each wrap what the socket said
        error = error.__context__
    raise DataError(
        f"{name} could not be downloaded ({error}): connect to a network, point GENLIB_DATA at a folder that holds "
        f"{name}/raw, or use preset='smoke', whose data need neither."
    ) from error


def _mnist(name):
    title = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}[name]
    arrays = []
    for content in fetch(title.replace("-", "")).values():  # idx: type, dimensions, then big-endian sizes, then values
        shape = np.frombuffer(content, ">i4", content[3], 4)
        arrays.append(torch.tensor(np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)))
    splits = (Split(x[:, None].float() / 255, y.long()) for x, y in (arrays[:2], arrays[2:]))
    clothes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
    return Dataset(name, title, *splits, tuple("0123456789") if name == "mnist" else clothes)


def _digits(name):
    """scikit-learn's 1,797 digits (8×8, 17 levels), brought to 28×28 as MNIST frames them: a 20×20 box in a margin."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    x = torch.from_numpy(raw.images).float()[:, None] / 16
    x = F.pad(F.interpolate(x, size=20, mode="bilinear", align_corners=False), (4, 4, 4, 4))
    y = torch.from_numpy(raw.target).long()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))  # always the same test set
    x, y = x[order], y[order]
    splits = Split(x[:1500], y[:1500]), Split(x[1500:], y[1500:])
    return Dataset(name, "digits (scikit-learn, 28×28)", *splits, tuple("0123456789"))


def curves(n, seed=0, size=28, device="cpu"):
    """Images (n, 1, size, size) of smooth strokes, each from three random points: six intrinsic dimensions.

    Our rendering of the synthetic set of Hinton & Salakhutdinov (2006): a quadratic Bézier curve with control points
    uniform in the central part of the frame; ink is a line integral of a Gaussian pen along it, saturated to [0, 1].
    """
    points = torch.rand(n, 3, 2, generator=torch.Generator().manual_seed(seed)) * (size - 8) + 3.5  # in pixels
    t = torch.linspace(0, 1, 48)
    basis = torch.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2])  # (3, T)
    slope = torch.stack([-2 * (1 - t), 2 - 4 * t, 2 * t])
    pixels = torch.arange(size).float()
    images = []
    for p in points.split(2000):  # the sum over the curve's T points is a matrix product per image
        at = torch.einsum("nkd,kt->ntd", p, basis)  # (n, T, 2)
        speed = torch.einsum("nkd,kt->ntd", p, slope).norm(dim=2) / len(t)
        gx, gy = (torch.exp(-0.5 * (pixels - at[:, :, d, None]) ** 2) for d in (0, 1))  # (n, T, size)
        images.append(1 - torch.exp(-1.5 * torch.einsum("nt,nti,ntj->nij", speed, gy, gx)))
    return torch.cat(images)[:, None].to(device)


SIZES = (3, 6, 40, 32, 32)  # how many shapes, scales, orientations, x and y positions dSprites has


def sprites(v, sizes=SIZES, shapes=("square", "ellipse", "heart"), side=64):
    """White shapes on black, binary images (N, 1, side, side) from factors v (N, 5), rendered on v's device.

    The columns are those of dSprites (Higgins et al. 2017): shape, scale (0.5 to 1), orientation (a full turn), x and y
    position; ``sizes`` are their numbers of values, 737,280 combinations by default. The drawing is ours. A square is
    the same after a quarter turn and an ellipse after a half: their orientation cannot be told from the image.
    """
    last = [max(1, n - (i != 2)) for i, n in enumerate(sizes)]  # a full turn is no turn
    _, scale, turn, px, py = (v.float() / torch.tensor(last, device=v.device)).T[..., None, None]
    at = (torch.arange(side, device=v.device) + 0.5) / (side / 64)
    x, y = at[None, None, :] - 16 - 32 * px, at[None, :, None] - 16 - 32 * py
    angle, radius = 2 * math.pi * turn, 11 * (0.5 + 0.5 * scale)
    a, b = (angle.cos() * x + angle.sin() * y) / radius, (angle.cos() * y - angle.sin() * x) / radius
    inside = {
        "square": torch.maximum(a.abs(), b.abs()) <= 0.8,
        "ellipse": a**2 + (b / 0.6) ** 2 <= 1,
        "heart": ((1.3 * a) ** 2 + (1.3 * b) ** 2 - 1) ** 3 + (1.3 * a) ** 2 * (1.3 * b) ** 3 <= 0,
    }
    drawn = torch.stack([inside[name] for name in shapes])  # (shapes, N, side, side)
    return drawn[v[:, 0].long(), torch.arange(len(v), device=v.device)].float()[:, None]


def dsprites(device="cpu"):
    """The published dSprites (Matthey et al. 2017) in the place of ``sprites``: a function of the factors v (N, 5) int,
    in the same columns, that gives the images (N, 1, 64, 64), float32 in {0, 1}, on the device, where all 737,280 lie
    as bytes (3 GB). The first and the last orientation are the same angle. Downloaded once; raises DataError."""
    (content,) = fetch("dSprites").values()
    images = torch.from_numpy(np.load(io.BytesIO(content), allow_pickle=False)["imgs"])
    images = images.view(*SIZES, *images.shape[1:]).to(device)  # the file is row-major in the factors
    return lambda v: images[tuple(v.long().to(device).T)][:, None].float()


def toy(name, n, generator):
    """n points (n, 2) float32 of a 2-D toy, of about unit size, and labels (n,) of the part each came from."""
    g = lambda: torch.randn(n, generator=generator)
    if name == "ring":  # eight Gaussians on a circle of radius 2, standard deviation 0.1
        y = torch.randint(8, (n,), generator=generator)
        angle = 2 * math.pi * y / 8
        x = torch.stack([2 * angle.cos() + 0.1 * g(), 2 * angle.sin() + 0.1 * g()], 1)
    else:  # two half circles, one the point reflection of the other
        y = torch.randint(2, (n,), generator=generator)
        angle = math.pi * torch.rand(n, generator=generator)
        sign = 1 - 2.0 * y
        x = torch.stack([sign * (angle.cos() - 0.5) + 0.08 * g(), sign * (angle.sin() - 0.25) + 0.08 * g()], 1)
    return x, y


def _toy(name):
    generator = torch.Generator().manual_seed(0)
    return Dataset(name, f"{name} (2-D)", Split(*toy(name, 20_000, generator)), Split(*toy(name, 5_000, generator)))


def binarise(x, seed=0):
    """Binary pixels drawn once from Bernoulli(grey) with a fixed seed: the test set of every comparison in nats."""
    return torch.bernoulli(x.cpu(), generator=torch.Generator().manual_seed(seed)).to(x.device)


def as_numpy(x):
    """A tensor on any device as a numpy array; arrays pass through."""
    return x.detach().cpu().numpy() if torch.is_tensor(x) else np.asarray(x)
