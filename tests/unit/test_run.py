"""The run: its presets, its seed, and what it says of itself."""

import os
import random
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import genlib
import genlib.run

pytestmark = pytest.mark.usefixtures("own")

SAME = dict(smoke={"a": 1}, cpu={"a": 2}, gpu={"a": 3})


def one_sentence(error):
    """The text of an error: one line that ends like a sentence."""
    text = str(error.value)
    assert "\n" not in text and text.endswith("."), text
    return text


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


SPEAKS = """
import genlib
run = genlib.start("smoke", 0, smoke={}, cpu={}, gpu={})
genlib.check.true("β ≤ 1", True)
print("done")
"""


@pytest.mark.parametrize("encoding", ["latin-1", "ascii:strict", "cp1252", "utf-8"])
def test_a_script_goes_on_where_there_is_no_utf_8(own, encoding):
    env = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", SPEAKS], env=env, capture_output=True, timeout=100)
    assert done.returncode == 0 and done.stdout.endswith(b"\ndone\n") and done.stderr == b"", done.stderr
    assert len(done.stdout.splitlines()) == 3
