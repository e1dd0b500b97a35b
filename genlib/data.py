"""Data as tensors on the device.

``load(name, device)`` looks in ``$GENLIB_DATA`` first, then in the user's cache, and downloads at last: checked, under
a lock, repeated when cut. Everything is float32 in [0, 1]; a batch is an index. No pickle is ever loaded.
"""

import contextlib
import difflib
import gzip
import hashlib
import io
import math
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F


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
        self.make, self.tensors = (source, None) if callable(source) else (None, source)
        if isinstance(source, Split):
            self.tensors = source.tensors
        elif torch.is_tensor(source):
            self.tensors = (source,)
        if batch < 1:
            raise DataError(f"A batch has at least one row, not {batch}.")
        if self.tensors is not None:
            if not isinstance(self.tensors, (tuple, list)) or not all(map(torch.is_tensor, self.tensors)):
                raise DataError(
                    "Batches are drawn from a Split (such as mnist.train), a tensor, a tuple of tensors, or a function "
                    f"of the batch size, not from a {type(source).__name__}."
                )
            lengths = {len(t) for t in self.tensors}
            if len(lengths) != 1:
                raise DataError(f"The tensors of the source have different numbers of rows: {sorted(lengths)}.")
            self.rows = lengths.pop()
            if not self.rows:
                raise DataError("There is nothing to draw batches from: the source has no rows.")
            batch = min(batch, self.rows)
        self.batch, self.generator, self.order, self.at = batch, generator, None, 0

    def next(self, peek=False):
        """The tensors of the next batch; with ``peek``, tensors of the same shape, and the order stays where it is."""
        if self.make is not None:
            fresh = self.make(self.batch)
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
    or a 2-D toy: moons, ring, spiral, checkerboard. Raises DataError in one sentence."""
    makers = {"mnist": _mnist, "fashion-mnist": _mnist, "digits": _digits} | dict.fromkeys(TOYS, _toy)
    if name not in makers:
        near = difflib.get_close_matches(str(name), makers, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise DataError(f"There is no data set {name!r}{hint}: choose one of {', '.join(makers)}.")
    made = makers[name](name)
    for split in (made.train, made.test):
        split.x = split.x.to(device)
        split.y = None if split.y is None else split.y.to(device)
    return made


# --- MNIST and Fashion-MNIST ----------------------------------------------------------------------------------------

# SHA-256 of the four unpacked idx files: what a copy holds is checked, wherever it came from.
_SUMS = {
    "MNIST": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}


def cache():
    """The user's cache folder: ``$XDG_CACHE_HOME/genlib`` or ``~/.cache/genlib``; made if it is not there."""
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genlib"
    path.mkdir(parents=True, exist_ok=True)
    return path


def find(folder):
    """Where the raw files of MNIST or FashionMNIST lie, packed or unpacked: a Path, or None if nowhere."""
    places = [Path(p).expanduser() for p in [os.environ.get("GENLIB_DATA")] if p] + [cache()]
    for raw in (place / folder / "raw" for place in places):
        if all((raw / n).exists() or (raw / f"{n}.gz").exists() for n in _SUMS[folder]):
            return raw
    return None


def _mnist(name):
    from torchvision import datasets

    folder = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}[name]
    root = _unpacked(folder, getattr(datasets, folder))
    splits = []
    for train in (True, False):
        raw = getattr(datasets, folder)(root, train=train, download=False)
        splits.append(Split(raw.data[:, None].float() / 255, raw.targets.long()))
    classes = tuple(c.split(" - ")[0] for c in raw.classes)
    return Dataset(name, {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}[name], *splits, classes)


def _unpacked(folder, loader):
    """The folder to give torchvision: the four files are there, unpacked, and hold what they should."""
    raw = find(folder)
    if raw is not None and all((raw / n).exists() for n in _SUMS[folder]) and not _damaged(folder, raw):
        return raw.parent.parent
    from filelock import FileLock

    with FileLock(cache() / f"{folder}.lock"):  # a second process waits here, then finds the work done
        mine = cache() / folder / "raw"
        if all((mine / n).exists() for n in _SUMS[folder]):
            if not _damaged(folder, mine):
                return cache()
            shutil.rmtree(mine)  # our own copy is spoilt: make it again
            raw = find(folder)
        beside = cache() / f".{folder}-partial"  # a killed download leaves its whole files here for the next try
        made = beside / folder / "raw"
        if raw is None:
            _download(folder, loader, beside)
        else:
            _unpack(folder, raw, made)
        bad = _damaged(folder, made)
        if bad:
            shutil.rmtree(beside)
            source = raw or "the download"
            raise DataError(
                f"{bad} from {source} is damaged (its content is not {folder}'s): replace it, "
                "or unset GENLIB_DATA to fetch a fresh copy."
            )
        for packed in made.glob("*.gz"):
            packed.unlink()
        shutil.rmtree(mine, ignore_errors=True)  # an incomplete copy, or one still packed
        mine.parent.mkdir(parents=True, exist_ok=True)
        os.replace(made, mine)
        shutil.rmtree(beside)
    return cache()


def _damaged(folder, raw):
    """The first file whose content is not what it should be, or None."""
    return next((name for name in _SUMS[folder] if not _whole(folder, raw, name)), None)


def _whole(folder, raw, name):
    with open(raw / name, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == _SUMS[folder][name]


def _unpack(folder, raw, made):
    made.mkdir(parents=True, exist_ok=True)
    for name in _SUMS[folder]:
        if (raw / name).exists():
            shutil.copyfile(raw / name, made / name)
            continue
        try:
            (made / name).write_bytes(gzip.decompress((raw / f"{name}.gz").read_bytes()))
        except (EOFError, OSError, gzip.zlib.error) as error:
            raise DataError(
                f"{raw / name}.gz is damaged ({error}): replace it, or unset GENLIB_DATA to fetch a fresh copy."
            ) from error


def _download(folder, loader, root, tries=3):
    """Through torchvision, which checks MD5 sums; a cut file is fetched again, whole ones are kept."""
    print(f"{folder} is not on this machine yet: downloading it to the cache")
    raw = root / folder / "raw"
    for name in _SUMS[folder]:  # torchvision takes any unpacked file for a whole one: a killed try may have left half
        if (raw / name).exists() and not _whole(folder, raw, name):
            (raw / name).unlink()
    patience, failures, had = socket.getdefaulttimeout(), 0, 0
    while True:
        try:
            socket.setdefaulttimeout(20)  # seconds of silence; without it a network that swallows packets is waited for
            with contextlib.redirect_stderr(io.StringIO()):  # torchvision's bar would be stored in the notebook
                loader(root, train=True, download=True)
            return
        except Exception as error:  # torchvision raises RuntimeError, URLError, HTTPException … as mirrors fail
            has = len(list(raw.glob("*-ubyte")))  # the files that came whole
            failures, had = 1 if has > had else failures + 1, has
            if failures == tries:
                reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
                raise DataError(
                    f"{folder} could not be downloaded ({reason}): connect to a network, point GENLIB_DATA at a folder "
                    f"that holds {folder}/raw, or use preset='smoke', whose digits need neither."
                ) from error
        finally:
            socket.setdefaulttimeout(patience)


# --- embedded and procedural sets -----------------------------------------------------------------------------------


def _digits(name):
    """scikit-learn's 1,797 digits (8×8, 17 levels), brought to 28×28 as MNIST frames them: a 20×20 box in a margin."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    x = torch.from_numpy(raw.images).float()[:, None] / 16
    x = F.pad(F.interpolate(x, size=20, mode="bilinear", align_corners=False), (4, 4, 4, 4))
    y = torch.from_numpy(raw.target).long()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))  # always the same test set
    x, y = x[order], y[order]
    classes = tuple(str(c) for c in range(10))
    return Dataset(name, "digits (scikit-learn, 28×28)", Split(x[:1500], y[:1500]), Split(x[1500:], y[1500:]), classes)


def curves(n, seed=0, size=28, device="cpu"):
    """Images (n, 1, size, size) of smooth strokes, each from three random points: six intrinsic dimensions.

    Our rendering of the synthetic set of Hinton & Salakhutdinov (2006): a quadratic Bézier curve with control points
    uniform in the central part of the frame; ink is a line integral of a Gaussian pen along it, saturated to [0, 1].
    """
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(n, 3, 2, generator=generator) * (size - 8) + 3.5  # (n, 3, 2), in pixels
    t = torch.linspace(0, 1, 48)
    basis = torch.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2])  # (3, T)
    slope = torch.stack([-2 * (1 - t), 2 - 4 * t, 2 * t])
    pixels = torch.arange(size).float()
    images = torch.empty(n, 1, size, size)
    for part in range(0, n, 2000):  # the sum over the curve's T points is a matrix product per image
        p = points[part : part + 2000]
        at = torch.einsum("nkd,kt->ntd", p, basis)  # (n, T, 2)
        speed = torch.einsum("nkd,kt->ntd", p, slope).norm(dim=2) / len(t)
        gx, gy = (torch.exp(-0.5 * (pixels - at[:, :, d, None]) ** 2) for d in (0, 1))  # (n, T, size)
        images[part : part + 2000, 0] = 1 - torch.exp(-1.5 * torch.einsum("nt,nti,ntj->nij", speed, gy, gx))
    return images.to(device)


def sprites(v, sizes=(3, 6, 40, 32, 32), shapes=("square", "ellipse", "heart"), side=64):
    """White shapes on black, binary images (N, 1, side, side) from factors v (N, 5), rendered on v's device.

    The columns are those of dSprites (Higgins et al. 2017): shape, scale (0.5 to 1), orientation (a full turn), x and y
    position; ``sizes`` are their numbers of values, 737,280 combinations by default. The drawing is ours. A square is
    the same after a quarter turn and an ellipse after a half: their orientation cannot be told from the image.
    """
    shape, *rest = v.T
    scale, turn, px, py = (
        r.float()[:, None, None] / max(1, n - (i != 1)) for i, (r, n) in enumerate(zip(rest, sizes[1:], strict=True))
    )
    unit = side / 64
    at = (torch.arange(side, device=v.device) + 0.5) / unit
    x, y = at[None, None, :] - 16 - 32 * px, at[None, :, None] - 16 - 32 * py
    angle, radius = 2 * math.pi * turn, 11 * (0.5 + 0.5 * scale)
    a, b = (angle.cos() * x + angle.sin() * y) / radius, (angle.cos() * y - angle.sin() * x) / radius
    inside = {
        "square": torch.maximum(a.abs(), b.abs()) <= 0.8,
        "ellipse": a**2 + (b / 0.6) ** 2 <= 1,
        "heart": ((1.3 * a) ** 2 + (1.3 * b) ** 2 - 1) ** 3 + (1.3 * a) ** 2 * (1.3 * b) ** 3 <= 0,
    }
    drawn = torch.stack([inside[name] for name in shapes])  # (shapes, N, side, side)
    return drawn[shape.long(), torch.arange(len(v), device=v.device)].float()[:, None]


TOYS = ("moons", "ring", "spiral", "checkerboard")


def toy(name, n, generator):
    """n points (n, 2) float32 of a 2-D toy, of about unit size, and labels (n,) of the part each came from."""
    u = lambda: torch.rand(n, generator=generator)
    g = lambda: torch.randn(n, generator=generator)
    if name == "ring":  # eight Gaussians on a circle of radius 2, standard deviation 0.1
        y = torch.randint(8, (n,), generator=generator)
        angle = 2 * math.pi * y / 8
        x = torch.stack([2 * angle.cos() + 0.1 * g(), 2 * angle.sin() + 0.1 * g()], 1)
    elif name == "moons":
        y = torch.randint(2, (n,), generator=generator)
        angle = math.pi * u()
        sign = 1 - 2.0 * y
        x = torch.stack([sign * (angle.cos() - 0.5) + 0.08 * g(), sign * (angle.sin() - 0.25) + 0.08 * g()], 1)
    elif name == "spiral":
        y = torch.zeros(n, dtype=torch.long)
        angle = 3 * math.pi * (0.15 + 0.85 * u().sqrt())
        x = torch.stack([angle * angle.cos(), angle * angle.sin()], 1) / 4 + 0.06 * torch.stack([g(), g()], 1)
    else:  # checkerboard: eight of the sixteen unit squares in [-2, 2]²
        y = torch.randint(8, (n,), generator=generator)
        row, half = y // 2, y % 2
        column = 2 * half + row % 2
        x = torch.stack([column + u() - 2, row + u() - 2], 1)
    return x, y


def _toy(name):
    generator = torch.Generator().manual_seed(0)
    return Dataset(name, f"{name} (2-D)", Split(*toy(name, 20_000, generator)), Split(*toy(name, 5_000, generator)))


def binarise(x, seed=0):
    """Binary pixels drawn once from Bernoulli(grey) with a fixed seed: the test set of every comparison in nats."""
    generator = torch.Generator().manual_seed(seed)
    return torch.bernoulli(x.cpu(), generator=generator).to(x.device)


def as_numpy(x):
    """A tensor on any device as a numpy array; arrays pass through."""
    return x.detach().cpu().numpy() if torch.is_tensor(x) else np.asarray(x)
