"""A fit saved and resumed: killed, damaged, from another run."""

import importlib.util
import random
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

pytestmark = pytest.mark.usefixtures("own")


def one_sentence(error):
    """The text of an error: one line that ends like a sentence."""
    text = str(error.value)
    assert "\n" not in text and text.endswith("."), text
    return text


ROWS = torch.randn(100, 3, generator=torch.Generator().manual_seed(5))

# --- checkpoints ------------------------------------------------------------------------------------------------------

# Two optimisers, batch norm, dropout, numbers from three generators, labels, a schedule: all of it must come back.
ADVERSARIES = """
import os, random, signal, sys
import numpy as np, torch
from torch import nn
import genlib, genlib.checkpoint

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
    genlib.checkpoint.SAVE_EVERY = 0.0
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
    line = capsys.readouterr().out  # the last checkpoint is that of step 25, or another where steps took a second
    at = int(re.search(r"resumed at step (\d+)", line)[1])
    assert 0 < at <= 40 and made == 70 - at and f"{made} steps in" in line
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


def loose():
    """A tensor that an optimiser trains and no module holds."""
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)


@pytest.mark.parametrize("state", [lambda: (), loose, lambda: (nn.Linear(3, 1), loose())])
def test_a_checkpoint_that_would_lose_what_is_trained_is_refused(begin, tmp_path, state):
    with pytest.raises(ValueError) as error:
        begin().fit(lambda x: {"m": x.mean()}, ROWS, steps=3, checkpoint=tmp_path / "c", state=state())
    assert "checkpoint= needs all modules" in one_sentence(error) and not (tmp_path / "c").exists()


@pytest.mark.parametrize("state", [lambda: (), lambda: nn.Linear(3, 1)])
def test_a_schedule_without_an_optimiser_is_refused(begin, state):
    with pytest.raises(ValueError) as error:
        begin().fit(lambda x: {"m": x.mean()}, ROWS, steps=3, schedule=lambda progress: 0.0, state=state())
    assert "schedule= needs the optimisers" in one_sentence(error)


@pytest.mark.parametrize("where", ["file/c", "/proc/1/c", "/dev/null/c", "folder"])
def test_a_checkpoint_that_cannot_be_written_is_told_before_the_training(begin, tmp_path, where):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder").mkdir()
    steps = []
    with pytest.raises(RuntimeError) as error:
        begin().fit(lambda x: steps.append(1), ROWS, steps=3, state=nn.Linear(3, 1), checkpoint=tmp_path / where)
    assert "cannot be written" in one_sentence(error) and str(tmp_path / where) in str(error.value) and steps == []


@pytest.mark.parametrize("at_once, quiet", [(0.0, False), (60.0, True)])
def test_a_disk_that_fills_up_costs_the_checkpoint_and_not_the_training(
    begin, tmp_path, monkeypatch, capsys, at_once, quiet
):
    from pathlib import Path

    monkeypatch.setattr("genlib.checkpoint.SAVE_EVERY", at_once)

    def step(x):
        def refuse(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", refuse)
        return {"m": x.mean()}

    path = tmp_path / "c.safetensors"
    made = begin().fit(step, ROWS, steps=60, batch=10, state=nn.Linear(3, 1), checkpoint=path, quiet=quiet)
    assert len(made["m"]) == 60 and not path.exists() and not list(tmp_path.glob("*.tmp"))
    assert "the checkpoint could not be written" in capsys.readouterr().out


def test_the_home_folder_in_a_checkpoints_path(begin, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    begin().fit(lambda x: {"m": x.mean()}, ROWS, steps=3, checkpoint="~/c.safetensors", state=nn.Linear(1, 1))
    assert (tmp_path / "c.safetensors").exists()


def test_what_was_seen_before_a_stop_is_seen_after_the_resume(begin, tmp_path):
    def train(path, stop_at=None):
        run, net, made = begin(), nn.Linear(3, 1), [0]
        nn.init.zeros_(net.weight)

        def step(x):
            made[0] += 1
            if made[0] == stop_at:
                raise KeyboardInterrupt
            with torch.no_grad():
                net.weight += x.mean(0)
            return {"m": x.mean()}

        kinds = {0: lambda: net.weight, 5: lambda: {"w": net.weight, "sum": float(net.weight.sum())}, 9: lambda: "late"}
        return run.fit(step, ROWS, steps=10, batch=20, state=net, at=kinds, checkpoint=path)

    whole = train(tmp_path / "whole")
    assert sorted(train(tmp_path / "cut", stop_at=8).at) == [0, 5]
    resumed = train(tmp_path / "cut")
    for history in (resumed, train(tmp_path / "whole")):  # the second is read from the finished checkpoint
        assert sorted(history.at) == [0, 5, 9] and history.at[9] == "late" and torch.equal(history.at[0], whole.at[0])
        assert torch.equal(history.at[5]["w"], whole.at[5]["w"]) and history.at[5]["sum"] == whole.at[5]["sum"]
    with pytest.raises(TypeError, match="With a checkpoint, a function of at"):
        begin().fit(
            lambda x: {"m": x.mean()}, ROWS, steps=2, state=nn.Linear(1, 1), at={1: object}, checkpoint=tmp_path / "n"
        )
