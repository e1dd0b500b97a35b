"""Data as tensors on the device: splits, data sets by name, and batches by index."""

from dataclasses import dataclass

import numpy as np
import torch

from .. import did_you_mean
from .published import DataError, digits, mnist
from .rendered import toys


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
            try:
                fresh = self.source(self.batch)
            except StopIteration as error:  # an iterator inside it, or a loader
                raise DataError(
                    "The source has come to an end: give a function that returns a batch as often as it is called, "
                    "one that begins its iterator again, or the tensors themselves."
                ) from error
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
    or a 2-D toy: moons, ring, grid, roll. Raises DataError in one sentence."""
    makers = {"mnist": mnist, "fashion-mnist": mnist, "digits": digits}
    makers |= dict.fromkeys(("moons", "ring", "grid", "roll"), toys)
    if name not in makers:
        known = f"{did_you_mean(name, makers)}: choose one of {', '.join(makers)}."
        raise DataError(f"There is no data set {name!r}{known}")
    title, *pairs, classes = makers[name](name)
    return Dataset(name, title, *(Split(x.to(device), y.to(device)) for x, y in pairs), classes)


def as_numpy(x):
    """A tensor on any device as a numpy array; arrays pass through."""
    return x.detach().cpu().numpy() if torch.is_tensor(x) else np.asarray(x)
