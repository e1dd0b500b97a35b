"""The rate of a main fit: FLOPs counted by hand, a share that must be one, layouts that change and go back."""

import importlib.util
import time
from pathlib import Path

import pytest
import torch

from genlib.course import notebooks

spec = importlib.util.spec_from_file_location("rates", Path(__file__).with_name("rates.py"))
rates = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rates)

DENSE = """
x, net = torch.rand(256, 48), torch.nn.Linear(48, 32)
opt = torch.optim.SGD(net.parameters(), 0.1)
def step(x):
    loss = net(x).square().mean()
    opt.zero_grad(); loss.backward(); opt.step()
    return {"loss": loss.detach()}
"""
CONVOLUTION = """
x, net = torch.rand(32, 4, 12, 12), torch.nn.Conv2d(4, 8, 3)
opt = torch.optim.Adam(net.parameters(), 1e-3)
def step(x):
    loss = net(x).square().mean()
    opt.zero_grad(); loss.backward(); opt.step()
    return {"loss": loss.detach()}
"""
PRODUCT = """
x = torch.rand(1024, 1024)
def step(_):
    return {"sum": (x @ x)[0, 0]}
"""


def chapter(body, before=""):
    fits = f"{before}\nrun.fit(step, x, steps=9000, batch=32, label='main')\nraise AssertionError('it went on')"
    start = "import torch, genlib\nrun = genlib.start(preset, seed, smoke={}, cpu={}, gpu={})"
    cells = ["preset = 'auto'\nseed = 0", start, body, fits]
    made = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {"tags": ["parameters"] * (i == 0)}, "source": s}
        for i, s in enumerate(cells)
    ]
    return {"cells": made, "metadata": {"genlib": {"rehearsal": {"main": {"label": "main"}}}}}


def test_the_flops_of_a_dense_step_are_those_of_two_products():
    """Forward, and the gradient by the weight; that by x is not asked for. A multiplication and an addition are two."""
    found = rates.measure(chapter(DENSE), 0.5)
    assert found["flops"] == 2 * (2 * 32 * 48 * 32) and found["channels_last"] is None and 0 < found["share"] < 1
    assert found["label"] == "main" and found["rounds"] >= 3


def test_a_step_that_is_the_product_itself_has_a_share_of_one():
    found = rates.measure(chapter(PRODUCT), 2.5)
    assert found["flops"] == 2 * 1024**3 and found["share"] == pytest.approx(1, abs=0.3)


def test_turns_are_charged_to_what_was_run():
    """On a clock that a step advances by 1 s, a step in channels_last by 0.5 s and a product by 2 s."""
    now, weight = [0.0], torch.nn.Conv2d(2, 2, 3)

    def step(x):
        weight(x)
        now[0] += 0.5 if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous() else 1.0
        return {}

    turns = rates.Turns(step, 100, clock=lambda: now[0])
    turns.product = lambda: (now.__setitem__(0, now[0] + 2), turns.spent["product"].append(2.0))
    with pytest.raises(rates.Measured) as done:
        for _ in range(1000):
            turns(torch.rand(1, 2, 5, 5))
    assert set(turns.spent["fit"]) == {1.0} and set(turns.spent["channels_last"]) == {0.5}
    flops = 2 * (2 * 2 * 9) * 9  # each of 9 places and 2 channels is the sum of 18 products
    assert turns.flops == flops
    assert done.value.found["share"] == pytest.approx(flops / (2 * 1024**3 / 2))
    assert done.value.found["channels_last"] == pytest.approx(2 * done.value.found["share"])


def test_the_layout_changes_between_turns_and_the_values_do_not():
    net = torch.nn.Conv2d(4, 8, 3)
    opt = torch.optim.Adam(net.parameters(), 1e-3)
    net(torch.rand(1, 4, 5, 5)).sum().backward()
    opt.step()
    kept = [t.clone() for t in (net.weight, opt.state[net.weight]["exp_avg"])]
    for last in (torch.channels_last, torch.contiguous_format):
        rates.lay_out([net], [opt], last)
        now = (net.weight, opt.state[net.weight]["exp_avg"])
        assert all(torch.equal(a, b) and a.is_contiguous(memory_format=last) for a, b in zip(now, kept, strict=True))
    found = rates.measure(chapter(CONVOLUTION), 0.5)
    assert found["flops"] == 2 * 2 * (32 * 8 * 100) * (4 * 9) and found["channels_last"] > 0


def test_fits_before_the_main_one_make_two_steps_and_their_checks_say_nothing():
    before = "early = run.fit(step, x, steps=500, batch=32, label='early')\nassert len(early['loss']) == 500\n"
    before += "assert (early['loss'][1:] == early['loss'][1]).all()\ngenlib.check.equal('no training', 1.0, 2.0, 1e-6)"
    begun = time.monotonic()
    assert rates.measure(chapter(DENSE, before), 0.3)["rounds"] >= 3 and time.monotonic() - begun < 30


def test_a_chapter_without_its_main_fit_is_told():
    with pytest.raises(notebooks.CourseError, match="no rehearsal says"):
        rates.measure({"cells": [], "metadata": {}}, 1)
    with pytest.raises(notebooks.CourseError, match="no fit is labelled 'other'.*1 faults: cell 4"):
        rates.measure(chapter(DENSE), 1, "other")


@pytest.mark.parametrize(
    "share, last, is_met", [(0.7, None, True), (0.69, None, False), (0.5, 0.6, True), (0.5, 0.7, False), (0.8, 2, True)]
)
def test_the_budgets(share, last, is_met):
    found = {"share": share, "channels_last": last, "label": "x", "flops": 1e9, "product": 7e10}
    assert rates.met(found) is is_met and rates.line("a/b", found).endswith("NOT MET" if not is_met else "  met")


def test_a_strange_chapter_is_refused(capsys):
    with pytest.raises(SystemExit):
        rates.main(["vae/none"])
    assert "there is no chapter vae/none" in capsys.readouterr().err
