"""A pretend accelerator: what of a chapter's path on a GPU can be tested where there is none.

A tensor of the device "pretend" wraps a tensor of the CPU, which does the arithmetic. Like a GPU's it refuses to meet
the CPU's tensors, numpy and generators of another device, and it refuses operations for which torch has no CUDA kernel.
What a GPU would have to wait for is recorded: ``.item()``, ``.cpu()``, ``bool(t)``, ``nonzero``, boolean masks, an
index or numbers that come from the CPU. torch knows the device as a Python backend under its key PrivateUse1
(``torch.utils.backend_registration``), so that autograd, fused optimisers and ``.to(device)`` find what they ask for.

What it does not show: numbers that differ between a CPU and a GPU, kernels that are not deterministic, memory that runs
out, and what a CUDA graph bakes in (a Python number that changes from step to step).
"""

import contextlib
import os
import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from .waits import INDEXING, WAITING, NotPretended, Wait, WrongDevice, has_kernel, place, takes_scalars

NAME = "pretend"


class Held:
    """One storage on the device, as long as a tensor holds it."""

    def __init__(self, pretence, size):
        self.pretence, self.size = pretence, size
        pretence.memory += size
        pretence.peak_memory = max(pretence.peak_memory, pretence.memory)

    def __del__(self):
        self.pretence.memory -= self.size


class Pretend(torch.Tensor):
    """A tensor on the device: ``inner`` is the CPU's (or one without values, see ``rehearse``), ``held`` its memory."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner, held):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=torch.device(NAME, 0),
        )  # fmt: skip

    def __init__(self, inner, held):
        self.inner, self.held = inner, held

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return Pretence.active.run(func, args, kwargs or {})

    # What torch does in C++ by the tensor's memory, which is not here.

    def __tensor_flatten__(self):  # so that .to() and .double() of a module keep its parameters' identity
        return ["inner"], None

    @staticmethod
    def __tensor_unflatten__(inner, context, size, stride):
        return Pretence.active.tensor(inner["inner"])

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            copy = self.detach().clone()
            is_parameter = isinstance(self, torch.nn.Parameter)
            copy = torch.nn.Parameter(copy, self.requires_grad) if is_parameter else copy
            memo[id(self)] = copy.requires_grad_(self.requires_grad)
        return memo[id(self)]

    def tolist(self):
        return self.to("cpu").tolist()

    def numpy(self, *args, **kw):
        raise TypeError(
            f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory "
            "first."
        )

    __array__ = numpy

    def __format__(self, spec):
        return format(self.item(), spec) if self.dim() == 0 else repr(self)

    def __repr__(self, **kw):
        return f"{self.detach().to('cpu')!r} on {NAME}"


class Generator(torch.Generator):
    """torch.Generator, and on the pretend device one that draws from the CPU's and says that it is the device's."""

    ours = {}  # torch hands operations another object for the same generator: known by its address

    def __new__(cls, device="cpu"):
        if torch.device(device).type != NAME:
            return _TORCH_GENERATOR(device)
        made = super().__new__(cls, "cpu")
        cls.ours[made._cdata] = made
        return made

    @property
    def device(self):
        return torch.device(NAME)


_TORCH_GENERATOR = torch.Generator


def set_data(tensor, new):
    """``tensor.data = new``: torch takes a CPU's and a GPU's tensor for one another here, and so the tensor moves."""
    if not isinstance(tensor, Pretend) and not isinstance(new, Pretend):
        return _DATA.__set__(tensor, new)
    fresh = new.detach()
    if isinstance(tensor, torch.nn.Parameter):
        fresh = torch.nn.Parameter(fresh, tensor.requires_grad)
    torch.utils.swap_tensors(tensor, fresh.requires_grad_(tensor.requires_grad))


def quantile(x, q, dim=None, keepdim=False, **kw):
    """torch.quantile, whose C++ changes the shape of a tensor in place, which a tensor of this device cannot follow."""
    if not isinstance(x, Pretend) or kw.get("interpolation", "linear") != "linear":
        return _QUANTILE(x, q, dim, keepdim, **kw)
    x, dim = (x.flatten(), 0) if dim is None else (x, dim)
    q = torch.full((), q, dtype=x.dtype, device=x.device) if isinstance(q, float) else q
    at = q * (x.shape[dim] - 1)
    ordered, low = x.movedim(dim, -1).sort().values, at.floor()
    below, above = (ordered.index_select(-1, i.long().flatten()) for i in (low, at.ceil()))
    found = torch.lerp(below, above, (at - low).flatten()).movedim(-1, 0)
    found = found.unsqueeze(dim + 1 if dim >= 0 else dim) if keepdim else found
    return found if q.dim() else found[0]


_QUANTILE = torch.quantile
_DATA = torch.Tensor.data
_SETTABLE = property(lambda tensor: tensor.detach() if isinstance(tensor, Pretend) else _DATA.__get__(tensor), set_data)


def register():
    """Tell torch of the device, once a process."""
    from torch.optim import optimizer
    from torch.utils import _foreach_utils, backend_registration

    if torch._C._get_privateuse1_backend_name() != NAME:
        backend_registration._setup_privateuseone_for_python_backend(NAME)
        for module in (_foreach_utils, optimizer):  # optimisers take on a GPU the path of many tensors at once
            if Pretend not in module._foreach_supported_types:
                module._foreach_supported_types.append(Pretend)
        _LIBRARY.impl("empty_strided", empty_strided, "PrivateUse1")
        _LIBRARY.impl("_copy_from", copy_from, "PrivateUse1")


_LIBRARY = torch.library.Library("aten", "IMPL")


def empty_strided(size, stride, *, dtype=None, **kw):
    """What torch's own C++ asks the device for without going through Python's dispatch (gradients that are kept)."""
    with torch._C._DisableTorchDispatch():
        inner = torch.empty_strided(size, stride, dtype=dtype)
    return Pretence.active.tensor(inner)


def copy_from(source, target, non_blocking=False):
    """A copy that torch's C++ makes there too: ``torch.tensor(numbers, device=...)``, a list as an index."""
    pretence = Pretence.active
    if not isinstance(source, Pretend):
        pretence.wait_in_step("numbers are copied from the CPU (make them on the device, before the step)")
    elif not isinstance(target, Pretend):
        pretence.wait("a copy to the CPU (copy_)")
    with torch._C._DisableTorchDispatch():
        inside(target).copy_(inside(source))
    return target


class Pretence(TorchDispatchMode):
    """While it is entered there is a device "pretend", and ``genlib.start`` takes it (``GENLIB_DEVICE``).

    waits: list of Wait. memory, peak_memory: bytes of live storage on the device. meter: called with each operation on
    the device, ``meter(func, args, kwargs, out)`` with tensors of the CPU or without values.
    """

    active = None

    def __init__(self):
        register()
        super().__init__()
        self.waits, self.step_of, self.meter = [], "", None
        self.memory = self.peak_memory = 0
        self.storages = weakref.WeakValueDictionary()  # address of the inner storage -> Held

    def __enter__(self):
        self.before = Pretence.active, torch.Generator, os.environ.get("GENLIB_DEVICE")
        Pretence.active, torch.Generator, torch.Tensor.data = self, Generator, _SETTABLE
        torch.quantile = torch.Tensor.quantile = quantile
        os.environ["GENLIB_DEVICE"] = NAME
        return super().__enter__()

    def __exit__(self, *error):
        Pretence.active, torch.Generator, device = self.before
        del torch.Tensor.data, torch.Tensor.quantile
        torch.quantile = _QUANTILE
        os.environ.pop("GENLIB_DEVICE")
        if device is not None:
            os.environ["GENLIB_DEVICE"] = device
        return super().__exit__(*error)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.run(func, args, kwargs or {})

    # --- one operation ------------------------------------------------------------------------------------------------

    def run(self, func, args, kwargs):
        tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)]
        ours = [t for t in tensors if isinstance(t, Pretend)]
        device = kwargs.get("device")
        here = device is not None and torch.device(device).type == NAME
        if not ours and not here:
            if getattr(kwargs.get("generator"), "_cdata", None) in Generator.ours:
                raise WrongDevice(f"Expected a 'cpu' device type for generator but found '{NAME}'")
            return func(*args, **kwargs)
        name = str(func.overloadpacket)
        if name == "aten._to_copy":
            return self.move(func, args, kwargs, here if device is not None else bool(ours))
        if name == "aten.copy_":
            return self.copy(func, args, kwargs)
        self.meet(func, name, args, kwargs, tensors, ours)
        if kwargs.get("generator") is not None and kwargs["generator"]._cdata not in Generator.ours:
            raise WrongDevice(f"Expected a '{NAME}' device type for generator but found 'cpu'")
        has_kernel(func)
        if here:
            kwargs = {**kwargs, "device": torch.device("cpu")}
        return self.wrapped(func, args, kwargs, self.compute(func, args, kwargs), ours)

    def compute(self, func, args, kwargs):
        """The operation on what its tensors are inside. ``rehearse`` does some without values."""
        args, kwargs = tree_map(inside, (args, kwargs))
        return func(*args, **kwargs)

    def wrapped(self, func, args, kwargs, out, ours):
        """What an operation gave, as tensors of the device; those that it changed in place are themselves again."""
        same = {id(t.inner): t for t in ours}

        def wrap(inner):
            if not isinstance(inner, torch.Tensor):
                return inner
            if id(inner) in same:
                if same[id(inner)].shape != inner.shape:
                    raise NotPretended(f"{func} changes the shape of a tensor in place")
                return same[id(inner)]
            return self.tensor(inner)

        if self.meter:
            self.meter(func, *tree_map(inside, (args, kwargs)), out)
        return tree_map(wrap, out)

    def tensor(self, inner):
        """An inner tensor on the device, its memory counted once however many views there are."""
        storage = inner.untyped_storage()
        held = self.storages.get(storage._cdata)
        if held is None:
            held = self.storages[storage._cdata] = Held(self, storage.nbytes())
        return Pretend(inner, held)

    def move(self, func, args, kwargs, here):
        """``_to_copy``: to the device, from it, or from one dtype to another on it."""
        (source,) = args
        words = {k: v for k, v in kwargs.items() if k not in ("device", "pin_memory", "non_blocking")}
        if isinstance(source, Pretend):
            if not here:
                self.wait("a copy to the CPU (.cpu(), .to('cpu'), .tolist())")
                return func(self.values(source.inner), **words)
            return self.wrapped(func, args, words, self.compute(func, args, words), [source])
        self.wait_in_step("numbers are copied from the CPU (make them on the device, before the step)")
        return self.wrapped(func, args, words, func(source, **words), [])

    def copy(self, func, args, kwargs):
        """``copy_`` goes across devices, as on a GPU."""
        target, source, *rest = args
        if not isinstance(target, Pretend):
            self.wait("a copy to the CPU (copy_)")
            return func(target, self.values(source.inner), *rest, **kwargs)
        if not isinstance(source, Pretend):
            self.wait_in_step("numbers are copied from the CPU (make them on the device, before the step)")
        ours = [t for t in (target, source) if isinstance(t, Pretend)]
        return self.wrapped(func, args, kwargs, self.compute(func, args, kwargs), ours)

    def values(self, inner):
        """What leaves the device."""
        return inner

    def meet(self, func, name, args, kwargs, tensors, ours):
        """Refuse tensors of two devices, and record what has to be waited for."""
        foreign = [t for t in tensors if not isinstance(t, Pretend)]
        if name in INDEXING:
            indices = [i for i in args[1] if i is not None]
            values = args[2] if len(args) > 2 else None
            if not isinstance(args[0], Pretend):
                raise WrongDevice("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
            if any(not isinstance(i, Pretend) for i in indices):
                self.wait("an index that lies on the CPU")
            fill = values is not None and values.numel() == 1 and not (len(args) > 3 and args[3])  # a masked_fill
            if any(i.dtype in (torch.bool, torch.uint8) for i in indices) and not fill:
                self.wait("a boolean mask as an index (torch.where or a product with the mask needs no wait)")
            foreign = [values] if isinstance(values, torch.Tensor) and not isinstance(values, Pretend) else []
            if foreign and values.dim() == 0:
                return
        if ours and foreign and not all(t.dim() == 0 and takes_scalars(func) for t in foreign):
            raise WrongDevice(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{NAME}:0 and cpu! (in {name})"
            )
        if name in WAITING or (name == "aten.repeat_interleave" and kwargs.get("output_size") is None):
            self.wait(WAITING.get(name, "repeat_interleave by a tensor (give it output_size)"))

    # --- what is recorded ---------------------------------------------------------------------------------------------

    def wait(self, what):
        self.waits.append(Wait(what, place(), self.step_of))

    def wait_in_step(self, what):
        if self.step_of:
            self.wait(what)

    def waits_in_steps(self):
        """The waits inside of steps, each once."""
        return list(dict.fromkeys(w for w in self.waits if w.step))

    @contextlib.contextmanager
    def step(self, label):
        """Inside, a wait is a fault: a step of the fit ``label``."""
        before, self.step_of = self.step_of, label
        try:
            yield
        finally:
            self.step_of = before

    def watched(self, step, label):
        """A chapter's step whose waits count; what it returns has to lie on the device."""

        def call(*batch):
            with self.step(label):
                terms = step(*batch)
                odd = [n for n, v in terms.items() if not isinstance(v, Pretend)] if isinstance(terms, dict) else []
                if odd:
                    self.wait(f"it returns {', '.join(map(repr, odd))} as a number of the CPU, not of the device")
            return terms

        return call


def inside(value):
    return value.inner if isinstance(value, Pretend) else value
