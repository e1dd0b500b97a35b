"""What every chapter on flows writes and none is about: fixed layers, chains, pixels with noise, bits, and checks.

A layer is a module with ``forward(x) -> (y, log |det J| (B,))`` and ``inverse(y) -> x``; where it starts from data it
has ``start(x)``, and where another layer works on a part of what reaches it ``onwards(x) -> (that layer, its input)``.
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal
from torch.func import jacrev, vmap

from .metrics import in_chunks
from .nets import zero

# --- layers -----------------------------------------------------------------------------------------------------------


class Chain(nn.Module):
    """Layers one after the other; their log-determinants add."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        return x, total

    def inverse(self, y):
        for layer in reversed(self.layers):
            y = layer.inverse(y)
        return y

    @torch.no_grad()
    def start(self, x):
        """Let every layer that starts from data start from what reaches it of the batch x."""
        for layer in self.layers:
            if hasattr(layer, "start"):
                layer.start(x)
            x, _ = layer(x)


def logit(x, alpha):
    """x in [0, 1] -> log p/(1 − p) with p = α + (1 − 2α)x, and the log-determinant: (B, ...) -> (B, ...), (B,)."""
    p = alpha + (1 - 2 * alpha) * x
    log_det = math.log(1 - 2 * alpha) - p.log() - (-p).log1p()
    return p.log() - (-p).log1p(), log_det.flatten(1).sum(1)


class Logit(nn.Module):
    """From [0, 1] to the line, ``alpha`` away from the walls (Dinh et al. 2017, section 4.1)."""

    def __init__(self, alpha=1e-6):
        super().__init__()
        self.alpha = alpha

    def forward(self, x):
        return logit(x, self.alpha)

    def inverse(self, y):
        return (y.sigmoid() - self.alpha) / (1 - 2 * self.alpha)


class Squeeze(nn.Module):
    """2×2 blocks become channels: (B, C, H, W) -> (B, 4C, H/2, W/2)."""

    def forward(self, x):
        return F.pixel_unshuffle(x, 2), x.new_zeros(len(x))

    def inverse(self, y):
        return F.pixel_shuffle(y, 2)


class Flatten(nn.Module):
    """An image of the given shape (C, H, W) becomes a vector."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.flatten(1), x.new_zeros(len(x))

    def inverse(self, y):
        return y.unflatten(1, self.shape)


def checkerboard(channels, height, width, odd=False):
    """The mask (C, H, W) that is 1 where row plus column is even, or odd."""
    place = torch.arange(height)[:, None] + torch.arange(width)
    return (place % 2 == int(odd)).float().repeat(channels, 1, 1)


def half_of_channels(channels, height, width, second=False):
    """The mask (C, H, W) that is 1 on the first, or the second half of the channels."""
    keep = (torch.arange(channels) < channels // 2) != second
    return keep.float()[:, None, None].repeat(1, height, width)


def convnet(channels, width, outputs):
    """3×3, 1×1 and 3×3 convolutions that keep the size, (B, channels, H, W) -> (B, outputs, H, W); the last is zero."""
    layers = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU()]
    return nn.Sequential(*layers, zero(nn.Conv2d(width, outputs, 3, padding=1)))


# --- grey levels and bits ---------------------------------------------------------------------------------------------


def dequantise(k, levels=256):
    """Grey levels 0 … levels − 1 (as floats) with fresh uniform noise, brought to [0, 1)."""
    return (k + torch.rand_like(k)) / levels


def to_bits(log_p, dims, carried=None, levels=256):
    """Log-density of data on [0, 1] in nats per image -> bits per dimension of the image.

    dims: numbers in an image; carried: numbers that the density is over, more than dims if the image was padded: the
    border is certain, and its cells still have to be paid.
    """
    return ((carried or dims) * math.log(levels) - log_p) / (dims * math.log(2))


def bits(log_prob, k, dims, carried=None, draws=1, levels=256, size=500):
    """−log₂ p in bits per dimension of grey levels k (N, ...), once per draw of the noise: (N, draws) float64.

    log_prob: images on [0, 1] -> nats (B,); dims, carried: as in ``to_bits``; size: images at once.
    """
    noisy = lambda part: to_bits(log_prob(dequantise(part, levels)), dims, carried, levels)
    return torch.stack([in_chunks(noisy, k, size=size) for _ in range(draws)], 1).double()


def tighten(b, dims):
    """The bound from all draws at once, −log₂ of their mean likelihood: bits per dimension (N, draws) -> (N,)."""
    nats = dims * math.log(2)
    return (math.log(b.shape[1]) - (-b * nats).logsumexp(1)) / nats


def histogram(train, k, levels=256, prior=0.1):
    """log₂ P of every pixel of k (N, D) under a histogram of its own for each pixel, counted on train (M, D).

    Grey levels 0 … levels − 1; ``prior`` is added to each count. The baseline that knows nothing of other pixels.
    """
    train, k = train.long(), k.long()
    counts = torch.full((train.shape[1], levels), prior, device=train.device)
    counts.scatter_add_(1, train.T, torch.ones(1, 1, device=train.device).expand(train.T.shape))
    log_P = (counts / counts.sum(1, keepdim=True)).log2()
    return log_P[torch.arange(k.shape[1], device=k.device), k]


# --- checks -----------------------------------------------------------------------------------------------------------


def visit(layer, x):
    """Every layer that is not a chain, those behind ``onwards`` too, with the input that reaches it."""
    if isinstance(layer, Chain):
        for inner in layer.layers:
            yield from visit(inner, x)
            x, _ = inner(x)
        return
    yield layer, x
    if hasattr(layer, "onwards"):
        yield from visit(*layer.onwards(x))


def full_log_det(map_one, x, size=128):
    """log |det| of the whole Jacobian of ``map_one``, one example (...) to one output, by autograd: (B, ...) -> (B,);
    ``size`` rows of the Jacobian at once."""
    J = vmap(jacrev(map_one, chunk_size=size))(x)
    return torch.linalg.slogdet(J.reshape(len(x), x[0].numel(), -1)).logabsdet.detach()


def errors(flow, x):
    """Over all layers, each on what reaches it of x: the largest error of a log-determinant against autograd, in nats,
    and of an inverse. In float64 both are rounding."""
    of_det, of_inverse = [], []
    for layer, h in visit(flow, x):
        y, log_det = layer(h)
        by_autograd = full_log_det(lambda one: layer(one[None])[0].flatten(), h)  # noqa: B023
        of_det.append((log_det - by_autograd).abs().max())
        of_inverse.append((layer.inverse(y) - h).abs().max())
    return torch.stack(of_det).max().detach(), torch.stack(of_inverse).max().detach()


def log_prob_by_jacobian(flow, x):
    """log p(x) under the prior N(0, I) by another way, the full Jacobian of the map from codes to images: (B,)."""
    z = flow(x)[0].detach()
    prior = Normal(torch.zeros_like(z[0]), 1.0, validate_args=False).log_prob(z).sum(1)
    return prior - full_log_det(lambda one: flow.inverse(one[None])[0].flatten(), z)


def randomised(flow, scale=0.3, seed=0):
    """A copy in float64 with every weight drawn anew from N(0, scale²): nothing in it is zero or the identity."""
    flow, rng = copy.deepcopy(flow).double(), torch.Generator().manual_seed(seed)
    for p in flow.parameters():
        p.data = scale * torch.randn(p.shape, generator=rng, dtype=torch.float64).to(p.device)
    return flow
