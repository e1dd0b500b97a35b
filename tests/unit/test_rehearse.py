"""The preset gpu without a GPU: what a rehearsal counts, what it lets pass, and what it catches and stores."""

import json
import os
import subprocess
import sys

import pytest

from genlib.course import notebooks, results, stamp
from genlib.course.author import costs, rehearse

B, N_IN, N_OUT, STEPS = 256, 784, 512, 7000
CELLS = {
    "start": 'import genlib, torch\nfrom torch import nn\npreset, seed = "auto", 3',
    "model": """
same = dict(steps=2, n=600)
run = genlib.start(preset, seed, smoke=same, cpu=dict(steps=3000, n=600), gpu=dict(steps=7000, n=6000))
s = run.settings
x = torch.rand(s.n, 784, device=run.device)
genlib.check.at_most("a check before any training counts", x.max(), 1.0)
net = nn.Linear(784, 512, bias=False).to(run.device)
opt = torch.optim.SGD(net.parameters(), lr=1e-3, fused=True)
""",
    "train": """
def step(x):
    loss = net(x).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    return {"loss": loss.detach()}


looked = []
history = run.fit(step, x, steps=s.steps, batch=256, state=(net, opt), label="main", schedule=genlib.cosine,
                  at={0: lambda: looked.append(0) or net.weight.std(), s.steps: lambda: {"size": net(x[:4])}})
assert len(history["loss"]) == s.steps and history["loss"].isfinite().all()
assert history.at[0].dim() == 0 and history.at[s.steps]["size"].shape == (4, 512)
assert history.at[0].device.type == "cpu" and looked == [0] and not run.cut
""",
    "dear": """
with torch.no_grad():
    big = torch.randn(40_000, 50_000, device=run.device)  # 8 GB, and 3 PFLOP
    product = big @ big.T
    best = product.argmax(1)
assert product.shape == (40_000, 40_000) and best.dtype == torch.int64
assert 0 <= product.mean().item() <= 1 and best.cpu().shape == (40_000,)
del big, product
""",
    "claims": """
genlib.check.true("two steps do not train", history.last("loss") < -1e9)
values = best.cpu().numpy()
from sklearn.linear_model import LogisticRegression
codes, labels = torch.rand(400, 30).numpy(), (torch.arange(400) % 2).numpy()
assert LogisticRegression(max_iter=2000, C=1e6).fit(codes, labels).n_iter_.max() <= 5
""",
    "unsure": 'if history.last("loss") > -1e9:\n    raise ValueError("what no true number would cause")',
}


def chapter(**changed):
    tags = lambda name: ["parameters"] if name == "start" else []
    cells = [
        {"cell_type": "code", "id": n, "source": source, "metadata": {"tags": tags(n)}, "outputs": []}
        for n, source in {**CELLS, **changed}.items()
    ]
    return {"cells": cells, "metadata": {"genlib": {}}, "nbformat": 4, "nbformat_minor": 5}


def observed(folder, name, notebook, preset="gpu"):
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps(notebook))
    env = {k: v for k, v in os.environ.items() if not k.startswith("GENLIB_")} | {"XDG_CACHE_HOME": str(folder)}
    command = [sys.executable, "-m", "genlib.course.author.rehearse", str(path), preset]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rehearsed")
    return {preset: observed(folder, preset, chapter(), preset) for preset in ("gpu", "cpu")}


def test_a_sound_chapter_runs_and_is_counted(seen):
    gpu = seen["gpu"]
    assert gpu["faults"] == [] and [f["kind"] for f in gpu["unsure"]] == ["ValueError"], gpu
    assert gpu["excused"] == 1, "the check on numbers that no training made"
    (fit,) = gpu["fits"]
    assert (fit["label"], fit["steps"], fit["batch"], fit["captured"]) == ("main", STEPS, B, True)
    products = 2 * 2 * B * N_IN * N_OUT  # forward, and the weights' gradient; the data have none
    assert products < fit["tally"]["flops"] < 1.02 * products
    # batch: picked (read, written), read twice; W: read, its gradient written, both read and written by the optimiser;
    # y: written, read, and so its gradient
    least = 4 * (4 * B * N_IN + 6 * N_IN * N_OUT + 4 * B * N_OUT)
    assert least < fit["tally"]["bytes"] < 1.01 * least
    assert 8 < fit["tally"]["kernels"] < 40
    assert 8e9 / 2**20 < gpu["memory_mb"] < 1.05 * (40_000 * 90_000 * 4) / 2**20  # the matrix, then its product too
    assert gpu["outside"]["flops"] > 2 * 40_000**2 * 50_000


def test_the_projection_is_of_all_steps_on_each_device(seen):
    assert set(seen["gpu"]["seconds"]) == {"H200", "T4"} and set(seen["cpu"]["seconds"]) == {"laptop", "core"}
    for preset, of in seen.items():
        tally = of["fits"][0]["tally"]
        for name, seconds in of["seconds"].items():
            step = tally["captured" if preset == "gpu" else "eager"][name]
            whole = of["fits"][0]["steps"] * step + of["outside"]["eager"][name] + of["host_seconds"]
            assert seconds == pytest.approx(whole, abs=0.11)
    h200, t4 = seen["gpu"]["seconds"]["H200"], seen["gpu"]["seconds"]["T4"]
    assert h200 < t4 < seen["cpu"]["seconds"]["core"]


def test_a_kernel_takes_the_largest_of_three():
    device = costs.DEVICES["H200"]
    assert device.seconds(1, 1, True) == device.replay < device.seconds(1, 1, False) == device.launch
    assert device.seconds(67e12, 1, True) == pytest.approx(1 / device.rate_share)
    assert device.seconds(1, 4.8e12, True) == pytest.approx(1 / device.bandwidth_share)


BAD = {
    "a fault of the device": ({"dear": "net(torch.rand(4, 784))"}, "WrongDevice", "dear"),
    "a step that waits": (
        {"train": "def step(x):\n    return {'loss': net(x).mean().item() * x.mean()}\nhistory = run.fit(step, x, "
         "steps=s.steps, state=net)\n"}, "Wait", "train",
    ),
    "a check that fails before training": (
        {"model": CELLS["model"].replace("x.max(), 1.0", "x.max(), 0.5")}, "CheckFailed", "model",
    ),
    "only the preset gpu": ({"model": CELLS["model"].replace("gpu=dict(steps=7000, n=6000)", "gpu=dict(steps=7000)")},
                            "ValueError", "model"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_fault_is_told(what, tmp_path):
    changed, kind, cell = BAD[what]
    found = observed(tmp_path, "bad", chapter(claims="", unsure="", **changed))["faults"]
    assert (kind, cell) in [(f["kind"], f["cell"].split("(")[1].rstrip(")")) for f in found], found


def test_the_record_and_what_is_printed(seen):
    notebook = chapter()
    notebook["metadata"]["genlib"]["stamp"] = {"preset": "cpu", "seconds": 100.0, "device": "a core", "code": ""}
    told = rehearse.record(notebook, seen)
    assert notebook["metadata"]["genlib"]["rehearsal"] is told and told["code"] == stamp.code_hash(notebook)
    assert set(told["seconds"]) == set(costs.DEVICES) and told["unsure"] == ["6 (unsure): ValueError"]
    assert (told["main"]["label"], told["main"]["steps"], told["fits"]) == ("main", STEPS, 1)
    said = "\n".join(rehearse.report("ae/toy", notebook, seen, told))
    assert "ae/toy runs: 1 fits" in said and f"projected / measured {told['seconds']['core'] / 100:.2f}" in said
    assert "could not be followed" in said

    told["seconds"] = {"H200": 41.2, "T4": 185.0, "laptop": 3.4, "core": 9.0}
    assert results.projected(notebook) == "H200 40 s · T4 3 min · laptop 3 s"
    told["code"] = "older"
    assert results.projected(notebook).endswith(", older than its code")
    assert results.projected(chapter()) == ""

    bad = {"gpu": {**seen["gpu"], "faults": seen["gpu"]["unsure"]}, "cpu": seen["cpu"]}
    assert "it would not run" in "\n".join(rehearse.report("ae/toy", notebook, bad, told))


def test_a_notebook_that_is_none_is_one_sentence(tmp_path):
    path = tmp_path / "none.ipynb"
    path.write_text("{")
    with pytest.raises(notebooks.CourseError, match="the preset gpu broke off"):
        rehearse.rehearse(path)


def test_projections_stand_in_the_table_of_runs_if_there_are_any():
    row = {"chapter": "ae/toy", "title": "Toy", "preset": "cpu", "device": "a core", "seconds": 61, "checks": 7}
    row |= {"peak_memory_mb": 900, "doubt": ""}
    none = results.runs_markdown([row | {"projected": ""}])
    some = results.runs_markdown([row | {"projected": "H200 40 s"}, row | {"projected": ""}])
    assert "Projected" not in none and "  - Projected, not measured" in some and "  - H200 40 s" in some
    assert len({line.count("- ") for line in some.split("\n") if line.startswith("* -")}) == 1
    assert some.count("* - ") == 4 and some.count("  - ") == 4 * 7
