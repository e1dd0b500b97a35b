"""Formulas broken on purpose: a chapter's check stops them; the same chapter without it is told what it misses."""

import ast
import json
import subprocess
import sys

import pytest

from genlib.course import notebooks, results, stamp
from genlib.course.author import doubt

START = "import torch\nfrom genlib import check\n"
LOSS = "def loss(x, mu):\n    return 0.5 * ((x - mu) ** 2).sum(1).mean()\n"
CHECK = """\
x, mu = torch.randn(6, 3), torch.randn(3)
by_hand = sum(float((a - b) * (a - b)) for row in x for a, b in zip(row, mu)) / 2 / len(x)
check.equal("the loss, by hand", loss(x, mu), by_hand, 1e-5)
"""
LATE = 'check.true("it is a number", loss(x, mu) == loss(x, mu))'


def notebook(check=CHECK, **genlib):
    prose = lambda text: {"cell_type": "markdown", "metadata": {}, "source": text, "id": text[-5:]}
    code = lambda name, text, *tags: {
        "cell_type": "code", "metadata": {"tags": list(tags)}, "source": text, "outputs": [], "id": name
    }  # fmt: skip
    cells = [code("setup", START), prose("## Model"), code("loss", LOSS), code("by-hand", check, notebooks.CHECK)]
    cells += [prose("## Results"), code("late", LATE if "x, mu" in check else "", notebooks.CHECK)]
    return {"cells": cells, "metadata": {"genlib": genlib}}


ALONE = """\
import json, sys
from dataclasses import asdict
from genlib.course.author import doubt
print(json.dumps([asdict(d) for d in doubt.doubt(json.load(sys.stdin))]))"""


def doubted(book):
    """In a process of its own, which it changes."""
    done = subprocess.run([sys.executable, "-c", ALONE], input=json.dumps(book), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [doubt.Doubt(**d) for d in json.loads(done.stdout)]


def test_a_check_taken_out_is_missed():
    whole = doubted(notebook())
    assert {d.by for d in whole} == {"check"} and {d.cell for d in whole} == {"loss"}
    assert len(whole) == len(doubt.places(notebook())) >= 6
    without = doubted(notebook(check="x, mu = torch.randn(6, 3), torch.randn(3)\n"))
    assert [(d.line, d.before, d.after) for d in without] == [(d.line, d.before, d.after) for d in whole]
    assert "nothing" in {d.by for d in without} and "check" not in {d.by for d in without}
    sign = next(d for d in without if d.before == "x - mu")
    assert (sign.after, sign.line, sign.by) == ("x + mu", 2, "nothing")


def test_what_the_author_excuses_is_counted_apart_and_a_crash_too():
    excuse = {"cell": "loss", "before": "x - mu", "after": "x + mu", "reason": "mu is zero"}
    book = notebook(check="x, mu = torch.ones(6, 3), torch.zeros(3)\n1 / (float(loss(x, mu)) < 5)\n")
    book["metadata"]["genlib"]["changes_nothing"] = [excuse, excuse | {"before": "another"}]
    found = doubted(book)
    told = doubt.record(book, found, 0)
    assert told["changing_nothing"] == 1 and told["broken"] == len(found)
    assert [d.why for d in found if d.by == "unchanged"] == ["mu is zero"]
    assert told["broken"] == told["by_check"] + told["by_crash"] + told["changing_nothing"] + len(told["survived"])
    assert all(s["before"] != "x - mu" for s in told["survived"])
    json.dumps(book)
    able, stopped = told["broken"] - 1, told["by_check"] + told["by_crash"]
    assert 0 < stopped < able  # a crash where the loss is 5 or more
    parts = f"{told['by_check']} by a check, {told['by_crash']} by a crash"
    assert results.doubted(book) == f"{100 * stopped // able} % of {able}: {parts}"
    book["cells"][2]["source"] += "more = 1\n"
    assert results.doubted(book).endswith(", older than its code")
    assert stamp.code_hash(book) != told["code"] and results.doubted(notebook()) == ""


def test_a_run_that_hangs_or_dies_counts_as_a_crash():
    def hang():
        while True:
            pass

    assert doubt.in_a_fork(hang, 0.3)[0] == "crash"
    assert doubt.in_a_fork(lambda: 1 / 0, 9) == ("crash", "ZeroDivisionError: division by zero")
    assert doubt.in_a_fork(lambda: None, 9) == ("nothing", "")


BREAKS = {
    "a + b": {"a - b"},
    "a * b": {"a / b"},
    "-a": {"a"},
    "a ** 2": {"a ** 3", "a"},
    "n - 1": {"n"},
    "a.mean(0)": {"a.sum(0)"},
    "torch.min(a, b)": {"torch.max(a, b)"},
    "a.detach()": {"a"},
    "a.exp()": {"a"},
    "F.softplus(a)": {"F.softplus(-a)"},
    "kl(q, p)": {"kl(p, q)"},
    "0.5": {"1.0"},
    "plots.show(a + b)": set(),
    "check.equal('a', a + b, b, 1e-3)": set(),
    "f'{a}' + 'b'": set(),
}


@pytest.mark.parametrize("formula", BREAKS)
def test_the_ways_to_break(formula):
    counter = doubt.Breaker(whole=True)
    counter.visit(ast.parse(formula))
    made = set()
    for at in range(counter.count):
        breaker = doubt.Breaker(at, whole=True)
        made.add(ast.unparse(breaker.visit(ast.parse(formula))))
        assert breaker.found[1] != breaker.found[2]
    assert made == BREAKS[formula]
    alone = doubt.Breaker()
    alone.visit(ast.parse(formula))
    assert alone.count == 0  # outside of a function, unless the cell computes


def test_an_unbroken_failure_is_said():
    book = notebook(check="raise ValueError('no')")
    book["cells"] += [{"cell_type": "markdown", "metadata": {}, "source": "## Model", "id": "m"}]
    book["cells"] += [dict(book["cells"][2], id="again")]
    with pytest.raises(AssertionError, match="CourseError: Unbroken, the cell by-hand fails: no"):
        doubted(book)
