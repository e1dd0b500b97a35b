"""Small networks that many chapters use and none is about."""

import copy
from itertools import pairwise

import torch
from torch import nn


def mlp(sizes, act=nn.ReLU, out=None):
    """Linear layers (B, sizes[0]) -> (B, sizes[-1]) with an activation between them; act: a module class or a function
    that makes one; out: one more behind the last layer, such as nn.Sigmoid."""
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), act()]
    return nn.Sequential(*layers[:-1], *([out()] if out else []))


def zero(layer):
    """The layer with weights and bias at zero: a residual or a coupling that ends in it begins as the identity."""
    for p in layer.parameters():
        nn.init.zeros_(p)
    return layer


class Averaged(nn.Module):
    """A running mean of a module's weights: θ̄ ← d θ̄ + (1 − d) θ after each update, to draw or measure with.

    Call ``update()`` at the end of the step, and name this module in ``state`` beside the trained one. d is the smaller
    of ``decay`` and (1 + n) / (10 + n) after n updates, so that the random start is forgotten soon. Buffers are copied.
    Nothing waits for the device, so a step with it can be a CUDA graph (torch's own AveragedModel asks on the CPU how
    many updates there were).
    """

    def __init__(self, module, decay=0.999):
        super().__init__()
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.decay, self._source = decay, (module,)  # in a tuple: no submodule of this one
        self.register_buffer("updates", torch.zeros((), device=next(module.parameters()).device))

    @torch.no_grad()
    def update(self):
        """Take in the weights as they are now."""
        weight = 1 - ((1 + self.updates) / (10 + self.updates)).clamp(max=self.decay)
        for mean, now in zip(self.module.parameters(), self._source[0].parameters(), strict=True):
            mean.lerp_(now, weight.to(mean.dtype))
        for mean, now in zip(self.module.buffers(), self._source[0].buffers(), strict=True):
            mean.copy_(now)
        self.updates += 1

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)
