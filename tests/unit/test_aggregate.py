"""Estimators of aggregate quantities against finite sums, quadrature and closed forms; the famous wrong ones fail."""

import math
from itertools import permutations, product

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from genlib import metrics

G = lambda seed=0: torch.Generator().manual_seed(seed)
randn = lambda *shape, seed=0: torch.randn(*shape, generator=G(seed), dtype=torch.float64)


def posteriors(n, latent, seed=0):
    return randn(n, latent, seed=seed), 0.7 * randn(n, latent, seed=seed + 50) - 1


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_the_aggregate_posterior_is_a_mixture_whatever_the_rows(rows):
    (mu, logvar), z = posteriors(9, 3), randn(7, 3, seed=5)
    equal = Categorical(logits=torch.zeros(9, dtype=torch.float64))
    mixture = lambda mu, sd: MixtureSameFamily(equal, Independent(Normal(mu, sd), 1))
    joint, marginals = metrics.log_aggregate(z, mu, logvar, rows=rows)
    assert torch.allclose(joint, mixture(mu, (logvar / 2).exp()).log_prob(z), atol=1e-12, rtol=0)
    for j in range(3):
        one = mixture(mu[:, [j]], (logvar / 2).exp()[:, [j]])
        assert torch.allclose(marginals[:, j], one.log_prob(z[:, [j]]), atol=1e-12, rtol=0)


def by_stride(batch, n):
    """The stratified weights as two public implementations fill them: the diagonal's stride is one too short."""
    M, W = batch - 1, torch.full((batch, batch), 1.0 / (batch - 1), dtype=torch.float64)
    W.view(-1)[:: M + 1] = 1 / n
    W.view(-1)[1 :: M + 1] = W[M - 1, 0] = (n - M) / (n * M)
    return W.log()


N, B = 6, 3


def means_over_batches(log_weight, replace=False):
    """E[q̂(z_i)] for each row i of a batch, over all ordered batches of B of N encoders whose row i is encoder 0, each
    equally likely: the finite sum itself, float64. replace: the others may be anyone (a batch of independent draws)."""
    mu, logvar = posteriors(N, 2)
    z, found = mu[:1] + 0.3, []
    for i in range(B):
        others = product(range(N), repeat=B - 1) if replace else permutations(range(1, N), B - 1)
        batches = [[*rest[:i], 0, *rest[i:]] for rest in others]
        row = [metrics.log_aggregate(z, mu[b], logvar[b], log_weight[[i]])[0].exp() for b in batches]
        found.append(torch.stack(row).mean())
    return torch.stack(found), metrics.log_aggregate(z, mu, logvar)[0].exp()


def test_stratified_sampling_is_unbiased_in_every_row():
    weight = metrics.log_mss(B, N, dtype=torch.float64)
    assert torch.allclose(weight.exp().sum(1), torch.ones(B, dtype=torch.float64), atol=1e-12, rtol=0)
    found, exact = means_over_batches(weight)
    assert torch.allclose(found, exact.expand(B), rtol=1e-12, atol=0)
    whole = metrics.log_mss(N, N, dtype=torch.float64)  # all data: every other encoder has 1/N on average
    assert torch.allclose(whole.exp().sum(1), torch.ones(N, dtype=torch.float64), atol=1e-12, rtol=0)


def test_the_stratified_weights_in_a_column_are_biased():
    found, exact = means_over_batches(by_stride(B, N))
    assert not torch.allclose(by_stride(B, N).exp().sum(1), torch.ones(B, dtype=torch.float64))  # one row has too much
    assert (found[1:] / exact - 1).abs().min() > 0.1 and found[0] == pytest.approx(exact.item(), rel=1e-12)


def test_weighted_sampling_is_off_by_log_n_when_it_has_all_data():
    (mu, logvar), z = posteriors(N, 4), randn(N, 4, seed=9)
    exact, marginals = metrics.log_aggregate(z, mu, logvar)
    joint, each = metrics.log_aggregate(z, mu, logvar, -math.log(N * N))
    assert torch.allclose(joint, exact - math.log(N), atol=1e-12, rtol=0)
    correlation = (exact - marginals.sum(1)).mean()
    assert (joint - each.sum(1)).mean() - correlation == pytest.approx(3 * math.log(N), abs=1e-12)
    # the mean over all batches of independent others is (q(z|own) + (B − 1) q(z)) / NB, not q(z)
    found, q = means_over_batches(torch.full((B, B), -math.log(N * B), dtype=torch.float64), replace=True)
    mu, logvar = posteriors(N, 2)
    own = Normal(mu[0], (logvar[0] / 2).exp()).log_prob(mu[0] + 0.3).sum().exp()
    assert torch.allclose(found, ((own + (B - 1) * q) / (N * B)).expand(B), rtol=1e-12, atol=0)


def test_weights_added_in_every_dimension_are_far_off():
    """log W inside the sum over dimensions: log q(z) carries it Z times."""
    (mu, logvar), z = posteriors(N, 4), randn(N, 4, seed=9)
    each = Normal(mu, (logvar / 2).exp()).log_prob(z[:, None]) + metrics.log_mss(N, N, dtype=torch.float64)[:, :, None]
    wrong = (each.sum(2).logsumexp(1) - each.logsumexp(1).sum(1)).mean()
    joint, marginals = metrics.log_aggregate(z, mu, logvar)
    assert wrong < -1 and (joint - marginals.sum(1)).mean() > wrong + 3


def standard_error(x):
    return x.std(0) / len(x) ** 0.5


def test_the_split_of_the_rate_on_a_mixture_by_quadrature():
    """Two posteriors at ±(1.2, 1.2), sd 0.5, each 2,000 times: information and total correlation by quadrature."""
    mu = torch.tensor([[1.2, 1.2], [-1.2, -1.2]], dtype=torch.float64).repeat(2000, 1)
    logvar = torch.full_like(mu, 2 * math.log(0.5))
    found = metrics.split_rate(mu + 0.5 * randn(4000, 2), mu, logvar)
    grid = torch.linspace(-5, 5, 801, dtype=torch.float64)
    side = 0.5 * sum(Normal(m, 0.5).log_prob(grid).exp() for m in (1.2, -1.2))
    both = 0.5 * sum(torch.outer(p, p) for p in (Normal(m, 0.5).log_prob(grid).exp() for m in (1.2, -1.2)))
    step = (grid[1] - grid[0]).item()
    entropy = lambda p, volume: -(torch.special.xlogy(p, p)).sum() * volume
    joint, one = entropy(both, step**2), entropy(side, step)
    noise = 2 * Normal(0.0, 0.5).entropy().item()
    misfit = 2 * ((side * (side.log() - Normal(0.0, 1.0).log_prob(grid))).sum() * step)
    exact = torch.stack([joint - noise, 2 * one - joint, misfit])
    assert (standard_error(found) < 0.02).all() and ((found.mean(0) - exact).abs() < 4 * standard_error(found)).all()
    assert exact[0] < math.log(2) and exact[1] > 0.5  # both dimensions tell the same bit
    rate = kl_divergence(Normal(mu, 0.5), Normal(0.0, 1.0)).sum(1).mean()
    assert abs(found.sum(1).mean() - rate) < 4 * standard_error(found.sum(1))


def test_a_grid_of_codes_has_no_total_correlation_until_it_is_turned():
    mu = torch.cartesian_prod(*(torch.linspace(-1.5, 1.5, n, dtype=torch.float64) for n in (9, 7)))
    logvar, eps = torch.full_like(mu, 2 * math.log(0.2)), randn(63, 2)
    turn = torch.tensor([[0.8, 0.6], [-0.6, 0.8]], dtype=torch.float64)
    straight, turned = (metrics.split_rate(m + 0.2 * e, m, logvar) for m, e in ((mu, eps), (mu @ turn, eps @ turn)))
    assert straight[:, 1].abs().max() < 1e-12 < 0.05 < turned[:, 1].mean()
    thinned = metrics.split_rate(mu + 0.2 * eps, mu, logvar, every=4)
    assert thinned.shape == (16, 3) and torch.allclose(thinned, straight[::4], atol=1e-12, rtol=0)
    assert torch.allclose(straight[:, 0], turned[:, 0], atol=1e-10, rtol=0) and straight[:, 0].mean() < math.log(63)


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_total_correlation_and_information_of_gaussian_codes(rho):
    """Means N(0, C − s²I) and noise s make the aggregate N(0, C): information ½ log det C/s², correlation −½ log det C.
    3,000 means are not their density: the finite mixture is a little lumpy, so a slack beside the standard errors."""
    s, C = 0.4, torch.tensor([[1.0, rho], [rho, 1.0]], dtype=torch.float64)
    mu = randn(3000, 2) @ torch.linalg.cholesky(C - s**2 * torch.eye(2)).T
    z, exact = mu + s * randn(3000, 2, seed=1), -0.5 * torch.logdet(C).item()
    found = metrics.split_rate(z, mu, torch.full_like(mu, 2 * math.log(s)))
    assert abs(found[:, 1].mean() - exact) < 4 * standard_error(found[:, 1]) + 0.03
    assert abs(found[:, 0].mean() - 0.5 * torch.logdet(C / s**2)) < 4 * standard_error(found[:, 0]) + 0.03
    by_classifier = metrics.ratio_total_correlation(z, steps=600)
    assert abs(by_classifier.mean() - exact) < 4 * standard_error(by_classifier) + 0.05


def test_the_classifier_leaves_the_generator_alone_and_underestimates_if_short():
    z = randn(2000, 2)
    z[:, 1] = 0.8 * z[:, 0] + 0.6 * z[:, 1]
    before = torch.get_rng_state()
    short, again = metrics.ratio_total_correlation(z, steps=20), metrics.ratio_total_correlation(z, steps=20)
    assert torch.equal(torch.get_rng_state(), before) and torch.equal(short, again) and short.shape == (1000,)
    assert short.mean() < 0.4 < -0.5 * math.log(1 - 0.8**2)
    spread = torch.tensor([100.0, 0.01]) * z + 5  # neither scale nor place matters
    assert metrics.ratio_total_correlation(spread, steps=20).mean() == pytest.approx(short.mean().item(), abs=1e-3)
