"""The pretend device catches what would break or wait on a GPU, and nothing else: chapters with one fault each.

torch learns of the device once a process, so that all of them run in one beside this one.
"""

import json
import subprocess
import sys

import pytest

START = """
import genlib, torch
from torch import nn
preset, seed = "auto", 3
"""
MODEL = """
same = dict(n=64, steps=4)
run = genlib.start(preset, seed, smoke=same, cpu=same, gpu=same)
s = run.settings
assert (run.preset, run.seed, run.device.type) == ("smoke", 0, "pretend")
x_train = torch.randn(s.n, 6, generator=torch.Generator().manual_seed(0)).to(run.device)
model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 6)).to(run.device)
opt = torch.optim.{opt}
"""
STEP = """
def step(x):
    {before}
    loss = (model(x) - x).square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    return {{"loss": {term}}}


run.fit(step, x_train, steps=s.steps, batch=16, state=(model, opt), label="toy", schedule=genlib.cosine);
"""
EVALUATION = """
import matplotlib.pyplot as plt
import numpy as np

with torch.no_grad():
    error = (model(x_train) - x_train).square().mean(1)
assert error.max().item() >= error.mean().item() > 0  # waits outside of a step are no fault
bright = x_train[error > error.median()]
assert 0 < len(bright) <= len(x_train) and bright.device.type == "pretend"
values = np.sort({numpy})
fig, ax = plt.subplots()
ax.plot(values)
handle = display(fig, display_id=True)
handle.update(fig)
print(f"{{error.mean():.3f}}", run.history.last("loss"))
model
"""


ADAM = "Adam(model.parameters(), lr=1e-3, fused=True)"


def chapter(before="", term="loss.detach()", numpy="error.cpu().numpy()", last="", opt=ADAM):
    """A notebook that trains and evaluates a small model; every word of it can be made wrong."""
    sources = [
        START,
        MODEL.replace("{opt}", opt),
        STEP.format(before=before, term=term),
        EVALUATION.format(numpy=numpy),
        last,
    ]
    cells = [
        {"cell_type": "code", "id": name, "source": source, "metadata": {"tags": ["parameters"] * (name == "start")}}
        for name, source in zip(("start", "model", "step", "evaluation", "last"), sources, strict=True)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


WAITS = "the step of 'toy' waits for the device"
# what is wrong: (the notebook, its only fault's cell and kind, words of it)
BAD = {
    "a tensor of the CPU in a step": (chapter("x = x + torch.randn(16, 6)"), "step", "WrongDevice", "at least two dev"),
    "a mean on the CPU": (chapter("x = x - torch.zeros(6)"), "step", "WrongDevice", "pretend:0 and cpu"),
    "numbers copied in a step": (chapter("x = x * torch.tensor([1.0] * 6, device=x.device)"), "step", "Wait", "copied"),
    ".to(device) in a step": (chapter("x = x * torch.ones(6).to(x.device)"), "step", "Wait", "copied from the CPU"),
    ".item() in a step": (chapter("size = x.abs().max().item()"), "step", "Wait", "a number is read"),
    "an if in a step": (chapter("x = x / 9 if x.abs().max() > 9 else x"), "step", "Wait", "a number is read"),
    "a term that is a float": (chapter(term="float(loss)"), "step", "Wait", "a number is read"),
    "a term on the CPU": (chapter(term="loss.detach().cpu()"), "step", "Wait", "a copy to the CPU"),
    "a mask in a step": (chapter("size = x[x > 0].mean()"), "step", "Wait", "a boolean mask"),
    "nonzero in a step": (chapter("size = (x > 0).nonzero()"), "step", "Wait", "nonzero"),
    "an index from the CPU": (chapter("x = x[torch.randperm(len(x))]"), "step", "Wait", "an index that lies on"),
    "a rate that SGD reads": (
        chapter(opt="SGD(model.parameters(), lr=torch.full((), 0.1, device=run.device))"),
        "step", "Wait", "in an if) `opt.step()`",
    ),
    "a generator of the CPU": (
        chapter("x = x + torch.randn(16, 6, generator=torch.Generator(), device=x.device)"), "step", "WrongDevice",
        "Expected a 'pretend' device type for generator but found 'cpu'",
    ),
    "a generator of the device": (
        chapter("x = x + torch.randn(16, 6, generator=run.generator)"), "step", "WrongDevice",
        "Expected a 'cpu' device type for generator but found 'pretend'",
    ),
    "numpy on the device": (chapter(numpy="error"), "evaluation", "TypeError", "Use Tensor.cpu()"),
    "numpy() on the device": (chapter(numpy="error.numpy()"), "evaluation", "TypeError", "Use Tensor.cpu()"),
    "a model on the CPU": (chapter(last="nn.Linear(6, 2)(x_train)"), "last", "WrongDevice", "cpu"),
    "an index on the device": (chapter(last="torch.zeros(9)[x_train[:, 0].long()]"), "last", "WrongDevice", "indices"),
    "a list of labels": (chapter(last="torch.cat([x_train, torch.zeros(2, 6)])"), "last", "WrongDevice", "cpu"),
    "no fault of the device": (chapter(last="1 / 0"), "last", "ZeroDivisionError", "division by zero"),
}  # fmt: skip
GOOD = {
    "as it should be": chapter(),
    "a fill by a mask, a product, where": chapter(
        "x[x > 9] = 0.0; x = x * (x < 9); x = torch.where(x > 1, x, x.clamp(max=1))"
    ),
    "numbers of Python": chapter("x = 2 * x + torch.zeros(()) + run.progress"),  # 0-d: as on a GPU
    "its own generator": chapter("x = x + torch.randn(16, 6, generator=run.generator, device=x.device)"),
    "random numbers like x": chapter("x = x + torch.randn_like(x) * torch.rand(16, 1, device=x.device)"),
    "a second derivative": chapter(
        "x = x.clone().requires_grad_(); g = torch.autograd.grad(model(x).square().sum(), x, create_graph=True)[0]; "
        "(g**2).sum().backward()"
    ),
    "a copy, another type, a state put back": chapter(
        last="import copy\nother = copy.deepcopy(model).double()\n"
        "assert other[0].weight.dtype == torch.float64 and other[0].weight.device == x_train.device\n"
        "model.load_state_dict(other.float().state_dict())\n"
        "assert torch.equal(model[0].weight, other[0].weight) and model[0].weight is opt.param_groups[0]['params'][0]"
    ),
    "data moved into a parameter": chapter(  # torch takes a GPU's tensor for a CPU's there
        last="late = nn.Linear(6, 2)\nlate.bias.data = x_train[0, :2]\n"
        "assert late.bias.device == x_train.device and isinstance(late.bias, nn.Parameter)\n"
        "late.to(run.device)(x_train).sum().backward()\nassert late.bias.grad.device == x_train.device"
    ),
    "SGD under a schedule": chapter(opt="SGD(model.parameters(), lr=0.1)"),
    "SGD, fused": chapter(opt="SGD(model.parameters(), lr=0.1, fused=True)"),
    "Adam as it comes": chapter(opt="Adam(model.parameters())"),
    "quantiles": chapter(
        last="here, q = x_train.cpu(), torch.tensor([0.2, 0.8], device=run.device)\n"
        "for how in ({}, {'dim': 0}, {'dim': 1, 'keepdim': True}, {'dim': -1, 'keepdim': True}, {'dim': -1}):\n"
        "    for level in (q, q[0], 0.37):\n"
        "        plain = level.cpu() if torch.is_tensor(level) else level\n"
        "        found, right = x_train.quantile(level, **how), torch.quantile(here, plain, **how)\n"
        "        assert found.shape == right.shape and torch.allclose(found.cpu(), right), (how, level)"
    ),
    "a loop of magic": chapter(last="%matplotlib inline\nx_train.mean()"),
}


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    """{what: its faults} of all the chapters above, from one process."""
    folder, paths = tmp_path_factory.mktemp("pretend"), {}
    for number, (what, made) in enumerate({**{k: v[0] for k, v in BAD.items()}, **GOOD}.items()):
        paths[what] = folder / f"{number}.ipynb"
        paths[what].write_text(json.dumps(made))
    command = [sys.executable, "-m", "genlib.course.author.dry_run", *map(str, paths.values())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = {told["notebook"]: told["faults"] for told in map(json.loads, done.stdout.splitlines())}
    return {what: said[str(path)] for what, path in paths.items()}


@pytest.mark.parametrize("what", BAD)
def test_a_fault_is_caught_where_it_is(what, faults):
    _, cell, kind, words = BAD[what]
    found = {(f["cell"].split("(")[1].rstrip(")"), f["kind"]) for f in faults[what]}
    assert (cell, kind) in found, faults[what]
    fault = next(f for f in faults[what] if f["kind"] == kind)
    assert words in fault["what"] and fault["line"] > 0, fault
    if cell == "step":
        assert kind != "Wait" or fault["what"].startswith(WAITS), fault
    if kind == "Wait" or cell != "step":  # a step that waits still trains; what fails later fails alone
        assert len(found) == 1, faults[what]


@pytest.mark.parametrize("what", GOOD)
def test_what_a_gpu_would_do_passes(what, faults):
    assert faults[what] == []
