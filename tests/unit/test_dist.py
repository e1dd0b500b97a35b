"""The linear-Gaussian test bed against integrals done by brute force."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal

from genlib.dist import LinearGaussian


def density(x, mean, sd):
    return torch.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))


def grid_joint(bed, x, half=9.0, points=4001):
    """p(x, z) for one x on a fine grid over a one-dimensional z, by the model's definition; -> z (G,), values (G,)."""
    z = torch.linspace(-half, half, points, dtype=torch.float64)
    joint = density(z, 0.0, 1.0)
    for d in range(bed.visible):
        joint = joint * density(x[d], bed.W[d, 0] * z + bed.b[d], bed.noise)
    return z, joint


@pytest.mark.parametrize("visible, noise", [(1, 0.5), (3, 0.4), (5, 1.5)])
def test_evidence_and_posterior_against_quadrature(visible, noise):
    bed = LinearGaussian(1, visible, noise, seed=visible)
    x = bed.sample(4)
    posterior = bed.posterior(x)
    for i in range(4):
        z, joint = grid_joint(bed, x[i])
        evidence = torch.trapezoid(joint, z)
        assert bed.log_evidence(x)[i].item() == pytest.approx(evidence.log().item(), abs=1e-9)
        bayes = joint / evidence
        on_grid = posterior.log_prob(z[:, None, None].expand(-1, 4, 1))[:, i].exp()
        assert torch.allclose(on_grid, bayes, atol=1e-8)
        mean = torch.trapezoid(z * bayes, z)
        variance = torch.trapezoid((z - mean) ** 2 * bayes, z)
        assert torch.allclose(posterior.mean[i, 0], mean, atol=1e-9)
        assert torch.allclose(posterior.covariance_matrix.expand(4, 1, 1)[i, 0, 0], variance, atol=1e-9)
        assert torch.allclose(bed.log_joint(x[i], z[:, None]).exp(), joint, atol=1e-14)


def test_evidence_in_two_dimensions_of_z_by_a_double_sum():
    bed = LinearGaussian(2, 3, 0.6, seed=4)
    x = bed.sample(1)
    axis = torch.linspace(-8, 8, 801, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    total = bed.log_joint(x, z).exp().sum() * (axis[1] - axis[0]) ** 2
    assert bed.log_evidence(x).item() == pytest.approx(total.log().item(), abs=1e-8)


def test_log_joint_against_torch():
    bed = LinearGaussian(3, 6, 0.7)
    x, z = bed.sample(5), torch.randn(5, 3, dtype=torch.float64)
    likelihood = Independent(Normal(z @ bed.W.T + bed.b, bed.noise), 1).log_prob(x)
    prior = Independent(Normal(torch.zeros(5, 3, dtype=torch.float64), 1), 1).log_prob(z)
    assert torch.allclose(bed.log_joint(x, z), likelihood + prior, atol=1e-10)
    many = torch.randn(7, 5, 3, dtype=torch.float64)
    assert bed.log_joint(x, many).shape == (7, 5)
    assert torch.allclose(bed.log_joint(x, many)[4], bed.log_joint(x, many[4]), atol=1e-12)


@pytest.mark.parametrize("latent, visible", [(1, 1), (2, 5), (4, 3)])
def test_elbo_plus_kl_is_the_log_evidence_for_any_q(latent, visible):
    bed = LinearGaussian(latent, visible, 0.8, seed=1)
    x = bed.sample(6)
    for seed in range(5):
        loc, scale = torch.randn(2, 6, latent, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        q = Normal(2 * loc, scale.exp())
        elbo, kl = bed.elbo(x, q), bed.kl_to_posterior(q, x)
        assert elbo.shape == kl.shape == (6,) and (kl >= -1e-10).all()
        assert torch.allclose(elbo + kl, bed.log_evidence(x), rtol=1e-10, atol=1e-9)
        wrong = bed.elbo(x, Normal(q.loc, q.scale**2))  # a variance where the scale belongs
        assert (wrong + kl - bed.log_evidence(x)).abs().max() > 1e-2


def test_the_bound_is_tight_at_the_posterior_and_nowhere_else():
    bed = LinearGaussian(1, 4, 0.5)
    x = bed.sample(3)
    posterior = bed.posterior(x)
    q = Normal(posterior.mean, posterior.covariance_matrix.expand(3, 1, 1).diagonal(dim1=1, dim2=2).sqrt())
    assert torch.allclose(bed.elbo(x, q), bed.log_evidence(x), atol=1e-10)
    assert (bed.elbo(x, Normal(q.loc + 0.1, q.scale)) < bed.log_evidence(x) - 1e-3).all()
    assert (bed.elbo(x, Normal(q.loc, q.scale * 1.2)) < bed.log_evidence(x) - 1e-3).all()


def test_elbo_is_the_mean_of_log_joint_minus_log_q():
    bed = LinearGaussian(3, 5, 0.9, seed=2)
    x = bed.sample(4)
    torch.manual_seed(0)
    q = Normal(torch.randn(4, 3, dtype=torch.float64), torch.rand(4, 3, dtype=torch.float64) + 0.2)
    z = q.sample((20_000,))
    values = bed.log_joint(x, z) - q.log_prob(z).sum(-1)
    error = values.std(0) / 20_000**0.5
    assert ((values.mean(0) - bed.elbo(x, q)).abs() < 4.5 * error).all()


def test_one_q_for_all_examples_and_a_shared_scale():
    bed = LinearGaussian(2, 3, 0.5)
    x = bed.sample(4)
    loc = torch.zeros(4, 2, dtype=torch.float64)
    wide = Normal(loc, torch.full((4, 2), 0.3, dtype=torch.float64))
    assert torch.allclose(bed.elbo(x, Normal(loc, 0.3)), bed.elbo(x, wide))


def test_samples_have_the_mean_and_covariance_of_the_evidence():
    bed = LinearGaussian(2, 3, 0.5, seed=7)
    x = bed.sample(50_000) - bed.b
    covariance = bed.W @ bed.W.T + 0.25 * torch.eye(3, dtype=torch.float64)
    assert (x.mean(0).abs() < 4.5 * (covariance.diagonal() / 50_000).sqrt()).all()
    outer = x[:, :, None] * x[:, None, :]
    assert ((outer.mean(0) - covariance).abs() < 4.5 * outer.std(0) / 50_000**0.5).all()
    assert x.dtype == torch.float64
    again, other = LinearGaussian(2, 3, 0.5, seed=7), LinearGaussian(2, 3, 0.5, seed=8)
    assert torch.equal(again.W, bed.W) and not torch.equal(other.W, bed.W)
