"""The record of a claim: the paper's figure, ours and a baseline's, and a verdict that follows from numbers alone."""

import html
import math
from dataclasses import asdict, dataclass, field

from . import mime

NOT_TESTABLE = "not testable here"
VERDICTS = ("reproduced", "at reduced scale", "direction only", "not reproduced", NOT_TESTABLE)
NOT_JUDGED = "not judged (smoke preset)"
CUT = "not judged (a fit was cut short)"


def verdict(ours, baseline, *, target, lower_is_better, scale):
    """The rule, the same for every claim of a figure.

    The mean of ours is better than the baseline's, and reaches ``target`` (the number, fixed before the run, that
    counts as meeting the paper's claim):
    "reproduced" at the paper's scale (scale ≥ 1), else "at reduced scale". It does not, but every seed of ours beats
    the baseline's mean: "direction only". Neither: "not reproduced".
    """
    sign = 1 if lower_is_better else -1
    better = lambda a, b: sign * a <= sign * b
    if better(_mean(ours), target) and not better(_mean(baseline), _mean(ours)):
        return VERDICTS[0] if scale >= 1 else VERDICTS[1]
    if all(sign * value < sign * _mean(baseline) for value in ours):
        return VERDICTS[2]
    return VERDICTS[3]


def gains(ours, baseline, lower_is_better):
    """By how much ours is better, seed by seed; a baseline of one number is the same for every seed."""
    base = baseline * len(ours) if len(baseline) == 1 else baseline
    if len(base) != len(ours):
        raise ValueError(f"A comparison is paired by seed: {len(ours)} numbers of ours, {len(base)} of the baseline.")
    return [(b - o if lower_is_better else o - b) for o, b in zip(ours, base, strict=True)]


def verdict_of_comparison(ours, baseline, *, margin, ceiling, lower_is_better, scale):
    """The rule, the same for every comparison of ours with a baseline, paired by seed.

    The baseline's mean is within ``margin`` of ``ceiling``, the best value that there is: "not testable here". Ours is
    better under every seed, and by ``margin`` in the mean: "reproduced" at the paper's scale (scale ≥ 1), else "at
    reduced scale". Better under every seed, by less: "direction only". Else "not reproduced".
    """
    if ceiling is not None and gains([ceiling], [_mean(baseline)], lower_is_better)[0] <= margin:
        return NOT_TESTABLE
    gained = gains(ours, baseline, lower_is_better)
    if min(gained) <= 0:
        return VERDICTS[3]
    if _mean(gained) < margin:
        return VERDICTS[2]
    return VERDICTS[0] if scale >= 1 else VERDICTS[1]


def judge(record, ours, baseline):
    """The verdict of a record (a dict, see Claim) for these numbers, by the rule of its kind."""
    if record.get("cut"):
        return CUT
    rule = {k: record[k] for k in ("lower_is_better", "scale")}
    if record.get("kind") == "comparison":
        return verdict_of_comparison(ours, baseline, margin=record["margin"], ceiling=record["ceiling"], **rule)
    return verdict(ours, baseline, target=record["target"], **rule)


@dataclass
class Claim:
    """What is stored in the notebook's output; lists are per seed.

    kind: "figure" (judged by ``target``) or "comparison" (by ``margin`` and ``ceiling``). updates: of each model that
    was trained, None where it was not told. cut: labels of the run's fits that ended early.
    """

    statement: str
    ours: list
    baseline: dict
    paper: dict
    unit: str
    lower_is_better: bool
    target: float | None
    scale: float
    scale_of: str
    verdict: str
    preset: str
    seed: int
    device: str
    kind: str = "figure"
    margin: float | None = None
    ceiling: float | None = None
    updates: int | None = None
    cut: list = field(default_factory=list)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {mime.CLAIM: asdict(self), "text/html": self.html(), "text/plain": self.text()}

    def rows(self):
        """(who, value, where it comes from) for the table."""
        scale = "the paper's scale" if self.scale >= 1 else f"{_fraction(self.scale)} of the paper's {self.scale_of}"
        seeds = f"{len(self.ours)} seed{'s' * (len(self.ours) > 1)}"
        if self.updates is not None:
            seeds += f", {self.updates:,} updates"
        runs = len(self.baseline["values"])
        base = f"same data, {runs} seeds" if runs > 1 else "same data"
        paired = [("gain", spread(gains(self.ours, self.baseline["values"], self.lower_is_better)), "paired by seed")]
        return [
            ("ours", spread(self.ours), f"preset {self.preset}, {seeds}, {scale}"),
            (self.baseline["name"], spread(self.baseline["values"]), base),
            *(paired if self.kind == "comparison" else []),
            ("paper", figure(self.paper["value"]), self.paper["where"]),
        ]

    def rule(self):
        better = f"{'lower' if self.lower_is_better else 'higher'} is better"
        if self.kind == "comparison":
            best = "" if self.ceiling is None else f", the best there is {self.ceiling:g}"
            return f"rule: better under every seed, by {self.margin:g} {self.unit} in the mean{best}; {better}"
        sign = "≤" if self.lower_is_better else "≥"
        return f"rule: {sign} {self.target:g} {self.unit}; {better}"

    def html(self):
        e = html.escape
        body = "".join(f"<tr><th scope='row'>{e(a)}</th><td>{e(b)}</td><td>{e(c)}</td></tr>" for a, b, c in self.rows())
        return (
            f'<table class="claim"><caption>{e(self.statement)}</caption><thead><tr><th scope="col"></th>'
            f'<th scope="col">{e(self.unit)}</th><th scope="col">from</th></tr></thead><tbody>{body}</tbody>'
            f'<tfoot><tr><th scope="row">verdict</th><td colspan="2"><strong>{e(self.verdict)}</strong> '
            f"({e(self.rule())})</td></tr></tfoot></table>"
        )

    def text(self):
        rows = "\n".join(f"  {a:<28} {b:>16}   {c}" for a, b, c in self.rows())
        return f"{self.statement} [{self.unit}]\n{rows}\n  verdict: {self.verdict} ({self.rule()})"


def claim(run, statement, *, ours, baseline, paper, unit, lower_is_better, target, scale, updates=None):
    """Record a claim of a figure and show it.

    ours: one number for each of the seeds run.seed, run.seed + 1, …; so, too, where it depends on the seed, the
    baseline: (name, numbers), trained or computed on the same data and budget.
    paper: (value, or its words such as "below 1", citation key, table or figure). target: the bound fixed before the
    run. scale: (fraction, of what), such as (1/40, "epochs"); a fraction below 1 never yields more than "at reduced
    scale". updates: how many each model was trained for. Smoke runs are not judged, nor is a run whose fit was cut.
    Raises ValueError if a number is not finite, a list is empty or the scale is not positive.
    """
    told = {"target": target, "paper": paper, "unit": unit, "lower_is_better": lower_is_better, "updates": updates}
    return _claim(run, statement, "figure", ours, baseline, scale, **told)


def comparison(run, statement, *, ours, baseline, paper, unit, lower_is_better, margin, scale, updates, ceiling=None):
    """Record the claim of a paper that gives an order and no number: ours is better than the baseline. Show it.

    ours, baseline, scale, updates: as for ``claim``, the baseline trained from the same seeds, for as many updates.
    paper: (its words, such as "sharper", citation key, table or figure). margin: the gain, fixed before the run and
    above zero, that counts. ceiling: the best value that the score can have, where there is one: with a baseline
    within the margin of it, nothing can be shown. Raises ValueError as ``claim`` does.
    """
    told = {"margin": margin, "ceiling": ceiling, "paper": paper, "unit": unit, "lower_is_better": lower_is_better}
    return _claim(run, statement, "comparison", ours, baseline, scale, updates=updates, **told)


def _claim(run, statement, kind, ours, baseline, scale, *, paper, target=None, margin=None, ceiling=None, **told):
    ours, base = _floats(ours), _floats(baseline[1])
    numbers = [*ours, *base, scale[0], *(v for v in (target, margin, ceiling) if v is not None)]
    numbers += [] if isinstance(paper[0], str) else [paper[0]]
    if not ours or not base or not all(map(math.isfinite, numbers)) or scale[0] <= 0:
        raise ValueError(f"The claim {statement!r} needs finite numbers, one per seed, for ours and for the baseline.")
    if kind == "comparison":
        gains(ours, base, told["lower_is_better"])  # paired, or refused
        if margin <= 0:
            raise ValueError(f"The claim {statement!r} needs a margin above zero, fixed before the run.")
    made = Claim(
        statement=statement,
        ours=ours,
        baseline={"name": baseline[0], "values": base},
        paper={"value": paper[0] if isinstance(paper[0], str) else float(paper[0]), "key": paper[1], "where": paper[2]},
        kind=kind,
        target=None if target is None else float(target),
        margin=None if margin is None else float(margin),
        ceiling=None if ceiling is None else float(ceiling),
        scale=float(scale[0]),
        scale_of=scale[1],
        verdict=NOT_JUDGED,
        preset=run.preset,
        seed=run.seed,
        device=str(run.device),
        cut=list(getattr(run, "cut", ())),
        **told,
    )
    if run.preset != "smoke":
        made.verdict = judge(asdict(made), ours, base)
    return made


def figure(value):
    """A paper's value as text: a number, or the words it was given in, such as "below 1"."""
    return value if isinstance(value, str) else f"{value:g}"


def spread(values):
    """mean ± standard deviation of three seeds or more, the mean and the range of two, or the one number."""
    if len(values) == 1:
        return f"{values[0]:.4g}"
    mean = _mean(values)
    if len(values) == 2:
        return f"{mean:.4g} ({min(values):.4g} to {max(values):.4g})"
    sd = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
    return f"{mean:.4g} ± {sd:.2g}"


def _floats(values):
    values = values.tolist() if hasattr(values, "tolist") else values
    return [float(v) for v in (values if isinstance(values, (list, tuple)) else [values])]


def _mean(values):
    return sum(values) / len(values)


def _fraction(scale):
    whole = round(1 / scale)
    return f"1/{whole}" if whole > 1 and abs(1 / scale - whole) < 0.02 * whole else f"{scale:.2g}"
