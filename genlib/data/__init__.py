"""Data as tensors on the device.

``load(name, device)`` takes a published set from ``$GENLIB_DATA``, the user's cache or, once, the network: checked,
under a lock, repeated when cut. Everything is float32 in [0, 1]; a batch is an index. No pickle is ever loaded.
"""

from .batches import Batches, Dataset, Split, as_numpy, load
from .published import PUBLISHED, DataError, cache, dsprites, fetch, find
from .rendered import RING_SD, SIZES, binarise, curves, ring_means, sprites, toy

__all__ = ["Batches", "DataError", "Dataset", "PUBLISHED", "SIZES", "Split", "as_numpy", "binarise", "cache", "curves"]
__all__ += ["dsprites", "fetch", "find", "load", "RING_SD", "ring_means", "sprites", "toy"]
