"""The loop around the step: its history, what is fed, what goes wrong on the way, the schedule and the CUDA graph."""

import contextlib
import itertools
import math
import re
import signal
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import genlib
import genlib.loop
import genlib.run
from genlib.data import DataError, Split
from genlib.loop import History, Loop, NotFinite
from genlib.run import OutOfMemory

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


def patch_clock(monkeypatch, time):
    """Another clock for the run and its loop."""
    for module in (genlib.run, genlib.loop):
        monkeypatch.setattr(module, "time", time)


ROWS = torch.randn(100, 3, generator=torch.Generator().manual_seed(5))

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
    patch_clock(monkeypatch, SimpleNamespace(perf_counter=lambda: float(next(clock))))
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
    patch_clock(monkeypatch, SimpleNamespace(perf_counter=lambda: float(next(clock))))
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
    patch_clock(monkeypatch, SimpleNamespace(perf_counter=lambda: float(next(clock))))
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
    patch_clock(monkeypatch, SimpleNamespace(perf_counter=lambda: clock[0]))
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


# --- looked at, quiet, cut --------------------------------------------------------------------------------------------


def test_at_is_called_after_its_steps_and_changes_nothing(begin):
    def train(at):
        run, (net, opt, step) = begin(), regression()
        net = nn.Sequential(net, nn.Dropout(0.5))
        made = [0]

        def counted(x):
            made[0] += 1
            return step(net[1](x))

        history = run.fit(
            counted, ROWS, steps=60, batch=10, state=(net, opt), schedule=genlib.cosine, at=at(net, made, run)
        )
        return history, net

    def look(net, made, run):
        def see():
            net.eval()
            torch.rand(7)
            torch.rand(3, generator=run.generator)
            assert not torch.is_grad_enabled() and run.progress.item() == pytest.approx(made[0] / 60)
            return {"made": made[0], "weight": net[0].weight}

        return dict.fromkeys((0, 30, 60), see)

    (seen, net), (plain, other) = train(look), train(lambda *_: None)
    assert all(torch.equal(seen[name], plain[name]) for name in ("loss", "noise")) and plain.at == {}
    assert [seen.at[n]["made"] for n in (0, 30, 60)] == [0, 30, 60] and net.training
    assert torch.equal(seen.at[60]["weight"], net[0].weight.detach()) and torch.equal(net[0].weight, other[0].weight)
    assert not torch.equal(seen.at[30]["weight"], seen.at[60]["weight"]) and not seen.at[0]["weight"].requires_grad


@pytest.mark.parametrize("step", [-1, 6, 2.5])
def test_a_step_that_never_comes_cannot_be_looked_at(begin, step):
    with pytest.raises(ValueError) as error:
        begin().fit(lambda x: {"m": x.mean()}, ROWS, steps=5, at={step: lambda: 1})
    assert f"step {step} of at" in one_sentence(error)


def test_a_quiet_fit_prints_nothing_unless_it_was_cut(begin, capsys):
    run = begin(minutes=60)
    assert len(run.fit(lambda x: {"m": x.mean()}, ROWS, steps=60, quiet=True)["m"]) == 60
    assert capsys.readouterr() == ("", "") and run.cut == []
    run.started -= 3601
    run.fit(lambda x: {"m": x.mean()}, ROWS, steps=60, quiet=True, label="late")
    assert "late · 25 steps" in capsys.readouterr().out and run.cut == ["late"]

    def stop(x):
        raise KeyboardInterrupt

    run.fit(stop, ROWS, steps=3, quiet=True, label="by hand")
    assert "interrupted by hand" in capsys.readouterr().out and run.cut == ["late", "by hand"]


def test_a_source_that_comes_to_an_end_is_one_sentence(begin):
    batches = iter(ROWS.split(10))
    with pytest.raises(DataError) as error:
        begin().fit(lambda x: {"m": x.mean()}, lambda n: next(batches), steps=60)
    assert "has come to an end" in one_sentence(error) and "begins its iterator again" in str(error.value)


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
        loop = Loop(run, step, ROWS, steps, 10, (net, opt), "vae", genlib.cosine, True)
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
    loop = Loop(run, step, ROWS, 10, 10, (net, opt), "vae", None, True)
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
    loop = Loop(run, synchronises, ROWS, 10, 10, (net, opt), "vae", None, True)
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
