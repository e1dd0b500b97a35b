"""The run of a chapter: its preset, seed and device, and the loop around the reader's step.

The step is the reader's: forward, backward and every optimiser update stand in the chapter. What is here only calls
it: batches by index, one line of progress, history, a guard against non-finite terms, a time budget, an interrupt that
keeps what was learned, a checkpoint to resume from, and a CUDA graph of the whole step where a GPU is there.
"""

import contextlib
import json
import math
import os
import random
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from . import did_you_mean
from .data import Batches

SAVE_EVERY = 60.0  # seconds between two writings of a checkpoint


class NotFinite(RuntimeError):
    """A term of the loss became infinite or not a number."""


class OutOfMemory(RuntimeError):
    """The device's memory does not hold the model and one batch."""


def start(preset="auto", seed=0, *, smoke, cpu, gpu):
    """Choose the preset and the device, seed every generator, and return the Run.

    preset: "auto" (gpu if there is one, else cpu), "smoke", "cpu" or "gpu"; GENLIB_PRESET in the environment wins.
    smoke, cpu, gpu: dicts with the same keys; the chosen one becomes ``run.settings``. The optional key ``minutes`` is
    the time budget of the whole run. Raises ValueError for an unknown preset, for dicts that differ in their keys, and
    for the preset gpu on a machine without one.
    """
    preset = os.environ.get("GENLIB_PRESET") or preset
    settings = {"smoke": smoke, "cpu": cpu, "gpu": gpu}
    if preset not in ("auto", *settings):
        hint = did_you_mean(preset, ("auto", *settings))
        raise ValueError(f"There is no preset {preset!r}{hint}: choose auto, smoke, cpu or gpu.")
    for name, given in settings.items():
        if odd := set(given) ^ set(gpu):
            raise ValueError(f"The presets {name} and gpu differ in {', '.join(sorted(odd))}: each sets every key.")
    if preset == "auto":
        preset = "gpu" if torch.cuda.is_available() else "cpu"
    if preset == "gpu" and not torch.cuda.is_available():
        raise ValueError("The preset gpu needs a CUDA GPU, and torch sees none here: use preset='cpu' or 'smoke'.")
    alone = os.environ.keys() & {"WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE"} == set()
    if alone and os.environ.get("ACCELERATE_USE_CPU") == "True" and "MASTER_PORT" in os.environ:
        raise ValueError("accelerate launch --cpu starts one process only: use --multi_gpu, on CPUs too, or torchrun.")
    ranks = _Ranks(preset != "gpu") if int(os.environ.get("WORLD_SIZE") or 1) > 1 else None
    device = ranks.device if ranks else torch.device("cuda" if preset == "gpu" else "cpu")
    return Run(preset, int(seed), settings[preset], device, ranks)


def cosine(progress, warmup=0.0):
    """Learning-rate factor: a linear rise over the first ``warmup`` of the steps, then half a cosine down to zero."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / max(1 - warmup, 1e-12)))


class History(dict):
    """Term name -> float32 tensor of its values, one per step, on the CPU."""

    def last(self, name, n=100):
        """Mean of the last n values of a term."""
        return self[name][-n:].mean().item()

    def smooth(self, name, n=50):
        """Running mean over up to n values ending at each step; same length as the term."""
        total = torch.cat([torch.zeros(1, dtype=torch.float64), self[name].double().cumsum(0)])
        end = torch.arange(1, len(total))
        begin = (end - n).clamp(min=0)
        return ((total[end] - total[begin]) / (end - begin)).float()


class Run:
    """What ``start`` returns: preset, seed, device, settings, and ``fit``.

    ``progress`` is a 0-d tensor on the device that goes from 0 to 1 during a fit; a step may read it (to warm up a
    weight, say), also inside a CUDA graph. ``history`` is that of the latest fit.
    """

    def __init__(self, preset, seed, settings, device, ranks=None):
        self.preset, self.seed, self.device, self.ranks = preset, seed, device, ranks
        self.settings = SimpleNamespace(**settings)
        self.minutes = settings.get("minutes", math.inf)
        self.started, self.history = time.perf_counter(), History()
        self.reseed(seed)
        n = torch.get_num_threads()
        name = torch.cuda.get_device_name() if device.type == "cuda" else f"cpu ({n} thread{'s' * (n > 1)})"
        name += f" × {ranks.size} processes" if ranks else ""
        print(f"preset {preset} · seed {seed} · {name} · torch {torch.__version__.split('+')[0]}")

    def reseed(self, seed):
        """Set every generator, that of the batch order included: for a second model under another seed."""
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  (libraries that a step calls may draw from the global one)
        torch.manual_seed(seed)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.progress = torch.zeros((), device=self.device)

    def fit(self, step, source, *, steps, batch=128, state=(), label="fit", schedule=None, checkpoint=None, graph=True):
        """Call ``step(*tensors)`` ``steps`` times and return the History of what it returns.

        step: takes the tensors of one batch, does forward, backward and updates, returns {name: 0-d tensor}; it never
            synchronises (no ``.item()``), so that on a GPU it can be captured whole.
        source: a Split, a tensor, a tuple of tensors (batches are drawn by index, reshuffled each epoch), or a function
            of the batch size that returns fresh tensors. If it has fewer than ``batch`` rows, all are one batch.
        state: the modules and optimisers that the step changes: for checkpoint, schedule, CUDA graph, many processes.
        schedule: progress in [0, 1] -> factor on every learning rate of the optimisers in ``state``, which have their
            own rates back when the fit ends.
        checkpoint: a .safetensors path: written about once a minute and at the end, resumed from if it is there.
        graph: False for a step whose course depends on Python state (a counter, an ``if``): it cannot be captured.
        Raises NotFinite naming term and step, and OutOfMemory; a KeyboardInterrupt ends the fit and keeps the model,
        unless the run is for publishing (GENLIB_PUBLISH set), where it is passed on.
        """
        loop = _Loop(self, step, source, steps, batch, state, label, schedule, graph)
        if checkpoint is not None:
            loop.resume(Path(checkpoint))
        try:
            with self.ranks.together(loop) if self.ranks else contextlib.nullcontext():
                loop.go()
        except KeyboardInterrupt:
            loop.collect()
            if os.environ.get("GENLIB_PUBLISH") or self.ranks:
                raise
            loop.note = "interrupted by hand, what was learned is kept"
        except Exception as error:
            loop.collect()  # a term that was not finite some steps before is the likelier cause: it is named instead
            if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
                raise
            held = f"the memory of the {self.device.type} does not hold the model and a batch of {batch}"
            way_out = "use a smaller batch" + ", or the preset cpu" * loop.cuda
            raise OutOfMemory(f"{label}: {held} (step {loop.done + 1}): {way_out}.") from error
        finally:
            self.history = loop.history()
            if schedule is not None:
                loop.set_rates(1.0)
        if loop.path is not None:
            loop.save(loop.path)
        loop.say_end()
        return self.history


class _Ranks:
    """The processes that train one model together. Outside a fit all do the same; in a fit each has its share of every
    batch and noise of its own, and optimisers step by the mean of all gradients. The first alone prints and saves."""

    def __init__(self, cpu):
        from accelerate import PartialState

        state = PartialState(cpu=cpu)
        self.rank, self.size, self.device = state.process_index, state.num_processes, state.device
        if self.rank:
            sys.stdout = open(os.devnull, "w")

    def mean(self, tensors):
        """Give the tensors, in place, their means over the ranks."""
        for exchange in [torch.distributed.all_reduce(t.div_(self.size), async_op=True) for t in tensors]:
            exchange.wait()

    @contextlib.contextmanager
    def together(self, loop):
        """A fit: all begin with the first one's parameters, and end with its buffers and the same random numbers."""
        gradients = lambda opt: [p.grad for g in opt.param_groups for p in g["params"] if p.grad is not None]
        buffers = [b for m in loop.modules for b in m.buffers()]
        seed = torch.randint(2**31, (), device=self.device)
        for t in (seed, *buffers, *(p.detach() for m in loop.modules for p in m.parameters())):
            torch.distributed.broadcast(t, 0)
        torch.manual_seed(seed.item() + 1 + self.rank)
        with contextlib.ExitStack() as hooks:
            for opt in loop.optimisers:
                hooks.callback(opt.register_step_pre_hook(lambda opt, *_: self.mean(gradients(opt))).remove)
            yield
        for t in buffers:
            torch.distributed.broadcast(t, 0)
        torch.manual_seed(seed.item())


class _Loop:
    """One fit. ``log`` is a buffer on the device, one row per step, copied to the CPU when full: one synchronisation
    for many steps."""

    def __init__(self, run, step, source, steps, batch, state, label, schedule, graph):
        self.run, self.step, self.steps, self.label, self.schedule = run, step, steps, label, schedule
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
        self.graph = graph and self.cuda and not run.ranks
        self.every = 200 if self.cuda and not run.ranks else 25
        self.note, self.path, self.saved = "", None, time.perf_counter()
        self.progress_line = _Line(bar=not (run.ranks and run.ranks.rank))
        self.rates = [[float(group["lr"]) for group in opt.param_groups] for opt in self.optimisers]
        for opt in self.optimisers:
            for group in opt.param_groups:
                if self.cuda and "capturable" in group:
                    group["capturable"] = True
                if self.cuda and schedule is not None and not torch.is_tensor(group["lr"]):
                    group["lr"] = torch.tensor(group["lr"], device=run.device)

    def go(self):
        self.begun, self.skipped = time.perf_counter(), self.done
        looked = self.begun
        advance = self.eager
        while self.done < self.steps:
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
                    self.note = f"stopped at the time budget of {self.run.minutes:g} min"
                    break
                if self.path is not None and time.perf_counter() - self.saved > SAVE_EVERY:
                    self.save(self.path)
        self.run.progress.fill_(1.0)

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
        self.progress_line.update(f"{self.label} · step {self.done:,} of {self.steps:,} · {self.terms(rows)}")

    def terms(self, rows):
        return " · ".join(f"{n} {_number(v)}" for n, v in zip(self.names, rows.mean(0).tolist(), strict=True))

    def history(self):
        rows = torch.cat(self.rows) if self.rows else torch.zeros(0, len(self.names or ()))
        return History({name: rows[:, i].clone() for i, name in enumerate(self.names or ())})

    def say_end(self):
        took, made = time.perf_counter() - self.begun, self.done - self.skipped
        words = [self.label, f"{made:,} steps in {took:.0f} s on {self.run.device.type}"]
        if self.rows:
            words.append(self.terms(torch.cat(self.rows)[-100:]))
        words += [f"resumed at step {self.skipped:,}"] * bool(self.skipped)
        self.progress_line.end(" · ".join(words + [self.note] * bool(self.note)))

    # --- the checkpoint: tensors in safetensors, the rest as JSON in its header; nothing is pickled -------------------

    def fingerprint(self):
        shapes = [list(p.shape) for m in self.modules for p in m.parameters()]
        kinds = [type(opt).__name__ for opt in self.optimisers]
        rates = [f"{rate:.6g}" for rates in self.rates for rate in rates]
        run = [self.label, self.steps, self.batch, self.run.seed, self.run.device.type]
        return json.dumps([*run, shapes, kinds, rates])

    def save(self, path):
        from safetensors.torch import save_file

        tensors = {"rng.torch": torch.get_rng_state(), "rng.batches": self.run.generator.get_state()}
        if self.cuda:
            tensors["rng.cuda"] = torch.cuda.get_rng_state()
        if self.rows:
            tensors["history"] = torch.cat(self.rows)
        if self.batches.order is not None:
            tensors["order"] = self.batches.order
        other = {"done": self.done, "names": self.names, "at": self.batches.at, "groups": [], "plain": []}
        kind, keys, *rest = np.random.get_state()  # noqa: NPY002
        other |= {"rng.python": random.getstate(), "rng.numpy": [kind, keys.tolist(), *rest]}
        for m, module in enumerate(self.modules):
            tensors |= {f"module.{m}.{k}": v for k, v in module.state_dict().items()}
        for o, opt in enumerate(self.optimisers):
            told = opt.state_dict()
            groups = [{k: float(v) if torch.is_tensor(v) else v for k, v in g.items()} for g in told["param_groups"]]
            other["groups"].append(groups)
            for i, values in told["state"].items():
                for k, v in values.items():
                    if torch.is_tensor(v):
                        tensors[f"opt.{o}.{i}.{k}"] = v
                    else:
                        other["plain"].append([o, i, k, v])
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        tensors = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        save_file(tensors, beside, metadata={"fingerprint": self.fingerprint(), "other": json.dumps(other)})
        os.replace(beside, path)
        self.saved = time.perf_counter()

    def resume(self, path):
        self.path = None if self.ranks and self.ranks.rank else path
        if self.ranks:
            torch.distributed.barrier()  # the first one may still be writing it
        if not path.exists():
            return
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                meta = file.metadata()
                tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118  (safe_open is no dict)
        except SafetensorError as error:
            raise RuntimeError(f"The checkpoint {path} is damaged ({error}): delete it to begin again.") from error
        if (meta or {}).get("fingerprint") != self.fingerprint():
            raise RuntimeError(
                f"The checkpoint {path} is from another run (label, steps, batch, seed, device, model, optimiser or "
                "learning rate differ): delete it or name another file."
            )
        other = json.loads(meta["other"])
        for m, module in enumerate(self.modules):
            head = f"module.{m}."
            module.load_state_dict({k[len(head) :]: v for k, v in tensors.items() if k.startswith(head)})
        for o, opt in enumerate(self.optimisers):
            keyed, held = [(*key.split(".", 3)[1:], v) for key, v in tensors.items() if key.startswith("opt.")], {}
            for oo, i, k, v in keyed + other["plain"]:
                if int(oo) == o:
                    held.setdefault(int(i), {})[k] = v
            opt.load_state_dict({"state": held, "param_groups": other["groups"][o]})
            if self.cuda and self.schedule is not None:
                for group in opt.param_groups:
                    group["lr"] = torch.tensor(float(group["lr"]), device=self.run.device)
        self.done, self.names, self.batches.at = other["done"], other["names"], other["at"]
        if "history" in tensors:
            self.rows = [tensors["history"]]
        if "order" in tensors:
            self.batches.order = tensors["order"].to(self.run.device)
        self.run.generator.set_state(tensors["rng.batches"])
        torch.set_rng_state(tensors["rng.torch"])
        version, keys, gauss = other["rng.python"]
        random.setstate((version, tuple(keys), gauss))
        np.random.set_state(tuple(other["rng.numpy"]))  # noqa: NPY002
        if self.cuda:
            torch.cuda.set_rng_state(tensors["rng.cuda"])


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
