"""Every check passes on what is right, fails on what is known to be wrong, and prints the same line for any numbers."""

import math

import numpy as np
import pytest
import torch

from genlib import check
from genlib.checks import CheckFailed

NAN, INF = float("nan"), float("inf")


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def fails(function, *arguments, match=None, **named):
    with pytest.raises(CheckFailed, match=match) as error:
        function("name", *arguments, **named)
    assert isinstance(error.value, AssertionError) and "\n" not in str(error.value)


# --- equal ------------------------------------------------------------------------------------------------------------


def test_equal_is_relative_to_one_plus_the_largest():
    check.equal("name", torch.tensor([100.0, 1e6 + 1]), torch.tensor([100.0, 1e6]), 1.1e-6)
    fails(check.equal, torch.tensor([100.0, 1e6 + 1]), torch.tensor([100.0, 1e6]), 0.9e-6, match="allowed is 9e-07")
    check.equal("name", 1e-12, 0.0, 1e-11)  # near zero the tolerance is absolute
    check.equal("name", rand(3, 4).double(), rand(3, 4).double().numpy(), 0.0)
    check.equal("name", torch.ones(4), 1, 0)  # a number against a tensor
    check.equal("name", 0.1 + 0.2, 0.3, 1e-16 * 4)  # Python numbers in double precision
    fails(check.equal, 0.1 + 1e-9, 0.1, 1e-10)


@pytest.mark.parametrize("lhs, rhs", [(NAN, 1.0), (1.0, NAN), (NAN, NAN), (INF, 1.0), (1.0, INF), (INF, -INF)])
def test_nothing_equals_what_is_not_finite(lhs, rhs):
    fails(check.equal, lhs, rhs, 1e9)
    fails(check.equal, torch.tensor([1.0, lhs]), torch.tensor([1.0, rhs]), 1e9)


def test_equal_refuses_to_broadcast():
    fails(check.equal, torch.ones(3, 1), torch.ones(3), 1.0, match=r"different shapes, \(3, 1\) and \(3,\)")
    fails(check.equal, torch.ones(3), torch.ones(4), 1.0)


def test_equal_takes_gradients_and_integers():
    check.equal("name", torch.ones(2, requires_grad=True), np.ones(2, dtype=np.int64), 0)


# --- monte_carlo ------------------------------------------------------------------------------------------------------


def test_monte_carlo_accepts_the_mean_and_catches_a_bias_of_six_standard_errors():
    samples = rand(10_000, 5).double() * torch.arange(1, 6)
    check.monte_carlo("name", samples, torch.zeros(5))
    check.monte_carlo("name", samples[:, 0], 0.0)
    biased = samples.clone()
    biased[:, 3] += 6.5 * 4 / 100
    fails(check.monte_carlo, biased, torch.zeros(5), match="standard errors from the exact value, allowed are 4")
    fails(check.monte_carlo, samples[:, 0] + 0.065, 0.0)
    check.monte_carlo("name", biased, torch.zeros(5), z=9)


def test_monte_carlo_errs_about_as_often_as_it_says():
    """With z = 2 about 4.6 % of right means are refused: the standard error is neither too wide nor too narrow."""
    refused = 0
    for seed in range(400):
        try:
            check.monte_carlo("name", rand(200, seed=seed), 0.0, z=2)
        except CheckFailed:
            refused += 1
    assert 6 <= refused <= 34  # 18.2 expected, standard deviation 4.2


def test_monte_carlo_refuses_a_mean_over_the_wrong_axis_and_too_few_samples():
    samples = rand(200, 300)
    check.monte_carlo("name", samples, torch.zeros(300))
    fails(check.monte_carlo, samples, torch.zeros(200), match=r"a mean of shape \(300,\) against \(200,\)")
    fails(check.monte_carlo, samples.mean(0), torch.zeros(300))
    fails(check.monte_carlo, rand(99), 0.0, match="99 samples are too few")


def test_monte_carlo_never_passes_on_a_nan_or_an_infinity():
    samples = rand(200, 3)
    for bad in (NAN, INF, -INF):
        spoilt = samples.clone()
        spoilt[7, 1] = bad
        fails(check.monte_carlo, spoilt, torch.zeros(3))
        fails(check.monte_carlo, samples, torch.tensor([0.0, bad, 0.0]))


def test_monte_carlo_of_a_constant():
    check.monte_carlo("name", torch.full((100,), 3e6), 3e6)
    check.monte_carlo("name", torch.full((100, 2), 0.5), torch.full((2,), 0.5 + 1e-15))
    fails(check.monte_carlo, torch.full((100,), 0.5), 0.5001)


def test_monte_carlo_refuses_an_error_as_wide_as_the_value():
    noisy = 100 * rand(10_000).double() + 1  # standard error 1, exact value 1: a wrong sign would pass
    fails(check.monte_carlo, noisy, 1.0, match="standard error is 1 of the exact value's scale.*more samples")
    check.monte_carlo("name", 100 * rand(10_000).double(), 0.0)  # of zero there is no scale
    check.monte_carlo("name", noisy, 1.0, wide=2.0)
    noisy[:] = rand(10_000) + 1
    fails(check.monte_carlo, noisy, 1.0, wide=0.005, match="standard error is 0.01")


def test_monte_carlo_refuses_what_has_no_finite_variance():
    """f · ε/σ is the score-function gradient; f / ε / σ has no variance, and once passed for it."""
    eps, sigma = rand(4000, 3).double(), 0.3
    f = (1 + 0.5 * sigma * eps - 0.2 * sigma**2 * eps**2).sum(1, keepdim=True)
    check.monte_carlo("name", f * eps / sigma, torch.full((3,), 0.5), wide=1.0)
    fails(check.monte_carlo, f / eps / sigma, torch.full((3,), 0.5), match="shows nothing")
    for seed in range(20):  # of zero there is no scale: one sample's share of the variance gives it away
        cauchy = rand(4000, 3, seed=seed).double() / rand(4000, 3, seed=100 + seed).double()
        fails(check.monte_carlo, cauchy, 0.0, match="of 4,000 samples makes .* of the variance")


def test_monte_carlo_lets_rare_bins_be():
    """A bin that one sample of a thousand falls into has an error small beside the others'."""
    at = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    inside = torch.stack([at < 0.001, (at >= 0.001) & (at < 0.5), at >= 0.5], 1)
    assert inside[:, 0].sum() in (1, 2)
    check.monte_carlo("name", inside, torch.tensor([0.001, 0.499, 0.5]))


# --- at_most, true, differs -------------------------------------------------------------------------------------------


def test_at_most_holds_everywhere_or_fails():
    check.at_most("name", torch.tensor([1.0, 2.0]), 2.0)
    check.at_most("name", torch.tensor([1.0, 2.05]), torch.tensor([1.0, 2.0]), slack=0.1)
    fails(check.at_most, torch.tensor([1.0, 2.2]), torch.tensor([5.0, 2.0]), slack=0.1, match="larger by 0.2")
    for pair in ((NAN, 1.0), (1.0, NAN), (torch.tensor([0.0, NAN]), 1.0)):
        fails(check.at_most, *pair)


def test_true_wants_truth():
    for right in (True, np.bool_(True), torch.tensor(True), torch.ones(3) > 0, np.ones(3) > 0):
        check.true("name", right)
    for wrong in (False, torch.tensor([True, False]), np.zeros(2) > 0, torch.zeros(0) > 0, NAN, torch.tensor(NAN), 1):
        fails(check.true, wrong, match="does not hold")


def test_differs_catches_only_what_is_off():
    right = rand(50)
    check.differs("name", right + 0.5, right, 0.01)
    fails(check.differs, right + 1e-4, right, 0.01, match="would pass at 0.01")
    fails(check.differs, right, right.clone(), 0.0)
    fails(check.differs, right, torch.full((50,), NAN), 0.01, match="the right version is not finite")
    fails(check.differs, right, torch.full((50,), INF), 0.01)


# --- batch_invariant --------------------------------------------------------------------------------------------------


def test_batch_invariant_passes_the_mean_over_the_batch():
    x = rand(6, 1, 4, 4)
    check.batch_invariant("name", lambda x: x.square().sum((1, 2, 3)).mean(), x)
    check.batch_invariant("name", lambda x: x.square().mean(), x)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x.square().sum(),  # summed over the batch: the reduction of many a public VAE
        lambda x: x.square().sum((1, 2, 3)).mean() + 0.1 * x.square().sum() / 6,  # one term of two
        lambda x: x.flatten(1).logsumexp(0).sum(),  # over the wrong axis
        lambda x: x.square().sum((1, 2, 3)).mean() / len(x),  # divided twice, by the batch size too
        lambda x: x.square().sum((1, 2, 3)),  # one number per example: no reduction at all
        lambda x: x.mean() * NAN,
    ],
)
def test_batch_invariant_catches_wrong_reductions(wrong):
    fails(check.batch_invariant, wrong, rand(6, 1, 4, 4))


# --- what is printed --------------------------------------------------------------------------------------------------


def test_the_lines_do_not_depend_on_the_numbers(capsys):
    printed = []
    for seed in (0, 1):
        x = rand(500, seed=seed).double()
        check.equal("sum = loop", x.sum(), sum(x.tolist()), 1e-10)
        check.monte_carlo("mean", x, 0.0)
        check.at_most("bound", x.min(), x.max())
        check.true("order", x.min() < x.max())
        check.differs("sum for mean", x.abs().sum(), x.abs().mean(), 1e-3)
        check.batch_invariant("loss", lambda x: x.mean(), x)
        printed.append(capsys.readouterr().out.splitlines())
    assert (
        printed[0]
        == printed[1]
        == [
            "✓ sum = loop, to 1e-10",
            "✓ mean, within 4 standard errors",
            "✓ bound",
            "✓ order",
            "✓ refused: sum for mean",
            "✓ loss: repeating the batch leaves the loss unchanged",
        ]
    )


def test_a_failing_check_prints_nothing(capsys):
    for function, arguments in (
        (check.equal, (1.0, 2.0, 0.1)),
        (check.monte_carlo, (torch.zeros(100), 1.0)),
        (check.at_most, (2.0, 1.0)),
        (check.true, (math.pi < 3,)),
        (check.differs, (1.0, 1.0, 0.1)),
        (check.batch_invariant, (torch.sum, torch.ones(3))),
    ):
        fails(function, *arguments, match="✗ (refused: )?name")
    assert capsys.readouterr().out == ""
