"""The likelihood of a latent-variable model by importance sampling, and a function evaluated in chunks."""

import math

import torch


@torch.no_grad()
def in_chunks(function, *tensors, size=1000):
    """``function(*tensors)`` on at most ``size`` rows at once, without gradients, put together again: a tensor, or a
    tuple of tensors, with one row (or value) per row of the tensors (N, ...)."""
    parts = [function(*some) for some in zip(*(t.split(size) for t in tensors), strict=True)]
    return torch.cat(parts) if torch.is_tensor(parts[0]) else tuple(map(torch.cat, zip(*parts, strict=True)))


@torch.no_grad()
def importance_log_likelihood(log_weight, x, k=500, chunk=50, rows=1000):
    """log (1/K) Σ_k w_k per example, a lower bound on log p(x) in expectation that tightens with K
    (Burda et al. 2016, equation 8).

    log_weight: a function of x (B, ...) that draws one z ~ q(z | x) per example and returns
        log p(x, z) − log q(z | x), in nats, (B,). x: (N, ...). k: samples per example; ``chunk`` of them at once on
        ``rows`` examples bound the memory. Returns (N,) float64.
    """
    parts = []
    for some in x.split(rows):
        total = torch.full((len(some),), -math.inf, dtype=torch.float64, device=x.device)
        for first in range(0, k, chunk):
            n = min(chunk, k - first)
            w = log_weight(some.repeat_interleave(n, 0)).double().view(len(some), n)
            total = torch.logaddexp(total, w.logsumexp(1))
        parts.append(total - math.log(k))
    return torch.cat(parts)
