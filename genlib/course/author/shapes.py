"""The pretend device where values cost too much: tensors that are a shape and a type, and numbers in their place.

An operation that would take long is done on torch's device "meta", which computes shapes; so is all that follows from
it. Who reads such a tensor's values is given others: uniform numbers, zeros and ones in turn.
"""

import contextlib
import time

import torch
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.flop_counter import flop_registry

from .costs import DEVICES, Tally, is_view, touched, written
from .pretend import Pretence, Pretend, inside

CORE = DEVICES["core"]
DEAR = 0.03  # seconds of one core for one operation
SMALL = 10_000  # numbers that an operation takes, below which it is not looked at
CELL_SECONDS = 5.0  # of one core for the operations of a cell, before all of them are shapes alone


class Shapes(Pretence):
    """A Pretence that computes shapes where an operation is dear, and adds up what the device is asked for.

    read: how often a value was read that was never computed. outside: Tally of all that was not ``counted`` apart.
    spent: seconds inside operations.
    """

    def __init__(self):
        super().__init__()
        self.read, self.left, self.spent = 0, CELL_SECONDS, 0.0
        self.outside, self.apart, self.meter = Tally(), None, self.add

    def add(self, func, args, kwargs, out):
        if self.apart is not False:
            (self.outside if self.apart is None else self.apart).add(func, args, kwargs, out)

    @contextlib.contextmanager
    def counted(self, tally):
        """Meanwhile the device's work is added to ``tally`` or, if it is False, to none."""
        before, self.apart = self.apart, tally
        try:
            yield tally
        finally:
            self.apart = before

    def run(self, func, args, kwargs):
        begun = time.process_time()
        try:
            return super().run(func, args, kwargs)
        finally:
            self.spent += time.process_time() - begun

    # --- one operation ------------------------------------------------------------------------------------------------

    def compute(self, func, args, kwargs):
        inner, words = tree_map(inside, (args, kwargs))
        tensors = [t for t in tree_flatten((inner, words))[0] if isinstance(t, torch.Tensor)]
        if not any(t.is_meta for t in tensors) and not self.dear(func, inner, words, tensors):
            begun = time.process_time()
            out = func(*inner, **words)
            self.left -= time.process_time() - begun
            return out
        emptied = self.empty_written(func, args, kwargs)
        inner, words = tree_map(inside, (args, kwargs))
        try:
            return self.shaped(func, inner, words)
        except (NotImplementedError, RuntimeError):  # its shape hangs on values, or torch has no rule for it
            if emptied or not func._schema.returns:
                return emptied[0].inner if func._schema.returns else None
            self.read += 1
            inner, words = tree_map(lambda t: self.stand_in(t) if isinstance(t, torch.Tensor) else t, (inner, words))
            return tree_map(lambda t: hollow(t) if isinstance(t, torch.Tensor) else t, func(*inner, **words))

    def dear(self, func, args, kwargs, tensors):
        """Whether an operation, or all of its cell so far, takes this machine too long."""
        if is_view(func) and tensors:
            return False
        if self.left < 0:
            return True
        if tensors and sum(t.numel() for t in tensors) < SMALL:
            return False
        try:
            out = self.shaped(func, args, kwargs)
        except (NotImplementedError, RuntimeError):
            return sum(map(touched, tensors)) / CORE.bandwidth > DEAR
        size = sum(touched(t) for t in [*tensors, *tree_flatten(out)[0]] if isinstance(t, torch.Tensor))
        flops = 0
        if func.overloadpacket in flop_registry:
            flops = flop_registry[func.overloadpacket](*args, **kwargs, out_val=out)
        return max(flops / CORE.rate, size / CORE.bandwidth) > DEAR

    def shaped(self, func, args, kwargs):
        args, kwargs = tree_map(lambda t: hollow(t) if isinstance(t, torch.Tensor) else t, (args, kwargs))
        kwargs = {k: v for k, v in kwargs.items() if k != "generator"}
        if "device" in kwargs:
            kwargs["device"] = torch.device("meta")
        return func(*args, **kwargs)

    def stand_in(self, t):
        """Numbers in the place of values that were not computed; a tensor with values is itself."""
        if not t.is_meta:
            return t
        if t.is_floating_point():
            return torch.rand(t.shape, dtype=t.dtype, generator=torch.Generator().manual_seed(t.numel()))
        number = torch.arange(1, t.numel() + 1).view(t.shape) % 2  # one, zero, one, …
        return number == 0 if t.dtype == torch.bool else number.to(t.dtype)

    def values(self, inner):
        self.read += inner.is_meta
        return self.stand_in(inner)

    def empty_written(self, func, args, kwargs):
        """What a shape is written into has no values any more: those tensors of the device."""
        found = [t for t in tree_flatten(written(func, args, kwargs))[0] if isinstance(t, Pretend)]
        for t in found:
            if not t.inner.is_meta:
                t.inner = hollow(t.inner)
                self.storages[t.inner.untyped_storage()._cdata] = t.held
        return found


def hollow(t):
    """The shape, strides and type of a tensor."""
    return t if t.is_meta else torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device="meta")
