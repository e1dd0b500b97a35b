"""Checks that a chapter makes in front of its reader.

Each asserts, and prints one line that is the same for every preset, device and seed, so that the stored output can be
compared. The two sides must come by different ways: a check on the tensors that define it checks nothing.
"""

import torch


class CheckFailed(AssertionError):
    """The two sides of a check disagree; the message holds the numbers."""


def _tensor(value):
    """A float64 copy on the CPU; a Python number keeps all its digits."""
    return torch.as_tensor(value, dtype=torch.float64).detach().cpu()


def _gap(lhs, rhs):
    """Largest |lhs − rhs| / (1 + largest |rhs|); shapes must agree, except that either side may be a number."""
    lhs, rhs = _tensor(lhs), _tensor(rhs)
    if lhs.dim() and rhs.dim() and lhs.shape != rhs.shape:
        raise CheckFailed(f"the sides have different shapes, {tuple(lhs.shape)} and {tuple(rhs.shape)}")
    gap = ((lhs - rhs).abs().max() / (1 + rhs.abs().max())).item()
    return float("inf") if gap != gap else gap  # a NaN agrees with nothing


def _settle(name, held, why, said=""):
    if not held:
        raise CheckFailed(f"✗ {name}: {why}")
    print(f"✓ {name}{said}")


def equal(name, lhs, rhs, tol):
    """lhs = rhs to a relative tolerance: max|lhs − rhs| ≤ tol · (1 + max|rhs|)."""
    gap = _gap(lhs, rhs)
    _settle(name, gap <= tol, f"the sides differ by {gap:.3g}, allowed is {tol:g}", f", to {tol:g}")


def monte_carlo(name, samples, exact, z=4.0):
    """The mean of ``samples`` over their first axis is ``exact``, within z standard errors of that mean, everywhere.

    samples: (S, ...), independent along the first axis, S ≥ 100; exact: (...) or a number. With many components at once
    a margin of 4 errs about once in 16,000 components.
    """
    samples, exact = _tensor(samples), _tensor(exact)
    if len(samples) < 100:
        raise CheckFailed(f"✗ {name}: {len(samples)} samples are too few for a standard error, take 100 or more")
    if exact.dim() and exact.shape != samples.shape[1:]:
        raise CheckFailed(f"✗ {name}: a mean of shape {tuple(samples.shape[1:])} against {tuple(exact.shape)}")
    mean, error = samples.mean(0), samples.std(0) / len(samples) ** 0.5
    off = (mean - exact).abs()
    rounding = (off <= 1e-12 * (1 + exact.abs())) & off.isfinite()  # a NaN or an infinity is not, and stays
    worst = (off / error.clamp(min=1e-300)).where(~rounding, torch.zeros_like(off)).max().item()
    why = f"the mean is {worst:.1f} standard errors from the exact value, allowed are {z:g}"
    _settle(name, worst <= z, why, f", within {z:g} standard errors")


def at_most(name, lhs, rhs, slack=0.0):
    """lhs ≤ rhs + slack, everywhere (broadcast)."""
    over = (_tensor(lhs) - _tensor(rhs)).max().item()
    _settle(name, over <= slack, f"the left side is larger by {over:.3g}, allowed is {slack:g}")


def true(name, condition):
    """A statement that is simply true or not: a bool, or a tensor of them, of which there is at least one."""
    held = torch.as_tensor(condition)
    _settle(name, held.dtype == torch.bool and held.numel() and held.all(), "it does not hold")


def differs(name, wrong, right, tol):
    """A known-bad variant is told from the right one: it is off by more than tol, in the measure of ``equal``."""
    if not _tensor(right).isfinite().all():
        raise CheckFailed(f"✗ {name}: the right version is not finite")
    gap = _gap(wrong, right)
    why = f"the wrong version is off by {gap:.3g} only and would pass at {tol:g}"
    _settle(name, gap > tol, why, ": the wrong version is caught")


def batch_invariant(name, loss, x, tol=1e-6):
    """A loss per example does not change when every example stands in the batch twice: ``loss(x) = loss(cat([x, x]))``.

    loss: a deterministic function of a batch; a sum over the batch, or a mean over the wrong axis, is caught here.
    """
    gap = _gap(loss(torch.cat([x, x])), loss(x))
    why = f"the loss changes by {gap:.3g} when the batch is repeated, allowed is {tol:g}"
    _settle(name, gap <= tol, why, ": repeating the batch leaves the loss unchanged")
