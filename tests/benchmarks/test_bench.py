"""The benchmark runs, counts right, and its exit status follows its table; the budgets are for `make bench`."""

import importlib.util
import itertools
from pathlib import Path

import pytest

from genlib import data

spec = importlib.util.spec_from_file_location("bench", Path(__file__).with_name("bench.py"))
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits").train


def test_the_loop_costs_little_in_one_run(digits):
    """A loose bound: the median of five rounds on a machine that may do other things."""
    spent = bench.take_turns(digits, rounds=5, turn=10, clock=bench.time.process_time)
    assert {name: len(times) for name, times in spent.items()} == {"fit": 5, "bare": 5, "loader": 5}
    assert bench.compare("fit / bare", spent, "fit", "bare", 0.97).ratio >= 0.8
    assert bench.compare("fit / loader", spent, "fit", "loader", 1.5).ratio >= 0.9


def test_each_turn_is_charged_to_its_loop(digits, monkeypatch):
    """With a clock that counts calls of the step, every loop has made `turn` of them in each of its turns."""
    made = itertools.count()
    clock = lambda: float(next(made))
    one = lambda x, y: next(made) and {"elbo": bench.torch.zeros(())} or {"elbo": bench.torch.zeros(())}
    opt = bench.torch.optim.SGD([bench.torch.zeros((), requires_grad=True)], 0.1)  # whose rate the fit changes
    monkeypatch.setattr(bench, "make_step", lambda device: (one, (opt,)))
    spent = bench.take_turns(digits, rounds=4, turn=10, clock=clock)
    assert all(times == [pytest.approx(11 / 10)] * 4 for times in spent.values())  # ten steps and the clock itself


def test_ratios_are_medians_round_by_round():
    spent = {"ours": [1.0, 2.0, 1.0, 4.0, 10.0], "theirs": [2.0, 6.0, 4.0, 4.0, 5.0]}  # 2, 3, 4, 1, ½
    row = bench.compare("x", spent, "ours", "theirs", 2.0)
    assert (row.low, row.ratio, row.high) == (1.0, 2.0, 3.0) and row.met
    assert not bench.compare("x", spent, "ours", "theirs", 2.1).met


def test_too_busy_a_machine_is_told_so(monkeypatch):
    monkeypatch.setattr(bench, "take_turns", lambda *a, **kw: {"fit": [1.0], "bare": [1.0], "loader": [1.0]})
    with pytest.raises(SystemExit, match="fewer than 4 rounds in 2 minutes"):
        bench.measure(quick=True)


@pytest.mark.parametrize("ratio, says, status", [(0.98, "met", 0), (0.97, "met", 0), (0.96, "NOT MET", 1)])
def test_a_missed_budget_is_said_and_ends_with_an_error(monkeypatch, capsys, ratio, says, status):
    rows = [bench.Row("fit / bare", ratio, 0.9, 1.0, 0.97), bench.Row("fit / loader", 2.0, 1.9, 2.1, 1.5)]
    monkeypatch.setattr(bench, "measure", lambda quick, processor_time: (rows, ["a machine"]))
    assert bench.main(["--quick"]) == status
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "a machine" and f"{ratio:.3f}×" in lines[3]
    assert lines[3].endswith(f"≥ 0.97  {says}") and lines[4].endswith("≥ 1.5  met")


def test_the_step_is_a_vae(digits):
    """The first ELBO is that of a decoder that knows nothing: about −784 log 2, and it rises."""
    step, _ = bench.make_step(bench.torch.device("cpu"))
    first = step(digits.x[:128], None)
    assert first["elbo"].item() == pytest.approx(-784 * 0.6931, abs=25) and 0 < first["kl"] < 10
    for _ in range(20):
        last = step(digits.x[:128], None)
    assert last["elbo"] > first["elbo"] + 100
    x, y = bench.Pictures(digits)[3]
    assert bench.torch.allclose(x, digits.x[3], atol=1 / 500) and y == digits.y[3]
