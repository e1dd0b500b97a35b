"""The run of a chapter: its preset, seed and device, and the loop around the reader's step.

The step is the reader's: forward, backward and every optimiser update stand in the chapter. What is here only calls
it: batches by index, one line of progress, history, a guard against non-finite terms, a time budget, an interrupt that
keeps what was learned, a checkpoint to resume from, and a CUDA graph of the whole step where a GPU is there.
"""

import contextlib
import math
import os
import random
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from . import did_you_mean
from .checkpoint import resume, save
from .loop import History, Loop, NotFinite
from .ranks import Ranks

__all__ = ["History", "NotFinite", "OutOfMemory", "Run", "cosine", "start"]


class OutOfMemory(RuntimeError):
    """The device's memory does not hold the model and one batch."""


def start(preset="auto", seed=0, *, smoke, cpu, gpu):
    """Choose the preset and the device, seed every generator, and return the Run.

    preset: "auto" (gpu if there is one, else cpu), "smoke", "cpu" or "gpu"; GENLIB_PRESET in the environment wins.
    smoke, cpu, gpu: dicts with the same keys; the chosen one becomes ``run.settings``. The optional key ``minutes`` is
    the time budget of the whole run. Raises ValueError for an unknown preset, for dicts that differ in their keys, and
    for the preset gpu on a machine without one. GENLIB_DEVICE in the environment names another device than the preset's
    (``genlib rehearse`` gives its own).
    """
    preset, named = os.environ.get("GENLIB_PRESET") or preset, os.environ.get("GENLIB_DEVICE")
    settings = {"smoke": smoke, "cpu": cpu, "gpu": gpu}
    if preset not in ("auto", *settings):
        hint = did_you_mean(preset, ("auto", *settings))
        raise ValueError(f"There is no preset {preset!r}{hint}: choose auto, smoke, cpu or gpu.")
    for name, given in settings.items():
        if odd := set(given) ^ set(gpu):
            raise ValueError(f"The presets {name} and gpu differ in {', '.join(sorted(odd))}: each sets every key.")
    if preset == "auto":
        preset = "gpu" if torch.cuda.is_available() else "cpu"
    if preset == "gpu" and not (named or torch.cuda.is_available()):
        raise ValueError("The preset gpu needs a CUDA GPU, and torch sees none here: use preset='cpu' or 'smoke'.")
    alone = os.environ.keys() & {"WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE"} == set()
    if alone and os.environ.get("ACCELERATE_USE_CPU") == "True" and "MASTER_PORT" in os.environ:
        raise ValueError("accelerate launch --cpu starts one process only: use --multi_gpu, on CPUs too, or torchrun.")
    ranks = Ranks(preset != "gpu") if int(os.environ.get("WORLD_SIZE") or 1) > 1 else None
    device = ranks.device if ranks else torch.device(named or ("cuda" if preset == "gpu" else "cpu"))
    return Run(preset, int(seed), settings[preset], device, ranks)


def cosine(progress, warmup=0.0):
    """Learning-rate factor: a linear rise over the first ``warmup`` of the steps, then half a cosine down to zero."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / max(1 - warmup, 1e-12)))


class Run:
    """What ``start`` returns: preset, seed, device, settings, and ``fit``.

    ``progress`` is a 0-d tensor on the device that goes from 0 to 1 during a fit; a step may read it (to warm up a
    weight, say), also inside a CUDA graph. ``history`` is that of the latest fit.
    ``cut``: the labels of fits that ended before their last step, by hand or by the time budget: no claim
    is judged then.
    """

    def __init__(self, preset, seed, settings, device, ranks=None):
        self.preset, self.seed, self.device, self.ranks = preset, seed, device, ranks
        self.settings = SimpleNamespace(**settings)
        self.minutes = settings.get("minutes", math.inf)
        self.started, self.history, self.cut = time.perf_counter(), History(), []
        self.reseed(seed)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a terminal that knows no ✓ gets a ?, and the script goes on
                stream.reconfigure(errors="replace")
        n = torch.get_num_threads()
        name = torch.cuda.get_device_name() if device.type == "cuda" else f"{device.type} ({n} thread{'s' * (n > 1)})"
        name += f" × {ranks.size} processes" if ranks else ""
        print(f"preset {preset} · seed {seed} · {name} · torch {torch.__version__.split('+')[0]}")

    def reseed(self, seed):
        """Set every generator, that of the batch order included: for a second model under another seed."""
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  (libraries that a step calls may draw from the global one)
        torch.manual_seed(seed)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.progress = torch.zeros((), device=self.device)

    def fit(
        self, step, source, *, steps, batch=128, state=(), label="fit", schedule=None, at=None, quiet=False,
        checkpoint=None, graph=True,
    ):  # fmt: skip
        """Call ``step(*tensors)`` ``steps`` times and return the History of what it returns.

        step: takes the tensors of one batch, does forward, backward and updates, returns {name: 0-d tensor}; it never
            synchronises (no ``.item()``), so that on a GPU it can be captured whole.
        source: a Split, a tensor, a tuple of tensors (batches are drawn by index, reshuffled each epoch), or a function
            of the batch size that returns fresh tensors. If it has fewer than ``batch`` rows, all are one batch.
        state: the modules and optimisers that the step changes: for checkpoint, schedule, CUDA graph, many processes.
        schedule: progress in [0, 1] -> factor on every learning rate of the optimisers in ``state``, which have their
            own rates back when the fit ends.
        at: {step: function of nothing}, called after that many steps (0: before the first), outside of the step and
            its graph, without gradients. What it returns (a tensor, say, or a dict) is in ``history.at[step]``, on the
            CPU; the training is the same with and without it.
        quiet: print no line, for a loop over seeds or settings whose author prints one table. A cut fit is told.
        checkpoint: a .safetensors path: written about once a minute and at the end, resumed from if it is there;
            it needs ``state``, which is what it holds.
        graph: False for a step whose course depends on Python state (a counter, an ``if``): it cannot be captured.
        Raises NotFinite naming term and step, and OutOfMemory; a KeyboardInterrupt ends the fit and keeps the model,
        unless the run is for publishing (GENLIB_PUBLISH set), where it is passed on.
        """
        loop = Loop(self, step, source, steps, batch, state, label, schedule, graph, at, quiet)
        asked = "schedule" if schedule is not None and not loop.optimisers else None
        if checkpoint is not None and (not loop.modules or loop.strangers()):
            asked = "checkpoint"
        if asked:
            lacks = {"schedule": "the optimisers whose rates it changes", "checkpoint": "all modules that are trained"}
            raise ValueError(f"{label}: {asked}= needs {lacks[asked]}: fit(..., {asked}=..., state=(model, opt)).")
        if checkpoint is not None:
            resume(loop, Path(os.path.expanduser(checkpoint)))
        try:
            with self.ranks.together(loop) if self.ranks else contextlib.nullcontext():
                loop.go()
        except KeyboardInterrupt:
            loop.collect()
            if os.environ.get("GENLIB_PUBLISH") or self.ranks:
                raise
            loop.note, loop.cut = "interrupted by hand, what was learned is kept", True
        except Exception as error:
            loop.collect()  # a term that was not finite some steps before is the likelier cause: it is named instead
            if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
                raise
            held = f"the memory of the {self.device.type} does not hold the model and a batch of {batch}"
            way_out = "use a smaller batch" + ", or the preset cpu" * loop.cuda
            raise OutOfMemory(f"{label}: {held} (step {loop.done + 1}): {way_out}.") from error
        finally:
            self.history = loop.history()
            self.cut += [label] * loop.cut
            if schedule is not None:
                loop.set_rates(1.0)
        if loop.path is not None:
            save(loop, loop.path)
        loop.say_end()
        return self.history
