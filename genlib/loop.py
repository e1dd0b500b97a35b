"""The loop around the reader's step, and the history it keeps.

Batches by index, one line of progress, a guard against non-finite terms, a time budget, the learning rate's schedule,
and a CUDA graph of the whole step where a GPU is there.
"""

import sys
import time

import torch
from torch import nn

from . import checkpoint
from .data import Batches


class NotFinite(RuntimeError):
    """A term of the loss became infinite or not a number."""


class History(dict):
    """Term name -> float32 tensor of its values, one per step, on the CPU. ``at``: step -> what was seen there."""

    def __init__(self, *terms, **named):
        super().__init__(*terms, **named)
        self.at = {}

    def last(self, name, n=100):
        """Mean of the last n values of a term."""
        return self[name][-n:].mean().item()

    def smooth(self, name, n=50):
        """Running mean over up to n values ending at each step; same length as the term."""
        total = torch.cat([torch.zeros(1, dtype=torch.float64), self[name].double().cumsum(0)])
        end = torch.arange(1, len(total))
        begin = (end - n).clamp(min=0)
        return ((total[end] - total[begin]) / (end - begin)).float()


class Loop:
    """One fit. ``log`` is a buffer on the device, one row per step, copied to the CPU when full: one synchronisation
    for many steps."""

    def __init__(self, run, step, source, steps, batch, state, label, schedule, graph, at=None, quiet=False):
        self.run, self.step, self.steps, self.label, self.schedule = run, step, steps, label, schedule
        self.at, self.seen, self.quiet, self.cut = at or {}, {}, quiet, False
        if odd := [n for n in self.at if n not in range(steps + 1)]:
            raise ValueError(f"{label}: step {odd[0]} of at={{step: function}} is none of the steps 0 to {steps}.")
        state = state if isinstance(state, (tuple, list)) else (state,)
        self.modules = [s for s in state if isinstance(s, nn.Module)]
        self.optimisers = [s for s in state if isinstance(s, torch.optim.Optimizer)]
        if len(self.modules) + len(self.optimisers) != len(state):
            raise TypeError("state holds modules and optimisers only: fit(..., state=(model, opt)).")
        self.ranks, self.batch, self.batches = run.ranks, batch, Batches(source, batch, run.generator)
        self.next = self.batches.next
        if run.ranks and not callable(source):  # a function is asked on each rank
            self.batches = Batches(source, batch * run.ranks.size, run.generator)
            self.next = lambda: [t.tensor_split(run.ranks.size)[run.ranks.rank] for t in self.batches.next()]
        self.done, self.rows, self.names, self.filled, self.log = 0, [], None, 0, None
        self.cuda = run.device.type == "cuda"
        accelerator = run.device.type not in ("cpu", "mps")
        self.graph = graph and self.cuda and not run.ranks
        self.every = 200 if self.cuda and not run.ranks else 25
        self.note, self.path, self.saved, self.unsaved = "", None, time.perf_counter(), False
        self.progress_line = _Line(bar=not quiet and not (run.ranks and run.ranks.rank))
        self.rates = [[float(group["lr"]) for group in opt.param_groups] for opt in self.optimisers]
        for opt in self.optimisers:
            for group in opt.param_groups:
                if accelerator and "capturable" in group:
                    group["capturable"] = True
                if accelerator and schedule is not None and not torch.is_tensor(group["lr"]):
                    if "capturable" in group or group.get("fused"):
                        group["lr"] = torch.tensor(group["lr"], device=run.device)
                    elif self.graph:  # it would read a tensor at each step, and a graph would keep the first number
                        self.graph = False
                        self.note = f"without a CUDA graph: {type(opt).__name__} wants fused=True for a schedule"

    def strangers(self):
        """What an optimiser trains and no module of the state holds: a checkpoint would lose it."""
        held = {p for module in self.modules for p in module.parameters()}
        return [p for opt in self.optimisers for g in opt.param_groups for p in g["params"] if p not in held]

    def go(self):
        self.begun, self.skipped = time.perf_counter(), self.done
        looked = self.begun
        advance = self.eager
        while self.done < self.steps:
            self.look()
            if self.graph and self.done - self.skipped < 3:
                advance = self.warm_up
            elif self.graph and advance == self.warm_up:
                advance = self.capture()
            progress = self.done / self.steps
            self.run.progress.fill_(progress)
            if self.schedule is not None:
                self.set_rates(self.schedule(progress))
            row = advance()
            if self.log is None:
                self.log = torch.zeros(self.every, len(self.names), device=self.run.device)
            self.log[self.filled] = row
            self.filled += 1
            self.done += 1
            # Slow steps are looked at once a second, so that the line moves and the time budget holds. Ranks act alike.
            slow = not self.ranks and time.perf_counter() - looked > 1
            if self.filled == self.every or self.done == self.steps or slow:
                late = time.perf_counter() - self.run.started > 60 * self.run.minutes
                if self.ranks:
                    late = torch.tensor(float(late), device=self.run.device)
                    self.ranks.mean([self.log[: self.filled], late])
                self.collect()
                looked = time.perf_counter()
                if late:
                    self.note, self.cut = f"stopped at the time budget of {self.run.minutes:g} min", True
                    break
                if self.path is not None and time.perf_counter() - self.saved > checkpoint.SAVE_EVERY:
                    checkpoint.save(self, self.path)
        self.look()
        self.run.progress.fill_(1.0)

    def look(self):
        """What ``at`` asks for at this step. It sees the run as it is and leaves it so: random numbers and training
        modes are as before, so the fit has the same numbers with and without it."""
        if self.done not in self.at or self.done in self.seen:
            return
        self.run.progress.fill_(self.done / max(1, self.steps))
        modes = [(m, m.training) for module in self.modules for m in module.modules()]
        order = self.run.generator.get_state()
        with torch.random.fork_rng([self.run.device] if self.cuda else []), torch.no_grad():
            found = self.at[self.done]()
        self.run.generator.set_state(order)
        for m, training in modes:
            m.training = training
        keep = lambda v: v.detach().to("cpu", copy=True) if torch.is_tensor(v) else v
        self.seen[self.done] = {k: keep(v) for k, v in found.items()} if isinstance(found, dict) else keep(found)
        if self.path is not None:
            checkpoint.pack(self.seen)

    def eager(self):
        """One step as the chapter wrote it; its terms as one row."""
        return self.row(self.step(*self.next()))

    def row(self, terms):
        """The terms of a step, one value each, as a row of the log, in the order of the first step."""
        if not isinstance(terms, dict) or not terms:
            raise TypeError("The step returns a dict of 0-d tensors, such as {'elbo': -loss.detach()}.")
        self.names = self.names or list(terms)
        if terms.keys() != set(self.names):
            raise TypeError(f"Step {self.done + 1} returned the terms {list(terms)}, those before it {self.names}.")
        values = [torch.as_tensor(terms[n], device=self.run.device).detach().float() for n in self.names]
        if any(v.dim() for v in values):
            shapes = {n: tuple(v.shape) for n, v in zip(self.names, values, strict=True) if v.dim()}
            raise TypeError(f"A term is one number, a 0-d tensor; the step returned the shapes {shapes}.")
        return torch.stack(values)

    def warm_up(self):
        """An eager step on a side stream, as capture asks for: it warms kernels and allocator, and trains too."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            row = self.eager()
        torch.cuda.current_stream().wait_stream(side)
        return row

    def capture(self):
        """Record the step once as a CUDA graph and return the function that replays it, or the eager one if it can't.

        The tensors of a batch and the row of terms then live at fixed addresses, so a replay copies the next batch in.
        """
        static = [t.clone() for t in self.batches.next(peek=True)]
        try:
            for opt in self.optimisers:
                opt.zero_grad(set_to_none=True)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                row = self.row(self.step(*static))
        except Exception as error:  # any refusal of capture (a synchronisation, a fresh shape) means: run it eagerly
            torch.cuda.synchronize()
            for opt in self.optimisers:  # what capture left in the gradients was never computed
                opt.zero_grad(set_to_none=True)
            self.graph = False
            self.note = f"without a CUDA graph: {(str(error) or type(error).__name__).splitlines()[0][:80]}"
            return self.eager

        def replay():
            for old, new in zip(static, self.batches.next(), strict=True):
                old.copy_(new)
            graph.replay()
            return row

        return replay

    def set_rates(self, factor):
        for opt, rates in zip(self.optimisers, self.rates, strict=True):
            for group, rate in zip(opt.param_groups, rates, strict=True):
                if torch.is_tensor(group["lr"]):
                    group["lr"].fill_(rate * factor)  # the graph reads this address
                else:
                    group["lr"] = rate * factor

    def collect(self):
        """Bring the buffered rows to the CPU and look at them."""
        if not self.filled:
            return
        rows = self.log[: self.filled].to("cpu", copy=True)  # the buffer is written again
        first = self.done - self.filled
        self.filled = 0
        bad = (~torch.isfinite(rows)).nonzero()
        if len(bad):
            at, term = bad[0].tolist()
            self.rows.append(rows[:at])
            value = rows[at, term].item()
            raise NotFinite(
                f"{self.label}: the term {self.names[term]!r} became {value} at step {first + at + 1}: "
                "lower the learning rate, clip the gradient or bound what is exponentiated; "
                f"run.history holds the {first + at:,} steps before it."
            )
        self.rows.append(rows)
        if not self.quiet:
            self.progress_line.update(f"{self.label} · step {self.done:,} of {self.steps:,} · {self.terms(rows)}")

    def terms(self, rows):
        return " · ".join(f"{n} {_number(v)}" for n, v in zip(self.names, rows.mean(0).tolist(), strict=True))

    def history(self):
        rows = torch.cat(self.rows) if self.rows else torch.zeros(0, len(self.names or ()))
        history = History({name: rows[:, i].clone() for i, name in enumerate(self.names or ())})
        history.at = self.seen
        return history

    def say_end(self):
        """The line that stays; a quiet fit has none, unless there is something to be told."""
        if self.quiet and not (self.cut or self.unsaved):
            return
        took, made = time.perf_counter() - self.begun, self.done - self.skipped
        words = [self.label, f"{made:,} steps in {took:.0f} s on {self.run.device.type}"]
        if self.rows:
            words.append(self.terms(torch.cat(self.rows)[-100:]))
        words += [f"resumed at step {self.skipped:,}"] * bool(self.skipped)
        words += ["the checkpoint could not be written: is the disk full?"] * self.unsaved
        self.progress_line.end(" · ".join(words + [self.note] * bool(self.note)))


def _number(v):
    text = f"{v:.1f}" if abs(v) >= 100 else f"{v:.2f}" if abs(v) >= 1 else f"{v:.3g}"
    return text.replace("-", "−")


class _Line:
    """One line that is rewritten while the loop runs and stays, once, when it ends."""

    def __init__(self, bar):
        self.at, self.handle, self.bar = time.perf_counter(), None, bar and sys.stderr.isatty()
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        self.notebook = hasattr(shell, "kernel")  # a process may have loaded ipykernel and be no notebook

    def update(self, text):
        if time.perf_counter() - self.at < 0.5:
            return
        self.at = time.perf_counter()
        if self.notebook:
            self.show(text)
        elif self.bar:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def show(self, text):
        from IPython.display import display

        if self.handle is None:
            self.handle = display({"text/plain": text}, raw=True, display_id=True)
        else:
            self.handle.update({"text/plain": text}, raw=True)

    def end(self, text):
        if self.bar and not self.notebook:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        self.show(text) if self.notebook else print(text)
