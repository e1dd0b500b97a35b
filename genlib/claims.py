"""The record of a claim: the paper's figure, ours and a baseline's, and a verdict that follows from numbers alone."""

import html
import math
from dataclasses import asdict, dataclass

MIME = "application/vnd.genlib.claim+json"
VERDICTS = ("reproduced", "at reduced scale", "direction only", "not reproduced")
NOT_JUDGED = "not judged (smoke preset)"


def verdict(ours, baseline, *, target, lower_is_better, scale):
    """The rule, the same for every claim.

    The mean of ours reaches ``target`` (the number, fixed before the run, that counts as meeting the paper's claim):
    "reproduced" at the paper's scale (scale ≥ 1), else "at reduced scale". It does not, but every seed of ours beats
    the baseline's mean: "direction only". Neither: "not reproduced".
    """
    sign = 1 if lower_is_better else -1
    better = lambda a, b: sign * a <= sign * b
    if better(_mean(ours), target):
        return VERDICTS[0] if scale >= 1 else VERDICTS[1]
    if all(sign * value < sign * _mean(baseline) for value in ours):
        return VERDICTS[2]
    return VERDICTS[3]


@dataclass
class Claim:
    """What is stored in the notebook's output; lists are per seed."""

    statement: str
    ours: list
    baseline: dict
    paper: dict
    unit: str
    lower_is_better: bool
    target: float
    scale: float
    scale_of: str
    verdict: str
    preset: str
    seed: int
    device: str

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {MIME: asdict(self), "text/html": self.html(), "text/plain": self.text()}

    def rows(self):
        """(who, value, where it comes from) for the table."""
        scale = "the paper's scale" if self.scale >= 1 else f"{_fraction(self.scale)} of the paper's {self.scale_of}"
        seeds = f"{len(self.ours)} seed{'s' * (len(self.ours) > 1)}"
        runs = len(self.baseline["values"])
        base = f"same data, {runs} seeds" if runs > 1 else "same data"
        return [
            ("ours", spread(self.ours), f"preset {self.preset}, {seeds}, {scale}"),
            (self.baseline["name"], spread(self.baseline["values"]), base),
            ("paper", f"{self.paper['value']:g}", self.paper["where"]),
        ]

    def rule(self):
        sign = "≤" if self.lower_is_better else "≥"
        return f"rule: {sign} {self.target:g} {self.unit}; {'lower' if self.lower_is_better else 'higher'} is better"

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


def claim(run, statement, *, ours, baseline, paper, unit, lower_is_better, target, scale):
    """Record a claim and show it.

    ours: one number for each of the seeds run.seed, run.seed + 1, …; so, too, where it depends on the seed, the
    baseline: (name, numbers), trained or computed on the same data and budget.
    paper: (value, citation key, table or figure). target: the bound fixed before the run. scale: (fraction, of what),
    such as (1/40, "epochs"); a fraction below 1 never yields more than "at reduced scale". Smoke runs are not judged.
    Raises ValueError if a number is not finite, a list is empty or the scale is not positive.
    """
    ours, base = _floats(ours), _floats(baseline[1])
    if not ours or not base or not all(map(math.isfinite, [*ours, *base, paper[0], target, scale[0]])) or scale[0] <= 0:
        raise ValueError(f"The claim {statement!r} needs finite numbers, one per seed, for ours and for the baseline.")
    judged = verdict(ours, base, target=target, lower_is_better=lower_is_better, scale=scale[0])
    return Claim(
        statement=statement,
        ours=ours,
        baseline={"name": baseline[0], "values": base},
        paper={"value": float(paper[0]), "key": paper[1], "where": paper[2]},
        unit=unit,
        lower_is_better=lower_is_better,
        target=float(target),
        scale=float(scale[0]),
        scale_of=scale[1],
        verdict=NOT_JUDGED if run.preset == "smoke" else judged,
        preset=run.preset,
        seed=run.seed,
        device=str(run.device),
    )


def spread(values):
    """mean ± standard deviation over seeds, or the number where there is one."""
    if len(values) == 1:
        return f"{values[0]:.4g}"
    mean = _mean(values)
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
