"""Checks that a chapter makes in front of its reader.

Each asserts, and prints one line that is the same for every preset, device and seed, so that the stored output can be
compared. The two sides must come by different ways: a check on the tensors that define it checks nothing.
"""

import contextlib
import io

import torch

from .steps import Bench, parameters_of

SEEDS = 1001, 1002  # of the two steps that ``step`` looks at


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


def monte_carlo(name, samples, exact, z=4.0, wide=0.5):
    """The mean of ``samples`` over their first axis is ``exact``, within z standard errors of that mean, everywhere.

    samples: (S, ...), independent along the first axis, S ≥ 100; exact: (...) or a number. With many components at once
    a margin of 4 errs about once in 16,000 components.

    A side that can show nothing is refused: one whose standard error is more than ``wide`` times the largest |exact|
    (where that is not zero), and one in which a single sample makes much of the variance, as in an estimator without a
    finite variance, whose error does not shrink with S and hides every mistake. Components whose error is small beside
    the largest, such as the shares of rare bins, are not asked for the latter.
    """
    samples, exact = _tensor(samples), _tensor(exact)
    if len(samples) < 100:
        raise CheckFailed(f"✗ {name}: {len(samples)} samples are too few for a standard error, take 100 or more")
    if exact.dim() and exact.shape != samples.shape[1:]:
        raise CheckFailed(f"✗ {name}: a mean of shape {tuple(samples.shape[1:])} against {tuple(exact.shape)}")
    mean, error = samples.mean(0), samples.std(0) / len(samples) ** 0.5
    scale, widest = exact.abs().max(), error.max()
    way_out = "take more samples, subtract a control of known mean, or choose another estimator"
    if scale > 0 and widest > wide * scale:
        why = f"the standard error is {widest / scale:.2g} of the exact value's scale, which shows nothing"
        raise CheckFailed(f"✗ {name}: {why}: {way_out}")
    squares = (samples - mean).square()
    share = (squares.amax(0) / squares.sum(0).clamp(min=1e-300)).where(error > 0.1 * widest, 0 * error).max()
    if share > 0.25 + 20 / len(samples) and widest > 1e-12 * (1 + scale):
        why = f"one of {len(samples):,} samples makes {100 * share:.0f} % of the variance, which may not be finite"
        raise CheckFailed(f"✗ {name}: {why}: {way_out}")
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
    _settle(f"refused: {name}", gap > tol, why)


def refuses(name, wrong):
    """A known-bad variant is stopped by its check: ``wrong``, a function such as ``lambda: check.step(...)``, fails.

    What it prints is not shown. An error of another kind than a failed check is passed on.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            wrong()
    except CheckFailed:
        print(f"✓ refused: {name}")
    else:
        raise CheckFailed(f"✗ refused: {name}: the check lets it pass")


def step(name, step, batch, losses, terms, *, state=(), after=None, clip=None, simultaneous=False, run=None,
         progress=None, double=True, tol=1e-6):  # fmt: skip
    """The step that trains is the formula: its terms, and the gradient by which each network is moved.

    ``step(*batch)`` is called twice in a row, aside, in float64; each time the terms that it returns and the gradients
    that its optimisers are given must equal the formulas' at the same parameters, buffers and random numbers, to a
    relative tolerance, and nothing else may move a parameter. Afterwards all is as it was, the random numbers too.
    Write the formulas out as the equation has them, not by the functions that the step calls. ::

        check.step("the step moves D and G by their own losses", step, x_train[:8], tol=1e-9,
                   losses={D: by_hand_D, G: by_hand_G}, terms={"D": D, "G": G})

    batch: a tensor or a tuple of them, as the step takes them, of 2 rows or more (for one, a mean is a sum).
    losses: {module, trained tensor, or tuple of them: formula}; a formula takes the batch and returns a 0-d tensor,
        of which the gradient by that module is taken. A module that a step updates several times has a list, a formula
        for each. Random numbers begin where those of the step began: a formula draws in the step's order.
    terms: {name: formula}, as many as the step returns, at the parameters before the step; for a formula the module
        whose loss it is, or (module, formula) for one at the parameters which that module's update begins with. Or
        one function of the batch that returns {name: value}.
    state: modules and tensors that the step uses or changes beside those in ``losses`` (a moving average of weights, a
        frozen network), and random generators that it draws with.
    after: {module: function without arguments}: what the step does to parameters after an update of that module
        without an optimiser, written out: weights clipped, averages moved. clip: the norm to which the step clips the
        gradient of each optimiser.
    simultaneous: all gradients are taken at the parameters before the step, none after another network's update.
    run, progress: ``run.progress`` has this value (0.5) meanwhile, for a step that reads it.
    double: False for a step that makes float32 tensors of its own and so cannot run in float64; then tol about 1e-4.

    Caught: a flipped sign, a mean for a sum, a factor, a ``detach`` lost or added that changes a gradient, a
    ``zero_grad`` forgotten, the wrong optimiser, one network's loss moving another, a term logged with the wrong sign.
    By design a lost ``detach`` passes that only costs time: gradients that are cleared before they are used. Not seen:
    what is done to buffers, learning rates, and the rule of the optimiser, which is torch's.
    """
    if progress is not None and run is None:
        raise ValueError("check.step(..., progress=...) sets run.progress: give run=run, too.")
    trained = {p for key in losses for p in parameters_of(key).values()}
    if not all(trained & set(parameters_of(key).values()) for key in after or {}):
        raise ValueError("check.step(..., after={module: function}) is about modules that losses names.")
    known = [*losses, *state, *(m for m in (after or {}))]
    with Bench(known, batch, double=double, run=run, progress=0.5 if progress is None else progress) as bench:
        if not all(len(t) > 1 for t in bench.batch if torch.is_tensor(t) and t.dim()):
            raise CheckFailed(f"✗ {name}: in a batch of one a mean is a sum, take 2 rows or more")
        try:
            for record in [bench.observe(step, seed) for seed in SEEDS]:
                values = _compare_updates(name, bench, record, losses, clip, simultaneous, tol)
                _compare_terms(name, bench, record, terms, values, losses, tol)
                _compare_rest(name, bench, record, losses, after or {}, tol)
        except RuntimeError as error:
            if "dtype" not in str(error) and "same type" not in str(error) and "Double" not in str(error):
                raise
            way_out = "name what it uses in state=, or give double=False and tol=1e-4"
            raise CheckFailed(f"✗ {name}: float32 meets the check's float64 ({error}): {way_out}") from error
    _settle(name, True, "", f": terms and gradients, to {tol:g}")


def _called(losses, key):
    kind = type(key).__name__ if isinstance(key, torch.nn.Module) else "tensors"
    return f"network {list(losses).index(key) + 1} of losses ({kind})"


def _touched(key, update):
    return any(p in update.gradients for p in parameters_of(key).values())


def _compare_updates(name, bench, record, losses, clip, simultaneous, tol):
    """Each gradient that was applied against the formula's; return key -> (value, parameters) of its last update."""
    last, todo = {}, {key: list(f) if isinstance(f, (list, tuple)) else [f] for key, f in losses.items()}
    for number, update in enumerate(record.updates, 1):
        begun = record.start if simultaneous else update.before
        applied, wanted, who = [], [], []
        for key in (k for k in losses if _touched(k, update)):
            if not todo[key]:
                raise CheckFailed(f"✗ {name}: {_called(losses, key)} is updated more often than it has formulas")
            named = parameters_of(key)
            value, gradients = bench.gradient(todo[key].pop(0), record, begun, list(named.values()))
            last[key] = value, begun
            applied += [
                update.gradients.get(p, torch.zeros_like(g)) for p, g in zip(named.values(), gradients, strict=True)
            ]
            wanted, who = wanted + gradients, who + [f"{n} of {_called(losses, key)}" for n in named]
        if strange := len(update.gradients.keys() - {p for k in losses for p in parameters_of(k).values()}):
            raise CheckFailed(f"✗ {name}: update {number} moves {strange} parameters that losses does not name")
        if clip is not None:
            norm = torch.stack([g.square().sum() for g in wanted]).sum().sqrt()
            wanted = [g * (clip / (norm + 1e-6)).clamp(max=1) for g in wanted]
        _compare_gradients(name, number, applied, wanted, who, tol)
    if missed := [key for key, formulas in todo.items() if formulas]:
        raise CheckFailed(f"✗ {name}: {_called(losses, missed[0])} has more formulas than the step gives it updates")
    return last


def _compare_gradients(name, number, applied, wanted, who, tol):
    largest = max((g.abs().max().item() for g in wanted), default=0.0)
    if not largest > 0:
        raise CheckFailed(f"✗ {name}: the formula's gradient at update {number} is zero, which shows nothing")
    for a, g, where in zip(applied, wanted, who, strict=True):
        # a tensor by its own size; one whose gradient is nothing but rounding by that of the others
        gap = (a - g).abs().max().item() / max(g.abs().max().item(), 1e-3 * largest)
        if not gap <= tol:
            why = f"the gradient applied to {where} is off the formula's by {gap:.3g} of it, allowed is {tol:g}"
            raise CheckFailed(f"✗ {name}: {why} (update {number} of the step)")


def _compare_terms(name, bench, record, terms, values, losses, tol):
    if callable(terms) and not isinstance(terms, torch.nn.Module):
        wanted = bench.value(terms, record, record.start)
    else:
        wanted = {}
        for term, formula in terms.items():
            if formula in losses:
                wanted[term] = values[formula][0]
            else:
                key, formula = formula if isinstance(formula, tuple) else (None, formula)
                wanted[term] = bench.value(formula, record, values[key][1] if key is not None else record.start)
    if set(wanted) != set(record.terms):
        raise CheckFailed(f"✗ {name}: the step returns the terms {list(record.terms)}, formulas are {list(wanted)}")
    wanted = {term: float(torch.as_tensor(v).detach()) for term, v in wanted.items()}
    largest = max(map(abs, wanted.values()), default=0.0)
    for term, value in wanted.items():
        got = float(record.terms[term])
        gap = abs(got - value) / max(abs(value), 1e-3 * largest, 1e-300)
        if not gap <= tol:
            raise CheckFailed(f"✗ {name}: the step returns {term} = {got:.6g}, the formula gives {value:.6g}")


def _compare_rest(name, bench, record, losses, after, tol):
    """Between the updates parameters stay, but for what ``after`` does."""
    begins = [record.start, *(u.after for u in record.updates)]
    ends = [*(u.before for u in record.updates), record.end]
    for i, (wanted, got) in enumerate(zip(begins, ends, strict=True)):
        for key in (k for k in after if i and _touched(k, record.updates[i - 1])):
            wanted = bench.changed(after[key], wanted)
        for tensor, value in got.items():
            gap = (value - wanted[tensor]).abs().max().item() / max(wanted[tensor].abs().max().item(), 1e-3)
            if not gap <= tol:
                where = f"after update {i}" if i else "before the first update"
                why = f"parameters of shape {tuple(value.shape)} change {where}, without an optimiser, by {gap:.3g}"
                raise CheckFailed(f"✗ {name}: {why} other than the formulas say")


def batch_invariant(name, loss, x, tol=1e-6):
    """A loss per example does not change when every example stands in the batch twice: ``loss(x) = loss(cat([x, x]))``.

    loss: a deterministic function of a batch; a sum over the batch, or a mean over the wrong axis, is caught here.
    """
    gap = _gap(loss(torch.cat([x, x])), loss(x))
    why = f"the loss changes by {gap:.3g} when the batch is repeated, allowed is {tol:g}"
    _settle(name, gap <= tol, why, ": repeating the batch leaves the loss unchanged")
