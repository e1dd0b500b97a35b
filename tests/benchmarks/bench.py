"""What the loop around a step costs: genlib's against a bare one, and against the usual one with a DataLoader.

    python tests/benchmarks/bench.py [--quick] [--processor-time]

The step is that of the VAE chapter's cpu preset. The loops take turns of 25 steps in one process (A B C, C B A, …); a
ratio is the median over the rounds of the two speeds in the same round, so that what else the machine does falls on
both. ``run.fit`` is called once for all rounds, as in a chapter, and the others take their turns between its steps. The
table names the budgets; the exit status is 1 if one is missed. On a busy machine --processor-time is steadier.
"""

import argparse
import contextlib
import io
import itertools
import os
import statistics
import sys
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

import genlib
from genlib import data

BATCH = 128


def mlp(*sizes):
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class VAE(nn.Module):
    """784-400-400-20-400-400-784 with a Bernoulli decoder."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = mlp(784, 400, 400, 40), mlp(20, 400, 400, 784)

    def forward(self, x):
        """log p(x | z) at one z ~ q(z | x), and KL(q(z | x) ‖ p(z)), in nats, (B,) each."""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        z = mu + (logvar / 2).exp() * torch.randn_like(mu)
        log_likelihood = -F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none").sum(1)
        return log_likelihood, 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


def make_step(device):
    """A fresh model with its optimiser, and the chapter's step for them."""
    torch.manual_seed(0)
    model = VAE().to(device)
    opt = torch.optim.Adam(model.parameters(), lr=2e-3, fused=True)

    def step(x, _):
        x = torch.bernoulli(x).flatten(1)  # dynamic binarisation, (B, 1, 28, 28) -> (B, 784)
        reconstruction, kl = model(x)
        loss = (kl - reconstruction).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        r, k = reconstruction.detach().mean(), kl.detach().mean()
        return {"elbo": r - k, "reconstruction": r, "kl": k}

    return step, (model, opt)


class Pictures(MNIST):
    """A split as torchvision's MNIST holds it: uint8 in memory, and its own way to an example through PIL."""

    def __init__(self, split):
        self.data, self.targets = (split.x[:, 0] * 255).round().byte().cpu(), split.y.cpu()
        self.transform, self.target_transform = ToTensor(), None


# --- the loops: each is a generator that makes a turn of steps whenever it is asked for the next ----------------------


def bare(step, split, turn):
    """The fastest there is: batches cut beforehand, nothing kept."""
    batches = itertools.cycle(list(zip(split.x.split(BATCH), split.y.split(BATCH), strict=True))[: len(split) // BATCH])
    while True:
        for x, y in itertools.islice(batches, turn):
            step(x, y)
        yield


def loader(step, split, turn):
    """As it is usually written: an image at a time through PIL, a DataLoader, a loss read at every step."""
    device = split.x.device
    batches = DataLoader(Pictures(split), batch_size=BATCH, shuffle=True)
    forever = itertools.chain.from_iterable(itertools.repeat(batches))
    while True:
        total = 0.0
        for x, y in itertools.islice(forever, turn):
            total += step(x.to(device), y.to(device))["elbo"].item()
        yield total / turn


def start(device, minutes):
    settings = {"minutes": minutes}  # the fit ends there, with fewer rounds
    with contextlib.redirect_stdout(io.StringIO()):
        return genlib.start("gpu" if device.type == "cuda" else "cpu", 0, smoke=settings, cpu=settings, gpu=settings)


# --- measuring --------------------------------------------------------------------------------------------------------


def take_turns(split, rounds, turn=25, clock=time.perf_counter, minutes=5.0):
    """Seconds per step on the CPU, {name: one per round}. Two rounds more are made first and not counted."""
    cpu = torch.device("cpu")
    step, state = make_step(cpu)  # one model for all: where its weights lie in memory is worth half a per cent
    others = {"bare": bare(step, split, turn), "loader": loader(step, split, turn)}
    spent = {name: [] for name in ("fit", *others)}
    calls, begun = itertools.count(), clock()

    def between(x, y):
        """The step of ``fit``; at the end of a turn, before it, the others have theirs."""
        nonlocal begun
        made = next(calls)
        if made % turn == 0:
            spent["fit"].append((clock() - begun) / turn)
            for name in list(others)[:: 1 if made // turn % 2 else -1]:
                at = clock()
                next(others[name])
                spent[name].append((clock() - at) / turn)
            begun = clock()
        return step(x, y)

    run = start(cpu, minutes)
    with contextlib.redirect_stdout(io.StringIO()):
        run.fit(between, split, steps=(rounds + 2) * turn + 1, batch=BATCH, state=state, schedule=genlib.cosine)
    return {name: times[3:] for name, times in spent.items()}


def take_turns_on_the_gpu(split, rounds, turn=100, steps=3000):
    """Seconds per step on the GPU: with a graph, without, and as it is usually written. A fit captures its graph anew:
    its turn is as long as a chapter's run."""
    gpu = torch.device("cuda")
    step, state = make_step(gpu)
    eager, _ = make_step(gpu)  # with an optimiser of its own: the other's is made for capture
    other, spent = loader(eager, split, turn), {"graph": [], "eager": [], "loader": []}
    run = start(gpu, minutes=30)
    for _ in range(rounds + 1):
        for name in ("graph", "eager"):
            with contextlib.redirect_stdout(io.StringIO()):
                begun = time.perf_counter()
                asked = {"batch": BATCH, "state": state, "schedule": genlib.cosine, "graph": name == "graph"}
                run.fit(step, split, steps=steps, **asked)
                torch.cuda.synchronize()
                spent[name].append((time.perf_counter() - begun) / steps)
        begun = time.perf_counter()
        next(other)
        torch.cuda.synchronize()
        spent["loader"].append((time.perf_counter() - begun) / turn)
    return {name: times[1:] for name, times in spent.items()}


@dataclass
class Row:
    """A ratio of two speeds and the budget it has to reach; low and high are its quartiles over the rounds."""

    what: str
    ratio: float
    low: float
    high: float
    budget: float

    @property
    def met(self):
        return self.ratio >= self.budget


def compare(what, spent, ours, theirs, budget):
    """How many times as fast ``ours`` is as ``theirs``, round by round."""
    ratios = [b / a for a, b in zip(spent[ours], spent[theirs], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Row(what, middle, low, high, budget)


def measure(quick=False, processor_time=False):
    """(rows of the table, lines about the machine)."""
    named = "mnist" if data.find("MNIST") else "digits"  # nothing is downloaded for a benchmark
    split = data.load(named).train
    rounds = 15 if quick else 60
    if processor_time:
        torch.set_num_threads(1)  # of several threads it would count the waiting for one another too
    clock = time.process_time if processor_time else time.perf_counter
    minutes = 2.0 if quick else 5.0
    spent = take_turns(split, rounds, clock=clock, minutes=minutes)
    if len(spent["bare"]) < 4:
        sys.exit(
            f"The machine is too busy: it made fewer than 4 rounds in {minutes:g} minutes; --processor-time may do."
        )
    rows = [
        compare("fit / bare loop over tensors cut beforehand", spent, "fit", "bare", 0.97),
        compare("fit / DataLoader and PIL", spent, "fit", "loader", 1.5),
    ]
    told = lambda spent: ", ".join(f"{name} {1000 * statistics.median(t):.3g}" for name, t in spent.items())
    about = [
        f"VAE 784-400-400-20, batch {BATCH}, {named}, torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{len(spent['fit'])} rounds",
        f"ms per step on the cpu, {'processor' if processor_time else 'wall'} time: {told(spent)}",
    ]
    load, cores = os.getloadavg()[0], os.cpu_count()
    if load > cores + 1 and not processor_time:
        about.append(f"The machine is busy (load {load:.0f} on {cores} cores): --processor-time is steadier.")
    if torch.cuda.is_available():
        spent = take_turns_on_the_gpu(data.load(named, "cuda").train, 3 if quick else 9)
        rows.append(compare("fit with a CUDA graph / eager with a DataLoader", spent, "graph", "loader", 5.0))
        rows.append(compare("fit with a CUDA graph / fit without", spent, "graph", "eager", 1.0))
        about.append(f"ms per step on {torch.cuda.get_device_name()}: {told(spent)}")
    return rows, about


def table(rows):
    """The rows as text."""
    lines = [f"{'speed':<50}{'ratio':>8}{'quartiles':>17}{'budget':>9}"]
    for row in rows:
        quartiles = f"{row.low:.3f} – {row.high:.3f}"
        verdict = "met" if row.met else "NOT MET"
        lines.append(f"{row.what:<50}{row.ratio:>7.3f}×{quartiles:>17}{f'≥ {row.budget:g}':>9}  {verdict}")
    return "\n".join(lines)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Measure the loop around a step against its budgets.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--processor-time", action="store_true", help="on one thread, without waiting for the machine")
    rows, about = measure(**vars(parser.parse_args(arguments)))
    print("\n".join([*about, "", table(rows)]))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
