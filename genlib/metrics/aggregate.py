"""The density of all codes, q(z) = 1/N Σ_n q(z | x_n), for Gaussian encoders mu, logvar (N, Z), and what follows: the
information, the total correlation, the marginals' KL. All values in nats."""

import math

import torch
import torch.nn.functional as F

from ..nets import mlp


def log_aggregate(z, mu, logvar, log_weight=None, rows=128):
    """log Σ_n w_n q(z | x_n) and, for each dimension, log Σ_n w_n q(z_j | x_n): z (M, Z) -> (M,), (M, Z).

    log_weight: None for 1/N, which is exact if the N encoders are those of all data (``rows`` × N × Z numbers at once).
        Else an estimate from a batch, a number or (M, N): for minibatch-weighted sampling (Chen et al. 2018, appendix
        C) −log(size of the data × N), for stratified ``log_mss``. An error of q is a bias of its logarithm, and the
        weighted one has all data's log q too low by log N, a total correlation of Z dimensions too high by (Z − 1)
        log N: train with them, read values off the exact form.
    """
    log_weight = -math.log(len(mu)) if log_weight is None else log_weight
    weight = torch.as_tensor(log_weight, dtype=z.dtype, device=z.device)
    weight, joint, marginals = weight.expand(len(z), len(mu)), [], []
    for part, w in zip(z.split(rows), weight.split(rows), strict=True):
        each = -0.5 * ((part[:, None] - mu) ** 2 / logvar.exp() + logvar + math.log(2 * math.pi))  # (rows, N, Z)
        joint.append((each.sum(2) + w).logsumexp(1))  # the weight once, not once a dimension
        marginals.append((each + w[:, :, None]).logsumexp(1))
    return torch.cat(joint), torch.cat(marginals)


def log_mss(batch, n, **like):
    """Log-weights (batch, batch) of minibatch-stratified sampling from n data (Chen et al. 2018, appendix C): unbiased
    for q(z_i), not for its logarithm, if row i's z is drawn from encoder i and the others without replacement. With
    M = batch − 1: 1/n on row i's own encoder, (n − M)/(nM) on one other, 1/M on the rest; a row sums to 1."""
    M, i = batch - 1, torch.arange(batch)
    weight = torch.full((batch, batch), 1 / M, **like)
    weight[i, i], weight[i, (i + 1) % batch] = 1 / n, (n - M) / (n * M)
    return weight.log()


def split_rate(z, mu, logvar, every=1):
    """What the rate is made of (Hoffman & Johnson 2016; Chen et al. 2018, equation 2): information I(z; n), total
    correlation, Σ_j KL(q(z_j) ‖ N(0, 1)), for z (N, Z), one draw of each of the N encoders, which are all: (N, 3). Each
    row is an unbiased draw of the three; their mean has the standard error of N draws. every: only the rows 0, every,
    2 every, …, in that part of the time."""
    own = -0.5 * ((z - mu) ** 2 / logvar.exp() + logvar + math.log(2 * math.pi)).sum(1)[::every]
    z = z[::every]
    joint, marginals = log_aggregate(z, mu, logvar)
    prior = -0.5 * (z**2 + math.log(2 * math.pi)).sum(1)
    return torch.stack([own - joint, joint - marginals.sum(1), marginals.sum(1) - prior], 1)


def ratio_total_correlation(z, steps=1500, hidden=128, rate=2e-3, seed=0):
    """The total correlation by a classifier D between codes z (N, Z) and shuffled ones (Kim & Mnih 2018): log D/(1 − D)
    at the half of the rows that did not train it, (N − N//2,); its mean is the estimate. No bound: a classifier that is
    too weak or too short trained tells too little, and so does one that fits the chance patterns of few rows: 1,500 of
    six dimensions gave −0.37 where 0.15 was exact. Shuffled: each dimension from a row of its own."""
    half = len(z) // 2
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(seed)
        z = ((z - z.mean(0)) / z.std(0).clamp(min=1e-6)).detach().float()[torch.randperm(len(z), device=z.device)]
        D = mlp([z.shape[1], hidden, hidden, 1]).to(z.device)
        opt = torch.optim.Adam(D.parameters(), rate)
        for k in range(steps):
            opt.param_groups[0]["lr"] = rate * (1 - k / steps)
            real, apart = torch.randint(half, (2, 256, z.shape[1]), device=z.device)
            loss = F.softplus(-D(z[real[:, 0]])).mean() + F.softplus(D(z.gather(0, apart))).mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
    return D(z[half:]).detach()[:, 0]
