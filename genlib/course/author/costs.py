"""What a kernel costs on a device that is not here: floating-point operations, bytes, and the seconds they take.

The projection is a roofline: a kernel takes the largest of its operations over the peak rate, its bytes over the peak
bandwidth, each peak times the stated share that such networks reach of it, and a floor to start it. A step that is
captured as a CUDA graph has the lower of two floors, for Python takes no part in it.
"""

from dataclasses import dataclass, field

import torch
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import flop_registry


@dataclass(frozen=True)
class Device:
    """rate: FLOP/s of float32 at peak; bandwidth: bytes/s at peak; launch, replay: seconds that a kernel takes at
    least, started by Python or in a CUDA graph; preset: what is run there."""

    title: str
    preset: str
    rate: float
    bandwidth: float
    launch: float
    replay: float
    rate_share: float
    bandwidth_share: float

    def seconds(self, flops, size, captured):
        work = max(flops / (self.rate * self.rate_share), size / (self.bandwidth * self.bandwidth_share))
        return max(work, self.replay if captured else self.launch)


# Peaks: NVIDIA's data sheets, H200 SXM (67 TFLOP/s float32 without tensor cores, 4.8 TB/s) and T4 (8.1 TFLOP/s, 320
# GB/s). One core here, "this core": 70 GFLOP/s in a 1024 × 1024 matrix product (measured), 12 GB/s (assumed); a laptop
# takes a third of its time (DESIGN's contract of a run). Launches and shares are our assumptions: PyTorch's dispatch,
# autograd included, takes about 10 µs an operation on a CPU; the main fits of the chapters reach 0.7 of the core.
DEVICES = {
    "H200": Device("H200", "gpu", 67e12, 4.8e12, 10e-6, 2e-6, 0.5, 0.6),
    "T4": Device("T4", "gpu", 8.1e12, 320e9, 15e-6, 4e-6, 0.5, 0.6),
    "laptop": Device("laptop", "cpu", 210e9, 36e9, 4e-6, 4e-6, 0.7, 0.7),
    "core": Device("one core", "cpu", 70e9, 12e9, 10e-6, 10e-6, 0.7, 0.7),
}


@dataclass
class Tally:
    """What a stretch of a run asks of the device."""

    kernels: int = 0
    flops: int = 0
    bytes: int = 0
    eager: dict = field(default_factory=lambda: dict.fromkeys(DEVICES, 0.0))  # device -> seconds
    captured: dict = field(default_factory=lambda: dict.fromkeys(DEVICES, 0.0))

    def add(self, func, args, kwargs, out):
        """One operation, with its tensors (or shapes alone)."""
        if is_view(func):
            return
        outputs = [t for t in tree_flatten(out)[0] if isinstance(t, torch.Tensor)]
        size = moved(func, args, kwargs, outputs)
        flops = sum(t.numel() for t in outputs)
        if func.overloadpacket in flop_registry:
            flops = flop_registry[func.overloadpacket](*args, **kwargs, out_val=out)
        self.kernels, self.flops, self.bytes = self.kernels + 1, self.flops + flops, self.bytes + size
        for name, device in DEVICES.items():
            self.eager[name] += device.seconds(flops, size, False)
            self.captured[name] += device.seconds(flops, size, True)


PICKS = ("index_select", "index", "gather", "embedding", "take", "take_along_dim")
PUTS = ("index_put_", "_index_put_impl_", "scatter_", "index_add_", "index_copy_")


def moved(func, args, kwargs, outputs):
    """Bytes that an operation reads and writes. Of a table it reads, or writes, the rows that are asked for."""
    name = func.overloadpacket.__name__
    table = name in PICKS + PUTS
    inputs = [t for t in tree_flatten((args[table:], kwargs))[0] if isinstance(t, torch.Tensor)]
    if name in PUTS:
        return 2 * sum(map(touched, inputs))
    if not func._schema.returns:  # of many tensors in place: an optimiser's
        outputs = [t for t in tree_flatten(written(func, args, kwargs))[0] if isinstance(t, torch.Tensor)]
    return sum(map(touched, inputs)) + (1 + table) * sum(map(touched, outputs))


def written(func, args, kwargs):
    """The arguments that an operation changes in place."""
    changed = [said for said in func._schema.arguments if said.alias_info is not None and said.alias_info.is_write]
    given = dict(zip((said.name for said in func._schema.arguments), args, strict=False)) | kwargs
    return [given[said.name] for said in changed if said.name in given]


def touched(tensor):
    """Bytes of memory that a kernel reads or writes of a tensor: what is expanded is there once."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


_VIEWS = {}


def is_view(func):
    """Whether an operation starts no kernel: its result is its input's memory seen otherwise, or new and unwritten."""
    if func not in _VIEWS:
        returned = [r.alias_info for r in func._schema.returns]
        seen = bool(returned) and all(a is not None and not a.is_write for a in returned)
        _VIEWS[func] = seen or func.overloadpacket.__name__.startswith(("empty", "new_empty", "_unsafe_view", "resize"))
    return _VIEWS[func]
