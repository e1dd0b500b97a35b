"""What a GPU waits for, what it has a kernel for, and where in a chapter Python is: the tables and the words behind
the pretend device."""

import linecache
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import torch

CELL = "<cell "  # how the name of the file begins under which a cell's code is compiled
_OWN = {str(Path(__file__).with_name(name)) for name in ("pretend.py", "waits.py", "dry_run.py")}

# Their results' shapes, or what they return, depend on values: a GPU must finish before Python goes on.
WAITING = {
    "aten._local_scalar_dense": "a number is read (.item(), float(t), bool(t), a comparison in an if)",
    "aten.is_nonzero": "a number is read (bool(t))",
    "aten.equal": "torch.equal",
    "aten.nonzero": "nonzero",
    "aten.masked_select": "a boolean mask",
    "aten._unique": "unique",
    "aten._unique2": "unique",
    "aten.unique_dim": "unique",
    "aten.unique_consecutive": "unique",
    "aten.bincount": "bincount",
    "aten._linalg_check_errors": "torch.linalg looks whether it succeeded (the *_ex functions do not)",
    "aten.linalg_eig": "torch.linalg.eig",
    "aten._linalg_eigvals": "torch.linalg.eigvals",
    "aten.linalg_eigvals": "torch.linalg.eigvals",
}
INDEXING = ("aten.index", "aten.index_put", "aten.index_put_", "aten._index_put_impl_", "aten._unsafe_index")


class WrongDevice(RuntimeError):
    """Tensors, or a generator, of two devices met; worded as torch does on a GPU."""


class NoKernel(NotImplementedError):
    """torch has no CUDA kernel for the operation."""


class NotPretended(NotImplementedError):
    """The pretence falls short: not the chapter's fault, but this module's."""


@dataclass(frozen=True)
class Wait:
    """What a GPU would have waited for, where (cell or file, and line), and in which fit's step ("" outside of one)."""

    what: str
    where: str
    step: str = ""

    def __str__(self):
        return f"{self.where}: the step of {self.step!r} waits for the device: {self.what}"


def takes_scalars(func):
    """Whether a GPU takes a 0-d tensor of the CPU among the operation's tensors, as it would a Python number."""
    return torch.Tag.pointwise in func.tags or str(func.overloadpacket).startswith(("aten._foreach", "aten._fused"))


_KERNELS = {}


def has_kernel(func):
    """Raise NoKernel for an operation that torch can't do on CUDA, where this torch was built to know."""
    if func not in _KERNELS:
        known = torch._C._dispatch_has_computed_kernel_for_dispatch_key
        _KERNELS[func] = torch.version.cuda is None or known(func.name(), "CUDA")
    if not _KERNELS[func]:
        raise NoKernel(f"Could not run '{func}' with a GPU's tensors: torch has no CUDA kernel for it")


def place():
    """Where Python is: the innermost line of a cell, else of code that is not torch's ("file.py, line 3")."""
    frame, found = sys._current_frames().get(threading.main_thread().ident), None
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(CELL):
            line = linecache.getline(name, frame.f_lineno).strip()
            return f"{name.strip('<>')}, line {frame.f_lineno}" + (f" `{line}`" if line else "")
        if found is None and "/torch/" not in name and name not in _OWN:
            found = f"{os.path.basename(name)}, line {frame.f_lineno}"
        frame = frame.f_back
    return found or "unknown"
