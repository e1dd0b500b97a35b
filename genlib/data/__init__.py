"""Data as tensors on the device.

``load(name, device)`` takes a published set from ``$GENLIB_DATA``, the user's cache or, once, the network: checked,
under a lock, repeated when cut. Everything is float32 in [0, 1]; a batch is an index. No pickle is ever loaded.
"""

from .batches import Batches, Dataset, Split, as_numpy, load
from .published import PUBLISHED, DataError, cache, dsprites, fetch, find
from .rendered import GRID_SD, RING_SD, SIZES, binarise, curves, grid_means, ring_means, sprites, stacked, toy
from .shaded import HEAD, heads

__all__ = ["Batches", "DataError", "Dataset", "GRID_SD", "HEAD", "PUBLISHED", "RING_SD", "SIZES", "Split", "as_numpy"]
__all__ += ["binarise", "cache", "curves", "dsprites", "fetch", "find", "grid_means", "heads", "load", "ring_means"]
__all__ += ["sprites", "stacked", "toy"]
