"""Many processes that train one model: what each of them does otherwise than one alone."""

import contextlib
import os
import sys

import torch


class Ranks:
    """The processes that train one model together. Outside a fit all do the same; in a fit each has its share of every
    batch and noise of its own, and optimisers step by the mean of all gradients. The first alone prints and saves."""

    def __init__(self, cpu):
        from accelerate import PartialState

        state = PartialState(cpu=cpu)
        self.rank, self.size, self.device = state.process_index, state.num_processes, state.device
        if self.rank:
            sys.stdout = open(os.devnull, "w")

    def mean(self, tensors):
        """Give the tensors, in place, their means over the ranks."""
        for exchange in [torch.distributed.all_reduce(t.div_(self.size), async_op=True) for t in tensors]:
            exchange.wait()

    @contextlib.contextmanager
    def together(self, loop):
        """A fit: all begin with the first one's parameters, and end with its buffers and the same random numbers."""
        gradients = lambda opt: [p.grad for g in opt.param_groups for p in g["params"] if p.grad is not None]
        buffers = [b for m in loop.modules for b in m.buffers()]
        seed = torch.randint(2**31, (), device=self.device)
        for t in (seed, *buffers, *(p.detach() for m in loop.modules for p in m.parameters())):
            torch.distributed.broadcast(t, 0)
        torch.manual_seed(seed.item() + 1 + self.rank)
        with contextlib.ExitStack() as hooks:
            for opt in loop.optimisers:
                hooks.callback(opt.register_step_pre_hook(lambda opt, *_: self.mean(gradients(opt))).remove)
            yield
        for t in buffers:
            torch.distributed.broadcast(t, 0)
        torch.manual_seed(seed.item())
