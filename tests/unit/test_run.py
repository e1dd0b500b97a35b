"""The run: presets, the loop around the step, its history, and everything that can go wrong on the way."""

import contextlib
import importlib.util
import itertools
import json
import math
import random
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import genlib
import genlib.run
from genlib.data import DataError, Split
from genlib.run import History, NotFinite, OutOfMemory

pytestmark = pytest.mark.usefixtures("own")

SAME = dict(smoke={"a": 1}, cpu={"a": 2}, gpu={"a": 3})


def one_sentence(error):
    """The text of an error: one line that ends like a sentence."""
    text = str(error.value)
    assert "\n" not in text and text.endswith("."), text
    return text


def regression(seed=0, rate=0.1):
    """A linear model, its optimiser, and the step of a chapter in small."""
    torch.manual_seed(seed)
    net = nn.Linear(3, 1)
    opt = torch.optim.SGD(net.parameters(), rate)

    def step(x):
        loss = (net(x) - x.sum(1, keepdim=True)).square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return {"loss": loss.detach(), "noise": torch.rand(())}

    return net, opt, step


ROWS = torch.randn(100, 3, generator=torch.Generator().manual_seed(5))


# --- presets ----------------------------------------------------------------------------------------------------------


def test_each_preset_has_its_settings():
    assert genlib.start("smoke", 3, **SAME).settings.a == 1
    run = genlib.start("cpu", 3, **SAME)
    assert (run.preset, run.seed, run.device.type, run.settings.a, run.progress.item()) == ("cpu", 3, "cpu", 2, 0.0)


@pytest.mark.parametrize("wrong, near", [("smok", "smoke"), ("cpus", "cpu"), ("gpu0", "gpu"), ("auot", "auto")])
def test_an_unknown_preset_is_one_sentence_with_the_nearest(wrong, near):
    with pytest.raises(ValueError) as error:
        genlib.start(wrong, 0, **SAME)
    assert f"no preset {wrong!r} (did you mean {near!r}?)" in one_sentence(error)
    assert "choose auto, smoke, cpu or gpu" in str(error.value)


def test_presets_that_differ_in_their_keys_are_refused():
    with pytest.raises(ValueError) as error:
        genlib.start("smoke", 0, smoke={"a": 1, "steps": 5}, cpu={"a": 1}, gpu={"a": 1})
    assert "smoke and gpu differ in steps" in one_sentence(error)
    with pytest.raises(ValueError, match="cpu and gpu differ in a, b"):
        genlib.start("smoke", 0, smoke={"a": 1}, cpu={"b": 1}, gpu={"a": 1})


def test_gpu_without_one_is_one_sentence_and_auto_takes_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError) as error:
        genlib.start("gpu", 0, **SAME)
    assert "use preset='cpu' or 'smoke'" in one_sentence(error)
    assert genlib.start("auto", 0, **SAME).preset == "cpu"


def test_the_environment_wins_over_the_notebook(monkeypatch):
    monkeypatch.setenv("GENLIB_PRESET", "smoke")
    assert genlib.start("gpu", 0, **SAME).preset == "smoke"
    monkeypatch.setenv("GENLIB_PRESET", "somke")
    with pytest.raises(ValueError, match="did you mean 'smoke'"):
        genlib.start("cpu", 0, **SAME)


def test_start_says_what_it_runs_on(capsys):
    genlib.start("smoke", 7, **SAME)
    assert re.fullmatch(r"preset smoke · seed 7 · cpu \(\d+ threads?\) · torch [\d.]+\n", capsys.readouterr().out)


def test_importing_genlib_does_not_wait_for_torch():
    told = subprocess.run([sys.executable, "-c", "import genlib, sys; sys.exit('torch' in sys.modules)"])
    assert told.returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        genlib.fit  # noqa: B018


# --- determinism ------------------------------------------------------------------------------------------------------

TRAIN = """
import hashlib, sys, torch, genlib
run = genlib.start("smoke", int(sys.argv[1]), smoke={}, cpu={}, gpu={})
net = torch.nn.Sequential(torch.nn.Linear(2, 50), torch.nn.Tanh(), torch.nn.Dropout(0.2), torch.nn.Linear(50, 8))
opt = torch.optim.Adam(net.parameters(), 1e-2)
data = genlib.data.load("moons").train

def step(x, y):
    loss = torch.nn.functional.cross_entropy(net(x + 0.1 * torch.randn_like(x)), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    return {"loss": loss.detach()}

history = run.fit(step, data, steps=40, batch=32, state=(net, opt))
parts = [history["loss"], *net.state_dict().values()]
print(hashlib.sha256(b"".join(p.numpy().tobytes() for p in parts)).hexdigest())
"""


def test_the_same_seed_gives_the_same_bits_within_a_process_and_across_two(script, monkeypatch, capsys):
    def here(seed):
        monkeypatch.setattr(sys, "argv", ["script", str(seed)])
        exec(compile(TRAIN, "train", "exec"), {})
        return capsys.readouterr().out.split()[-1]

    first, again, other = here(1), here(1), here(2)
    assert first == again != other
    there = script(TRAIN, 1)
    assert there.returncode == 0, there.stderr
    assert there.stdout.split()[-1] == first


def test_start_seeds_python_numpy_and_torch_and_reseed_does_it_again(begin):
    def draws():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    begin(11)
    first = draws()
    random.seed(11), np.random.seed(11), torch.manual_seed(11)  # noqa: NPY002
    assert draws() == first
    run = begin(4)
    run.fit(lambda x: {"m": x.mean()}, ROWS, steps=3, batch=10)
    run.reseed(11)
    assert draws() == first
    order = run.fit(lambda x: {"m": x.mean()}, ROWS, steps=3, batch=10)["m"]
    assert torch.equal(order, begin(11).fit(lambda x: {"m": x.mean()}, ROWS, steps=3, batch=10)["m"])


# --- history ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 24, 25, 26, 60])
def test_history_is_what_the_step_returned_at_every_step(begin, steps):
    run, told = begin(), []
    buffer = torch.zeros(())  # returned again and again: the history must hold its values, not the tensor

    def step(x):
        buffer.copy_(x.mean())
        told.append((float(buffer), len(told) * 0.5, len(told)))
        return {"mean": buffer, "half": told[-1][1], "count": torch.tensor(told[-1][2])}

    history = run.fit(step, ROWS, steps=steps, batch=7)
    assert list(history) == ["mean", "half", "count"] and history is run.history
    for name, values in zip(history, zip(*told, strict=True), strict=True):
        assert history[name].dtype == torch.float32 and torch.equal(history[name], torch.tensor(values).float())


def test_slow_steps_are_looked_at_sooner_and_the_history_is_the_same(begin, monkeypatch):
    clock = itertools.count(step=2)
    quick = begin().fit(regression()[2], ROWS, steps=31, batch=10)
    monkeypatch.setattr(genlib.run, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    slow = begin().fit(regression()[2], ROWS, steps=31, batch=10)
    assert torch.equal(quick["loss"], slow["loss"])


def test_two_fits_have_each_their_own_history_and_progress(begin):
    run, seen = begin(), []

    def step(x):
        seen.append(run.progress.item())
        return {"loss": x.mean()}

    first = run.fit(step, ROWS, steps=4)
    kept = first["loss"].clone()
    second = run.fit(step, ROWS, steps=8)
    assert seen == pytest.approx([0, 1 / 4, 2 / 4, 3 / 4] + [i / 8 for i in range(8)])
    assert run.progress.item() == 1 and run.history is second
    assert len(second["loss"]) == 8 and torch.equal(first["loss"], kept)


def test_last_and_smooth_against_loops():
    values = torch.randn(37, generator=torch.Generator().manual_seed(0))
    history = History(loss=values)
    assert history.last("loss", 10) == pytest.approx(values[-10:].mean().item())
    assert history.last("loss") == pytest.approx(values.mean().item())  # fewer than 100
    loop = [values[max(0, i - 4) : i + 1].mean() for i in range(37)]
    assert torch.allclose(history.smooth("loss", 5), torch.stack(loop), atol=1e-6)
    assert torch.equal(history.smooth("loss", 1), values)


def test_one_line_is_printed_and_nothing_on_stderr(begin, capsys):
    run = begin()
    run.fit(lambda x: {"elbo": torch.tensor(-94.14), "kl": torch.tensor(25.94)}, ROWS, steps=1200, label="vae")
    out, err = capsys.readouterr()
    assert re.fullmatch(r"vae · 1,200 steps in \d+ s on cpu · elbo −94\.14 · kl 25\.94\n", out) and err == ""


def test_on_a_terminal_the_progress_line_is_rewritten_and_only_the_last_one_stays(begin, capsys, monkeypatch):
    clock = itertools.count(step=2)
    monkeypatch.setattr(genlib.run, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    begin().fit(lambda x: {"loss": x.mean()}, ROWS, steps=3, label="vae")
    out, err = capsys.readouterr()
    assert "\r\x1b[Kvae · step 2 of 3 · loss" in err and err.endswith("\r\x1b[K") and "\n" not in err
    assert out.count("\n") == 1


def test_in_a_notebook_one_display_is_updated(begin, capsys, monkeypatch):
    shown, clock = [], itertools.count(step=2)
    handle = SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))
    display = lambda data, raw, display_id: shown.append("new") or handle.update(data, raw) or handle
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=None))
    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(genlib.run, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    begin().fit(lambda x: {"loss": x.mean()}, ROWS, steps=3, label="vae")
    assert shown[0] == "new" and shown.count("new") == 1 and shown[1].startswith("vae · step 1 of 3 · loss ")
    assert shown[-1].startswith("vae · 3 steps in ") and capsys.readouterr() == ("", "")


def test_no_steps_are_no_error(begin, capsys):
    assert begin().fit(lambda x: {"loss": x.mean()}, ROWS, steps=0) == {}
    assert "0 steps" in capsys.readouterr().out


# --- what is fed ------------------------------------------------------------------------------------------------------


def test_the_order_is_a_fresh_permutation_each_epoch_and_labels_stay_with_their_rows(begin):
    run, seen = begin(), []
    x = torch.arange(23.0)

    def step(x, y):
        assert torch.equal(y, (10 * x).long())
        seen.append(x.clone())
        return {"m": x.mean()}

    run.fit(step, Split(x, (10 * x).long()), steps=12, batch=5)  # four batches of five to an epoch, three rows left out
    epochs = [torch.cat(seen[i : i + 4]) for i in (0, 4, 8)]
    for epoch in epochs:
        assert len(set(epoch.tolist())) == 20 and set(epoch.tolist()) <= set(range(23))
    assert len({tuple(e.tolist()) for e in epochs}) == 3
    assert len(set(torch.cat(epochs).tolist())) == 23  # nobody is left out for ever


def test_every_kind_of_source(begin):
    run, got = begin(), []

    def step(*tensors):
        got.append([tuple(t.shape) for t in tensors])
        return {"m": tensors[0].float().mean()}

    run.fit(step, ROWS, steps=1, batch=8)
    run.fit(step, (ROWS, ROWS[:, 0], ROWS[:, 1]), steps=1, batch=8)
    run.fit(step, Split(ROWS), steps=1, batch=8)
    run.fit(step, Split(ROWS, torch.zeros(100).long()), steps=1, batch=8)
    run.fit(step, lambda n: torch.randn(n, 2), steps=1, batch=8)
    run.fit(step, lambda n: (torch.randn(n, 2), torch.zeros(n)), steps=1, batch=8)
    run.fit(step, ROWS[:5], steps=1, batch=8)  # fewer rows than the batch: all of them
    assert got == [
        [(8, 3)], [(8, 3), (8,), (8,)], [(8, 3)], [(8, 3), (8,)], [(8, 2)], [(8, 2), (8,)], [(5, 3)],
    ]  # fmt: skip


def test_all_rows_of_a_small_source_are_in_every_batch(begin):
    seen = []
    begin().fit(lambda x: seen.append(sorted(x.tolist())) or {"m": x.mean()}, torch.arange(6.0), steps=4, batch=100)
    assert seen == [[0, 1, 2, 3, 4, 5]] * 4


@pytest.mark.parametrize(
    "source, says",
    [
        (torch.zeros(0, 3), "no rows"),
        ((torch.zeros(5), torch.zeros(4)), r"different numbers of rows: \[4, 5\]"),
        (np.zeros((5, 2)), "not from a ndarray"),
        (genlib.data.Dataset("d", "d", Split(ROWS), Split(ROWS)), "such as mnist.train.*not from a Dataset"),
    ],
)
def test_a_source_that_is_none_is_one_sentence(begin, source, says):
    with pytest.raises(DataError, match=says) as error:
        begin().fit(lambda x: {"m": x.mean()}, source, steps=1)
    one_sentence(error)


def test_an_empty_batch_is_refused(begin):
    with pytest.raises(DataError, match="at least one row, not 0"):
        begin().fit(lambda x: {"m": x.mean()}, ROWS, steps=1, batch=0)


@pytest.mark.parametrize(
    "returned, says",
    [
        (None, "returns a dict"),
        (torch.zeros(()), "returns a dict"),
        ({}, "returns a dict"),
        ({"loss": torch.zeros(()), "rows": torch.zeros(7)}, r"a 0-d tensor.*\{'rows': \(7,\)\}"),
        ({"loss": torch.zeros(1)}, r"\{'loss': \(1,\)\}"),
    ],
)
def test_a_step_that_returns_something_else_is_told_what_to_return(begin, returned, says):
    with pytest.raises(TypeError, match=says):
        begin().fit(lambda x: returned, ROWS, steps=1)


def test_terms_keep_their_columns_when_their_order_changes_and_new_ones_are_refused(begin):
    run, count = begin(), itertools.count()

    def step(x):
        return {"a": 1.0, "b": 2.0} if next(count) % 2 else {"b": 2.0, "a": 1.0}

    history = run.fit(step, ROWS, steps=30)
    assert history["a"].unique().tolist() == [1.0] and history["b"].unique().tolist() == [2.0]
    count = itertools.count()
    with pytest.raises(TypeError, match=r"Step 3 returned the terms \['a'\], those before it \['a', 'b'\]"):
        run.fit(lambda x: {"a": 1.0} if next(count) == 2 else {"a": 1.0, "b": 2.0}, ROWS, steps=5)
    assert len(run.history["b"]) == 2


def test_state_is_modules_and_optimisers_one_or_many(begin):
    net, opt, step = regression()
    begin().fit(step, ROWS, steps=2, state=net)
    begin().fit(step, ROWS, steps=2, state=opt, schedule=genlib.cosine)
    with pytest.raises(TypeError, match="modules and optimisers only"):
        begin().fit(step, ROWS, steps=2, state=(net, opt, {"step": 3}))


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 7, 25, 26, 31])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_term_that_is_not_finite_is_named_with_its_step(begin, at, bad):
    run, count = begin(), itertools.count(1)

    def step(x):
        n = next(count)
        return {"rate": float(n), "kl": bad if n == at else 2.0}

    with pytest.raises(NotFinite) as error:
        run.fit(step, ROWS, steps=60, label="vae")
    assert one_sentence(error).startswith(f"vae: the term 'kl' became {bad} at step {at}:")
    assert run.history["rate"].tolist() == list(range(1, at)) and len(run.history["kl"]) == at - 1


NAN = """
import torch, genlib
run = genlib.start("smoke", 0, smoke={}, cpu={}, gpu={})
count = iter(range(1, 100))
try:
    run.fit(lambda x: {"loss": float("nan") if next(count) == 7 else 1.0}, torch.zeros(10, 2), steps=50, label="gan")
finally:
    print("kept", len(run.history["loss"]))
"""


def test_a_script_whose_seventh_step_is_nan_exits_with_an_error(script):
    told = script(NAN)
    assert told.returncode == 1 and told.stdout.splitlines()[-1] == "kept 6"
    assert "gan: the term 'loss' became nan at step 7:" in told.stderr.splitlines()[-1]


def test_the_nan_is_named_even_if_a_later_step_breaks_on_it(begin):
    run, count = begin(), itertools.count(1)
    mean = torch.zeros(())

    def step(x):
        torch.distributions.Normal(mean, 1.0)  # refuses a NaN: some steps later, and without its name
        if next(count) == 7:
            mean.fill_(math.nan)
        return {"loss": mean}

    with pytest.raises(NotFinite, match="'loss' became nan at step 7"):
        run.fit(step, ROWS, steps=60)
    assert len(run.history["loss"]) == 6


def test_an_error_in_the_step_is_passed_on_and_the_history_kept(begin):
    run, count = begin(), itertools.count(1)

    def step(x):
        n = next(count)
        return {"loss": 1 / (30 - n)}

    with pytest.raises(ZeroDivisionError):
        run.fit(step, ROWS, steps=60)
    assert torch.allclose(run.history["loss"], 1 / (30 - torch.arange(1.0, 30)))


@pytest.mark.parametrize("at", [1, 2, 25, 26, 40])
def test_an_interrupt_keeps_what_was_learned(begin, capsys, at):
    def train(steps, interrupt):
        run, count = begin(), itertools.count(1)
        net, opt, step = regression()

        def interrupted(x):
            if next(count) == interrupt:
                signal.raise_signal(signal.SIGINT)
            return step(x)

        return run.fit(interrupted, ROWS, steps=steps, batch=10, state=(net, opt), label="ae"), net.weight

    history, weight = train(60, at)
    line = capsys.readouterr().out
    assert re.match(rf"ae · {at - 1} steps in \d+ s on cpu", line)
    assert line.endswith("interrupted by hand, what was learned is kept\n")
    whole, same = train(at - 1, None)
    assert torch.equal(weight, same) and history.keys() == whole.keys()
    assert all(torch.equal(history[name], whole[name]) for name in whole)


def test_an_interrupt_ends_a_run_that_is_for_publishing(begin, monkeypatch):
    run, count = begin(), itertools.count(1)

    def step(x):
        if next(count) == 30:
            raise KeyboardInterrupt
        return {"loss": 1.0}

    monkeypatch.setenv("GENLIB_PUBLISH", "1")
    with pytest.raises(KeyboardInterrupt):
        run.fit(step, ROWS, steps=60)
    assert len(run.history["loss"]) == 29


def test_the_time_budget_stops_the_fit_and_says_so(begin, capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(genlib.run, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    run = begin(minutes=0.5)

    def step(x):
        clock[0] += 4.0
        return {"loss": x.mean()}

    assert len(run.fit(step, ROWS, steps=100)["loss"]) == 8  # 32 s, the first look after the 30th
    assert "8 steps in 32 s" in (line := capsys.readouterr().out) and "stopped at the time budget of 0.5 min" in line


def test_too_little_memory_is_one_sentence(begin):
    def too_much(x):
        return {"loss": torch.empty(1 << 50).mean()}

    def on_a_gpu(x):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB.\nSee the documentation")

    for step in (too_much, on_a_gpu):
        with pytest.raises(OutOfMemory) as error:
            begin().fit(step, ROWS, steps=3, batch=64, label="vae")
        assert "the model and a batch of 64 (step 1): use a smaller batch" in one_sentence(error)


# --- the schedule -----------------------------------------------------------------------------------------------------


def test_cosine_against_its_formula():
    for p in (0.0, 0.25, 0.5, 0.9, 1.0):
        assert genlib.cosine(p) == pytest.approx((1 + math.cos(math.pi * p)) / 2)
    assert [genlib.cosine(p, warmup=0.2) for p in (0, 0.05, 0.1)] == pytest.approx([0, 0.25, 0.5])
    assert [genlib.cosine(p, warmup=0.2) for p in (0.2, 0.6, 1)] == pytest.approx([1, 0.5, 0])
    assert genlib.cosine(0.5, warmup=1.0) == 0.5 and genlib.cosine(1.0, warmup=1.0) == 1


def test_the_schedule_multiplies_the_rate_of_every_group_and_gives_it_back(begin):
    net, other = nn.Linear(3, 1), nn.Linear(3, 1)
    first = torch.optim.Adam([{"params": [net.weight], "lr": 0.5}, {"params": [net.bias], "lr": 0.02}])
    second = torch.optim.SGD(other.parameters(), lr=0.1)
    groups = lambda: [g["lr"] for opt in (first, second) for g in opt.param_groups]
    run, seen = begin(), []

    def step(x):
        seen.append(groups())
        return {"loss": x.mean()}

    fit = lambda **kw: run.fit(step, ROWS, steps=10, state=(net, first, second), **kw)
    fit(schedule=genlib.cosine)
    expected = [[r * genlib.cosine(i / 10) for r in (0.5, 0.02, 0.1)] for i in range(10)]
    assert torch.allclose(torch.tensor(seen), torch.tensor(expected))
    assert groups() == [0.5, 0.02, 0.1]
    del seen[:]
    fit()  # a second fit, without a schedule: the rates as they were given
    assert seen == [[0.5, 0.02, 0.1]] * 10
    del seen[:]
    second.param_groups[0]["lr"] = 0.3  # a rate changed by hand between two fits counts
    fit(schedule=lambda p: 0.5)
    assert torch.allclose(torch.tensor(seen), torch.tensor([[0.25, 0.01, 0.15]] * 10))


def test_the_rates_come_back_after_a_failure_too(begin):
    net, opt, _ = regression(rate=0.1)
    with pytest.raises(NotFinite):
        begin().fit(lambda x: {"a": math.nan}, ROWS, steps=3, state=opt, schedule=lambda p: 0.01)
    assert opt.param_groups[0]["lr"] == 0.1


# --- checkpoints ------------------------------------------------------------------------------------------------------

# Two optimisers, batch norm, dropout, numbers from three generators, labels, a schedule: all of it must come back.
ADVERSARIES = """
import os, random, signal, sys
import numpy as np, torch
from torch import nn
import genlib, genlib.run

def build(run):
    torch.manual_seed(run.seed)
    G = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    D = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(8, 1))
    return G, D, torch.optim.Adam(G.parameters(), 1e-2, betas=(0.5, 0.9)), torch.optim.SGD(D.parameters(), 1e-1, 0.9)

def train(run, checkpoint, die_at=None):
    G, D, opt_G, opt_D = build(run)
    data = genlib.data.load("ring").train.take(200)
    at = [0]

    def step(x, y):
        at[0] += 1
        if at[0] == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        z = torch.randn(len(x), 4)
        real, fake = D(x + 0.01 * np.random.rand()).mean(), D(G(z).detach()).mean()
        loss_D = (real - 1) ** 2 + fake**2
        opt_D.zero_grad(); loss_D.backward(); opt_D.step()
        loss_G = (D(G(z)).mean() - 1) ** 2 * (1 + 0.1 * random.random()) + 0 * y.float().mean()
        opt_G.zero_grad(); loss_G.backward(); opt_G.step()
        return {"D": loss_D.detach(), "G": loss_G.detach(), "progress": run.progress}

    state = (G, D, opt_G, opt_D)
    history = run.fit(step, data, steps=70, batch=32, state=state, schedule=genlib.cosine, checkpoint=checkpoint)
    return history, state, at[0]

if __name__ == "__main__":
    genlib.run.SAVE_EVERY = 0.0
    train(genlib.start("smoke", 3, smoke={}, cpu={}, gpu={}), sys.argv[1], die_at=41)
"""


def bits(history, state):
    """Everything that a fit changed, as one list of tensors and numbers."""
    found = list(history.values())
    for part in state[:2]:
        found += part.state_dict().values()
    for opt in state[2:]:
        told = opt.state_dict()
        found += [v for i in sorted(told["state"]) for _, v in sorted(told["state"][i].items()) if v is not None]
        found += [torch.tensor(group["lr"]) for group in told["param_groups"]]
    return [*found, torch.rand(3), torch.tensor([random.random(), np.random.rand()])]  # noqa: NPY002


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The training above as a module, and the checkpoint that a run killed in its 41st step left behind."""
    folder = tmp_path_factory.mktemp("killed")
    source, checkpoint = folder / "adversaries.py", folder / "gan.ckpt.safetensors"
    source.write_text(ADVERSARIES)
    told = subprocess.run([sys.executable, source, checkpoint], capture_output=True, text=True, timeout=300)
    assert told.returncode == -signal.SIGKILL, told.stderr
    assert checkpoint.exists()
    spec = importlib.util.spec_from_file_location("adversaries", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, checkpoint


def test_a_killed_run_resumes_to_the_same_bits_as_one_that_was_not(killed, begin, tmp_path, capsys):
    module, left = killed
    checkpoint = tmp_path / left.name
    checkpoint.write_bytes(left.read_bytes())
    history, state, made = module.train(begin(3), None)
    whole = bits(history, state)
    assert made == 70
    capsys.readouterr()
    history, state, made = module.train(begin(3), checkpoint)
    line = capsys.readouterr().out  # the last checkpoint is that of step 25, or a later one where steps took seconds
    at = int(re.search(r"resumed at step (\d+)", line)[1])
    assert 25 <= at <= 40 and made == 70 - at and f"{made} steps in" in line
    resumed = bits(history, state)
    assert len(whole) == len(resumed) and all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))
    # The finished checkpoint gives the finished run back, without a step.
    history, state, made = module.train(begin(3), checkpoint)
    assert made == 0 and all(torch.equal(a, b) for a, b in zip(whole, bits(history, state), strict=True))
    assert [p.name for p in tmp_path.glob("*.tmp")] == []


def test_the_checkpoint_holds_tensors_only_and_is_no_pickle(killed):
    from safetensors import safe_open

    with safe_open(killed[1], "pt") as file:
        assert {"history", "order", "rng.torch", "rng.batches"} <= set(file.keys())
    assert b"cnumpy" not in killed[1].read_bytes()[:4000] and not killed[1].read_bytes().startswith(b"PK")


@pytest.mark.parametrize("keep", [0, 4, 300, 0.5, -1])
def test_a_damaged_checkpoint_is_one_sentence(killed, begin, tmp_path, keep):
    module, left = killed
    content = left.read_bytes()
    checkpoint = tmp_path / "gan.ckpt.safetensors"
    checkpoint.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(RuntimeError) as error:
        module.train(begin(3), checkpoint)
    assert "is damaged" in one_sentence(error) and "delete it to begin again" in str(error.value)


def test_a_file_that_is_no_checkpoint_of_this_run_is_one_sentence(killed, begin, tmp_path):
    from safetensors.torch import save_file

    module, left = killed
    with pytest.raises(RuntimeError) as error:
        module.train(begin(4), left)  # another seed
    assert "is from another run" in one_sentence(error)
    save_file({"a": torch.zeros(2)}, tmp_path / "weights.safetensors")
    with pytest.raises(RuntimeError, match="is from another run"):
        module.train(begin(3), tmp_path / "weights.safetensors")


def test_the_checkpoint_of_a_run_that_differs_in_anything_is_refused(begin, tmp_path):
    path = tmp_path / "c.safetensors"

    def fit(seed=0, rate=0.1, wide=3, kind=torch.optim.SGD, **told):
        run = begin(seed)
        net = nn.Linear(wide, 1)
        opt = kind(net.parameters(), rate)
        told = dict(steps=5, batch=10, label="a") | told
        return run.fit(lambda x: {"m": x.mean()}, ROWS, state=(net, opt), checkpoint=path, **told)

    first = fit()
    assert torch.equal(fit()["m"], first["m"])
    adam = torch.optim.Adam
    for other in ({"steps": 6}, {"batch": 9}, {"label": "b"}, {"seed": 1}, {"rate": 0.2}, {"wide": 4}, {"kind": adam}):
        with pytest.raises(RuntimeError, match="is from another run"):
            fit(**other)


def test_a_run_interrupted_in_its_first_step_can_be_resumed(begin, tmp_path):
    path, net = tmp_path / "new" / "c.safetensors", nn.Linear(3, 1)

    def stop(x):
        raise KeyboardInterrupt

    assert begin().fit(stop, ROWS, steps=3, state=net, checkpoint=path) == {}
    assert len(begin().fit(lambda x: {"m": x.mean()}, ROWS, steps=3, state=net, checkpoint=path)["m"]) == 3


# --- the CUDA graph ---------------------------------------------------------------------------------------------------


class NoCapture:
    """torch.cuda as far as the loop uses it, on a machine without a GPU: streams do nothing, capture is refused."""

    def __init__(self, refuse_in):
        self.asked, self.refuse_in = 0, refuse_in

    def patch(self, monkeypatch):
        stream = SimpleNamespace(wait_stream=lambda other: None)
        for name, fake in {
            "Stream": lambda: stream,
            "current_stream": lambda: stream,
            "stream": lambda s: contextlib.nullcontext(),
            "synchronize": lambda: None,
            "CUDAGraph": object,
            "graph": self.graph,
        }.items():
            monkeypatch.setattr(torch.cuda, name, fake)

    @contextlib.contextmanager
    def graph(self, _):
        self.asked += 1
        if self.refuse_in == "begin":
            raise RuntimeError("operation not permitted when stream is capturing\nand a second line")
        if self.refuse_in == "silence":
            raise AssertionError
        yield


@pytest.mark.parametrize("steps", [2, 3, 4, 60])
def test_where_capture_is_refused_the_steps_run_eagerly_with_the_same_numbers(begin, monkeypatch, capsys, steps):
    def train(graph):
        run, (net, opt, step) = begin(), regression()
        loop = genlib.run._Loop(run, step, ROWS, steps, 10, (net, opt), "vae", genlib.cosine, True)
        loop.graph = graph
        loop.go()
        loop.say_end()
        return loop.history(), net.weight

    fake = NoCapture(refuse_in="begin")
    fake.patch(monkeypatch)
    tried, plain = train(True), train(False)
    assert fake.asked == (steps > 3)  # three warm-up steps, then one attempt, and no other after a refusal
    assert all(torch.equal(tried[0][n], plain[0][n]) and len(tried[0][n]) == steps for n in ("loss", "noise"))
    assert torch.equal(tried[1], plain[1])
    lines = capsys.readouterr().out.splitlines()
    note = "without a CUDA graph: operation not permitted when stream is capturing"
    assert lines[0].endswith(note) == (steps > 3) and note not in lines[1]


def test_a_refusal_without_a_word_is_one_too(begin, monkeypatch, capsys):
    run, (net, opt, step) = begin(), regression()
    NoCapture(refuse_in="silence").patch(monkeypatch)
    loop = genlib.run._Loop(run, step, ROWS, 10, 10, (net, opt), "vae", None, True)
    loop.graph = True
    loop.go()
    assert loop.note == "without a CUDA graph: AssertionError" and len(loop.history()["loss"]) == 10


def test_a_step_that_fails_inside_capture_leaves_no_gradient_behind(begin, monkeypatch, capsys):
    run, (net, opt, _) = begin(), regression()
    count = itertools.count(1)

    def synchronises(x):
        if next(count) == 4:  # the call inside capture: backward was recorded, never computed
            net.weight.grad = torch.full_like(net.weight, 1e9)
            raise RuntimeError("Cannot copy between CPU and CUDA tensors during CUDA graph capture")
        loss = net(x).square().mean()
        loss.backward()
        opt.step()
        opt.zero_grad()
        return {"loss": loss.detach()}

    NoCapture(refuse_in=None).patch(monkeypatch)
    loop = genlib.run._Loop(run, synchronises, ROWS, 10, 10, (net, opt), "vae", None, True)
    loop.graph = True
    loop.go()
    assert len(loop.history()["loss"]) == 10 and loop.history()["loss"].max() < 100
    assert "during CUDA graph capture" in loop.note


def graph_training(device, graph):
    """A VAE-like step with noise, a schedule and the progress in it, on any device."""
    run = genlib.start("gpu" if device == "cuda" else "cpu", 0, **SAME)
    net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 3)).to(run.device)
    opt = torch.optim.Adam(net.parameters(), 1e-2)

    def step(x):
        loss = (net(x + 0.1 * torch.randn_like(x)) - x).square().sum(1).mean() * (1 + run.progress)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return {"loss": loss.detach(), "noise": torch.rand((), device=run.device), "progress": run.progress}

    data = ROWS.to(run.device)
    history = run.fit(step, data, steps=450, batch=50, state=(net, opt), schedule=genlib.cosine, graph=graph)
    return history, float(opt.param_groups[0]["lr"]), [p.detach().cpu() for p in net.parameters()]


def test_the_captured_step_trains_as_the_eager_one(capsys):
    """With a GPU: the graph against eager steps. Without: the switch does nothing on a CPU."""
    if torch.cuda.is_available():
        (graphed, rate, weights), (eager, _, _) = (graph_training("cuda", graph) for graph in (True, False))
        assert "without a CUDA graph" not in capsys.readouterr().out
        assert len(graphed["noise"].unique()) > 440  # fresh noise at every replay
        assert torch.allclose(graphed["progress"], torch.arange(450) / 450)
        assert graphed.last("loss", 50) == pytest.approx(eager.last("loss", 50), rel=0.1)
        assert graphed.last("loss", 50) < 0.5 * graphed["loss"][:5].mean()
        again = graph_training("cuda", True)
        assert torch.equal(again[0]["noise"], graphed["noise"])
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(again[2], weights, strict=True))
    else:
        (graphed, rate, weights), (eager, _, same) = (graph_training("cpu", graph) for graph in (True, False))
        assert all(torch.equal(graphed[n], eager[n]) for n in eager)
        assert all(torch.equal(a, b) for a, b in zip(weights, same, strict=True))
    assert rate == pytest.approx(1e-2)


# --- many processes ---------------------------------------------------------------------------------------------------

# A model, and a pair of adversaries with two optimisers, without noise: what is fed comes with its row's number.
TOGETHER = """
import json, os, sys
import torch
from torch import nn
import genlib

batch, checkpoint = int(sys.argv[1]), sys.argv[2]
run = genlib.start("smoke", 1, smoke={}, cpu={}, gpu={})
rank = run.ranks.rank if run.ranks else 0
if "WRONG" in os.environ:  # gradients are not averaged
    from types import SimpleNamespace
    torch.optim.Optimizer.register_step_pre_hook = lambda *_: SimpleNamespace(remove=lambda: None)
x = genlib.data.load("ring").train.x[:1000]
z = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0))
net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
G = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
D = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
net.register_buffer("last", torch.zeros(()))
opt = torch.optim.SGD(net.parameters(), 0.05)
opt_G, opt_D = torch.optim.Adam(G.parameters(), 1e-3, betas=(0.5, 0.9)), torch.optim.Adam(D.parameters(), 1e-3)
seen = []

def one(x, z, row):
    seen.append(row.tolist())
    net.last.fill_(row[0])
    loss = (net(x) - x.flip(1)).square().sum(1).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    return {"loss": loss.detach()}

def two(x, z, row):
    fake = G(z)
    loss_D = ((D(x) - 1) ** 2).mean() + (D(fake.detach()) ** 2).mean()
    opt_D.zero_grad(); loss_D.backward(); opt_D.step()
    loss_G = ((D(fake) - 1) ** 2).mean()
    opt_G.zero_grad(); loss_G.backward(); opt_G.step()
    return {"D": loss_D.detach(), "G": loss_G.detach()}

rows, state = (x, z, torch.arange(1000.0)), (G, D, opt_G, opt_D)
histories = [run.fit(one, rows, steps=60, batch=batch, state=(net, opt), schedule=genlib.cosine)]
histories += [run.fit(two, rows, steps=60, batch=batch, state=state, checkpoint=checkpoint, label="gan")]
weights = torch.cat([p.detach().flatten() for m in (net, G, D) for p in m.parameters()])
told = {"rows": seen, "weights": weights.tolist(), "last": net.last.item(), "hooks": len(opt._optimizer_step_pre_hooks)}
again = run.fit(two, rows, steps=60, batch=batch, state=state, checkpoint=checkpoint, label="gan")  # resumed at its end
told["resumed"] = torch.equal(again["G"], histories[1]["G"])
sizes = []
def noise(x):
    sizes.append(len(x))
    return {"noise": x[0, 0], "square": x[0, 0] ** 2}
histories += [run.fit(noise, lambda n: torch.rand(n, 1), steps=30, batch=3)]
told |= {"after": torch.rand(3).tolist(), "sizes": set(sizes) == {3}}
run.minutes, run.started = 1, run.started - (100 if rank else 0)  # the time is up by one clock: all stop
told["stopped"] = len(run.fit(noise, lambda n: torch.rand(n, 1), steps=300, batch=3)["noise"])
told |= {name: values.tolist() for h in histories for name, values in h.items()}
json.dump(told, open(f"{checkpoint}.{rank}", "w"))
"""


def test_two_processes_train_as_one_with_the_doubled_batch(script, tmp_path):
    """Under accelerate launch, on two CPU processes. Stated tolerance: 1e-5 of each loss, in float32."""

    def train(name, batch, *launch, **environment):
        path = tmp_path / name
        told = script(TOGETHER, batch, path, launch=launch, WORLD_SIZE="", **environment)
        assert told.returncode == 0, told.stderr
        return told.stdout, [json.loads(p.read_text()) for p in sorted(tmp_path.glob(f"{name}.[01]"))]

    launch = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1")
    launch += ("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0")
    _, (one,) = train("one", 64)
    out, (first, second) = train("two", 32, *launch)
    away = lambda a, b, name: max(abs(p - q) / abs(p) for p, q in zip(a[name], b[name], strict=True))
    for name in ("loss", "D", "G"):
        assert len(one[name]) == 60 and away(one, first, name) <= 1e-5, name
        assert first[name] == second[name]  # the terms are the means over both
    for whole, *shares in zip(one["rows"], first["rows"], second["rows"], strict=True):
        assert len(shares[0]) == 32 and shares[0] + shares[1] == whole
    assert first["weights"] == second["weights"] and first["last"] == second["last"] == first["rows"][-1][0]
    assert first["hooks"] == 0 and first["resumed"] and second["resumed"] and first["sizes"]
    assert max(m - n * n for n, m in zip(first["noise"], first["square"], strict=True)) > 0.01  # their noise differs
    assert first["after"] == second["after"] and first["stopped"] == second["stopped"] == 25
    assert "× 2 processes" in out and out.count("gan · 60 steps") == 1 and out.count("\n") == 6

    _, (wrong, _) = train("wrong", 32, *launch, WRONG="1")
    assert all(away(one, wrong, name) > 1e-3 for name in ("loss", "D", "G"))


def test_a_launch_that_starts_one_process_only_is_refused(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(ValueError) as error:
        genlib.start("smoke", 0, **SAME)
    assert "starts one process only: use --multi_gpu" in one_sentence(error)
