"""What share of the processor's rate each chapter's main fit reaches.

    python tests/benchmarks/rates.py [--seconds 8] [FAMILY/SLUG...]      all chapters unless some are named

A chapter's cells are executed with the preset cpu, each chapter in a process of its own, on one thread. Its main fit is
the one that its rehearsal recorded as the longest; every fit before that makes two steps. Then three take turns until
the seconds are over: the product of two 1024×1024 matrices, the fit as the chapter wrote it, and, where the step has
convolutions, the same fit with networks and batches in channels_last. A rate is the FLOPs of a step, by torch's
counter, over its processor time, the loop's included; a share is that rate over the product's in the same round, and
the table has the median of the rounds. Budgets: a share of 0.7, or, with convolutions, 0.8 of what channels_last gives.
The exit status is 1 if one is missed.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.flop_counter import FlopCounterMode

from genlib.course import notebooks
from genlib.course.author import dry_run, rehearse

ROOT = Path(__file__).resolve().parents[2]
SIDE, TURN = 1024, 0.15  # of the matrices, and the least seconds of a turn
SHARE, OF_CHANNELS_LAST = 0.7, 0.8


class Measured(BaseException):
    """The main fit was measured, and the chapter need not go on. ``execute`` catches Exceptions alone."""

    def __init__(self, found):
        super().__init__()
        self.found = found


class Untrained:
    """What ``rehearse.lenient_checks`` asks: after a fit was cut, a check that fails says nothing."""

    excused = 0

    def unreal(self):
        return True


def flops_of(step, batch):
    """(FLOPs of one call, whether it has convolutions, modules it called, optimisers it stepped, what it returned)."""
    modules, optimisers = {}, {}
    with contextlib.ExitStack() as hooks:
        note = lambda module, _: modules.setdefault(module)
        hooks.callback(torch.nn.modules.module.register_module_forward_pre_hook(note).remove)
        hooks.callback(register_optimizer_step_pre_hook(lambda opt, *_: optimisers.setdefault(opt)).remove)
        counter = hooks.enter_context(FlopCounterMode(display=False))
        terms = step(*batch)
    ops = counter.get_flop_counts().get("Global", {})
    convolutions = any("convolution" in str(op) for op in ops)
    return counter.get_total_flops(), convolutions, list(modules), list(optimisers), terms


def lay_out(modules, optimisers, memory_format):
    """Every weight of four dimensions, and what an optimiser keeps beside it, in this memory format. Values stay."""
    with torch.no_grad():
        for p in {p for m in modules for p in m.parameters() if p.dim() == 4}:
            p.data, p.grad = p.data.contiguous(memory_format=memory_format), None
        for opt in optimisers:
            for kept in opt.state.values():
                for name, v in kept.items():
                    if torch.is_tensor(v) and v.dim() == 4:
                        kept[name] = v.contiguous(memory_format=memory_format)


class Turns:
    """The step of the fit: it is made as it is, and between its turns the others have theirs.

    spent: {"product": [...], "fit": [...], "channels_last": [...]}, seconds of one product or step in each round."""

    def __init__(self, step, seconds, clock=time.process_time):
        self.step, self.clock, self.until = step, clock, clock() + seconds
        self.spent = {"product": [], "fit": [], "channels_last": []}
        self.made, self.turn, self.flops, self.memory_format = 0, None, None, torch.contiguous_format
        self.a, self.b = torch.rand(2, SIDE, SIDE).unbind(0)

    def __call__(self, *batch):
        now = self.clock()
        if self.flops is None:
            self.flops, self.convolutions, self.modules, self.optimisers, terms = flops_of(self.step, batch)
            return terms
        self.made += 1
        if self.turn is None:  # three steps to warm up, then one that says how many are a turn
            if self.made == 4:
                self.begun = now
            if self.made == 5:
                self.turn, self.made = max(1, round(TURN / max(now - self.begun, 1e-6))), 0
                self.product()
        elif self.made == self.turn:
            name = "fit" if self.memory_format == torch.contiguous_format else "channels_last"
            self.spent[name].append((now - self.begun) / self.turn)
            self.next_turn(name)
        if self.turn is not None and self.made == 0:
            self.begun = self.clock()
        if self.memory_format == torch.channels_last:
            laid = lambda t: t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t
            batch = [laid(t) if torch.is_tensor(t) else t for t in batch]
        return self.step(*batch)

    def next_turn(self, name):
        """Who is next after ``name``; after a whole round, the product, unless the time is over."""
        self.made = 0
        if self.convolutions:
            last = torch.channels_last if name == "fit" else torch.contiguous_format
            lay_out(self.modules, self.optimisers, last)
            self.memory_format = last
        if name == "channels_last" or not self.convolutions:
            if self.clock() > self.until and len(self.spent["fit"]) > 3:
                raise Measured(self.found())
            self.product()

    def product(self):
        begun, many = self.clock(), 0
        while self.clock() - begun < TURN:
            self.a @ self.b
            many += 1
        self.spent["product"].append((self.clock() - begun) / many)

    def found(self):
        """{flops, product (FLOP/s), share, channels_last (share, or None), rounds}; the first round is not counted."""
        rounds = {name: times[1:] for name, times in self.spent.items()}
        rate = [2 * SIDE**3 / t for t in rounds["product"]]
        share = lambda times: statistics.median(self.flops / t / r for t, r in zip(times, rate, strict=False))
        last = share(rounds["channels_last"]) if self.convolutions else None
        of = {"flops": self.flops, "product": statistics.median(rate), "rounds": len(rounds["fit"])}
        return {**of, "share": share(rounds["fit"]), "channels_last": last}


def measured_fit(wanted, seconds):
    """``Run.fit`` in two steps until the fit of this label, which is measured instead."""
    from genlib.run import Run

    whole = Run.fit

    def fit(run, step, source, *, steps, label="fit", at=None, **settings):
        settings.pop("checkpoint", None)
        if label == wanted:
            run.started, run.minutes = time.perf_counter(), 60
            whole(run, Turns(step, seconds), source, steps=10**7, label=label, **settings)
        history = whole(run, step, source, steps=min(2, steps), label=label, **settings)
        rehearse.lengthen(history, steps, at)
        return history

    return rehearse.patched((Run, "fit", fit))


def measure(notebook, seconds, label=None):
    """What ``Turns.found`` tells of a notebook's main fit. It changes the process. Raises CourseError."""
    label = label or notebook["metadata"].get("genlib", {}).get("rehearsal", {}).get("main", {}).get("label")
    if label is None:
        raise notebooks.CourseError("no rehearsal says which fit is the main one: genlib rehearse CHAPTER")
    torch.set_num_threads(1)
    faults = []
    with dry_run.as_notebook() as space, rehearse.lenient_checks(Untrained()):
        with rehearse.short_estimators(None), measured_fit(label, seconds):
            try:
                for name, source in dry_run.code_cells(notebook, "cpu"):
                    fault = dry_run.execute(name, source, space)
                    faults += [fault] if fault else []
            except Measured as done:
                return {"label": label, **done.found}
    first = f" The first of {len(faults)} faults: {faults[0]}" if faults else ""
    raise notebooks.CourseError(f"no fit is labelled {label!r} with the preset cpu.{first}")


def met(found):
    """Whether a chapter is within its budget."""
    last = found["channels_last"]
    if last is None:
        return found["share"] >= SHARE
    return found["share"] >= SHARE or found["share"] >= OF_CHANNELS_LAST * last


def line(name, found):
    """A row of the table."""
    last = "–" if found["channels_last"] is None else f"{found['channels_last']:.2f}"
    rate = f"{found['product'] / 1e9:.0f} GFLOP/s"
    flops = f"{rehearse.scaled(found['flops'])}FLOP"
    verdict = "met" if met(found) else "NOT MET"
    return f"{name:<22}{found['label']:<28.27}{flops:>12}{rate:>14}{found['share']:>7.2f}{last:>15}  {verdict}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description="What share of the processor's rate each chapter's main fit reaches.")
    parser.add_argument("chapters", nargs="*", metavar="FAMILY/SLUG")
    parser.add_argument("--seconds", type=float, default=8, help="of measuring, for each chapter  [default: 8]")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    chapters = {c.name: c.path for c in notebooks.chapters(ROOT)}
    if strange := [name for name in given.chapters if name not in chapters]:
        parser.error(f"there is no chapter {strange[0]}; there are {', '.join(chapters)}")
    if given.one:
        try:
            print(json.dumps(measure(notebooks.read(chapters[given.chapters[0]]), given.seconds)))
        except notebooks.CourseError as error:
            sys.exit(str(error))
        return 0
    print(f"{'chapter':<22}{'main fit':<28}{'a step':>12}{'product':>14}{'share':>7}{'channels_last':>15}", flush=True)
    missed = 0
    for name in given.chapters or chapters:
        command = [sys.executable, __file__, "--one", "--seconds", str(given.seconds), name]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{name:<22}{(done.stderr.strip() or 'it died').splitlines()[-1]}", flush=True)
            missed += 1
            continue
        found = json.loads(done.stdout)
        missed += not met(found)
        print(line(name, found), flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
