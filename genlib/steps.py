"""A step of training, run to be looked at: what it returned, and by which gradient each update moved what. All that
it touches (parameters, gradients, buffers, optimisers, random numbers) is afterwards as it was before.
``genlib.check.step`` compares what is recorded here with the formula."""

import contextlib
import gc
import random
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook


@dataclass
class Update:
    """One call of an optimiser: the gradients it was given, and all parameters before and after it."""

    gradients: dict  # parameter -> tensor, turned round where the optimiser maximises
    before: dict  # parameter -> tensor
    after: dict = field(default_factory=dict)


@dataclass
class Record:
    """One call of the step: its seed, the parameters and buffers it began and ended with, its terms, its updates."""

    seed: int
    start: dict
    buffers: dict
    terms: dict = field(default_factory=dict)
    updates: list = field(default_factory=list)
    end: dict = field(default_factory=dict)


def parts_of(key):
    """A module, a tensor or a tuple of them -> (modules, tensors)."""
    things = key if isinstance(key, (tuple, list)) else (key,)
    return [t for t in things if isinstance(t, nn.Module)], [t for t in things if isinstance(t, torch.Tensor)]


def parameters_of(key):
    """Name -> parameter of a module, a tensor or a tuple of them; those that are trained."""
    modules, tensors = parts_of(key)
    lead = (lambda i: f"{i}.") if len(modules) + len(tensors) > 1 else (lambda i: "")
    found = {f"{lead(i)}{n}": p for i, m in enumerate(modules) for n, p in m.named_parameters()}
    found |= {f"{lead(len(modules) + i)}tensor": t for i, t in enumerate(tensors)}
    return {n: p for n, p in found.items() if p.requires_grad}


class Bench:
    """Where a step is run aside: a context manager.

    state: the modules, tensors and generators that the step reads or changes. double: everything of float32 among them
    becomes float64 meanwhile, and so does what is drawn. run: the Run whose ``progress`` the step reads.
    """

    def __init__(self, state, batch, *, double, run=None, progress=0.5):
        self.double, self.run, self.progress = double, run, progress
        modules = [m for s in state for top in parts_of(s)[0] for m in top.modules()]
        self.modules = list(dict.fromkeys(modules))
        tensors = [p for m in self.modules for p in m.parameters(recurse=False)]
        self.tensors = list({id(t): t for t in [*tensors, *(t for s in state for t in parts_of(s)[1])]}.values())
        self.generators = [s for s in state if isinstance(s, torch.Generator)]
        given = batch if isinstance(batch, (tuple, list)) else (batch,)
        self.batch = tuple(self.cast(t) if torch.is_tensor(t) else t for t in given)
        self.optimisers, self.record, self.undo = {}, None, contextlib.ExitStack()

    def cast(self, tensor):
        """A copy of a tensor, in float64 where that is asked for and the tensor is of floats."""
        tensor = tensor.detach()
        return tensor.double().clone() if self.double and tensor.is_floating_point() else tensor.clone()

    def __enter__(self):
        with contextlib.ExitStack() as undo:  # undone at once if one of these fails
            kept = (random.getstate(), np.random.get_state(), torch.get_rng_state())  # noqa: NPY002
            undo.callback(random.setstate, kept[0])
            undo.callback(np.random.set_state, kept[1])  # noqa: NPY002
            undo.callback(torch.set_rng_state, kept[2])
            if torch.cuda.is_available():
                undo.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
            self.draws = [(g, g.get_state()) for g in self.generators]
            for g, state in self.draws:
                undo.callback(g.set_state, state)
            if self.run is not None:
                undo.callback(self.run.progress.copy_, self.run.progress.clone())
                self.run.progress.fill_(self.progress)
            if self.double:
                undo.callback(torch.set_default_dtype, torch.get_default_dtype())
                torch.set_default_dtype(torch.float64)
            for m in self.modules:
                undo.callback(setattr, m, "training", m.training)
                for name, buffer in list(m.named_buffers(recurse=False)):
                    undo.callback(setattr, m, name, buffer)
                    setattr(m, name, self.cast(buffer))
            for t in self.tensors:
                undo.callback(setattr, t, "grad", t.grad)
                t.grad = None
                undo.callback(_exchange(t, self.cast(t)))
                undo.callback(setattr, t, "grad", None)  # before its type is changed back
            undo.callback(register_optimizer_step_pre_hook(self.before_update).remove)
            undo.callback(register_optimizer_step_post_hook(self.after_update).remove)
            undo.callback(self.give_back)
            self.undo = undo.pop_all()
        return self

    def __exit__(self, *error):
        if any(type(t.data) is not torch.Tensor for t in self.tensors):
            gc.collect()  # what ``_exchange`` swaps back, no graph may hold, nor a cycle of graphs
        self.undo.close()

    def give_back(self):
        for opt, (state, groups) in self.optimisers.items():
            opt.state.clear()
            opt.state.update(state)
            for group, old in zip(opt.param_groups, groups, strict=True):
                group.clear()
                group.update(old)

    def before_update(self, opt, args, kwargs):
        if opt not in self.optimisers:  # its own state is laid aside, the check goes on with copies
            self.optimisers[opt] = dict(opt.state), [dict(g) for g in opt.param_groups]
            copied = lambda k, v: (self.cast(v) if k != "step" else v.clone()) if torch.is_tensor(v) else v
            opt.state.update({p: {k: copied(k, v) for k, v in s.items()} for p, s in opt.state.items()})
        if self.record is None:
            return
        found = {}
        for group in opt.param_groups:
            sign = -1 if group.get("maximize") else 1
            found |= {p: sign * p.grad.detach().clone() for p in group["params"] if p.grad is not None}
        self.record.updates.append(Update(found, self.snapshot()))

    def after_update(self, opt, args, kwargs):
        if self.record is not None:
            self.record.updates[-1].after = self.snapshot()

    def snapshot(self):
        return {t: t.detach().clone() for t in self.tensors}

    def buffers(self):
        return {(m, n): b.clone() for m in self.modules for n, b in m.named_buffers(recurse=False)}

    def observe(self, step, seed):
        """Call the step on the batch and return the Record."""
        self.seed(seed)
        self.record = record = Record(seed, self.snapshot(), self.buffers())
        try:
            terms = step(*self.batch)
        finally:
            self.record = None
        record.terms = {n: torch.as_tensor(v).detach().clone() for n, v in terms.items()}
        record.end = self.snapshot()
        return record

    def seed(self, seed):
        """The random numbers of the step begin here, those of a formula at the same place."""
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        for g, state in self.draws:
            g.set_state(state)

    def value(self, formula, record, parameters):
        """formula(*batch), with these parameters, and with buffers and random numbers as the step found them."""
        with torch.no_grad():
            for t, v in parameters.items():
                t.copy_(v)
            for (m, n), v in record.buffers.items():
                setattr(m, n, v.clone())
        self.seed(record.seed)
        with torch.enable_grad():
            return formula(*self.batch)

    def gradient(self, formula, record, parameters, wanted):
        """The formula's value, and its gradient by each of the tensors in ``wanted`` (zeros where it has none)."""
        value = self.value(formula, record, parameters)
        found = torch.autograd.grad(value, wanted, allow_unused=True) if value.requires_grad else [None] * len(wanted)
        return value.detach(), [torch.zeros_like(p) if g is None else g for p, g in zip(wanted, found, strict=True)]

    def changed(self, function, parameters):
        """All parameters after ``function()``, which begins with those given."""
        with torch.no_grad():
            for t, v in parameters.items():
                t.copy_(v)
            function()
        return self.snapshot()


def _exchange(tensor, data):
    """Give a tensor other data, perhaps of another type, in place; return the function that undoes it."""
    if type(tensor.data) is torch.Tensor:
        old, tensor.data = tensor.data, data
        return lambda: setattr(tensor, "data", old)
    other = nn.Parameter(data, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else data
    torch.utils.swap_tensors(tensor, other)  # a tensor with a Python object inside, as on a pretend device
    return lambda: torch.utils.swap_tensors(tensor, other)
