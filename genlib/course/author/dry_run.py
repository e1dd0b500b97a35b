"""A chapter's cells in this process, on the pretend device: what breaks, and which step waits.

    python -m genlib.course.author.dry_run NOTEBOOK... [--seed N]     the preset smoke; JSON of the faults, a line each

Every cell is executed, evaluation and figures included. A step that waits for the device, and a tensor on the wrong
one, are faults, with the cell and the line; a wait outside of a step is none.
"""

import ast
import contextlib
import io
import json
import linecache
import os
import sys
import traceback
from dataclasses import asdict, dataclass
from itertools import takewhile

import torch

from .. import notebooks
from .pretend import Pretence
from .waits import CELL, NotPretended, Wait


@dataclass
class Fault:
    """One thing that would go wrong on a GPU. kind: the error's type or "Wait"; cell: its number and id."""

    cell: str
    line: int
    kind: str
    what: str

    def __str__(self):
        return f"cell {self.cell}, line {self.line}: {self.kind}: {self.what}"


def code_cells(notebook, preset="smoke", seed=0):
    """(name, source) of the cells to execute, in order; the name is "12 (train-step)". Behind the cell of the
    parameters comes what papermill would inject."""
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "code" and "install" not in notebooks.tags(cell):
            yield f"{number} ({cell.get('id', '')})", notebooks.text(cell["source"])
            if "parameters" in notebooks.tags(cell):
                yield f"{number} (injected-parameters)", f"preset = {preset!r}\nseed = {seed}"


def run_cells(cells, pretence, *, settle=None):
    """Execute (name, source) pairs in one namespace while ``pretence`` is entered, and return the list of Faults.

    A cell that fails does not stop those after it. settle: ``settle(pretence)`` is a context around all of them, for
    what a caller changes meanwhile. What they print is lost, figures are drawn and closed.
    """
    import matplotlib.pyplot as plt

    faults = []
    with contextlib.ExitStack() as around:
        space = around.enter_context(as_notebook())
        around.enter_context(watched_fits(pretence))
        if settle:
            around.enter_context(settle(pretence))
        around.enter_context(pretence)
        for name, source in cells:
            before = len(pretence.waits)
            fault = execute(name, source, space)
            faults += [_fault(w) for w in dict.fromkeys(w for w in pretence.waits[before:] if w.step)]
            faults += [fault] if fault else []
            plt.close("all")
    return faults


@contextlib.contextmanager
def as_notebook():
    """The namespace of a notebook's cells in this process. What they print is lost, figures are drawn and not shown."""
    import matplotlib

    matplotlib.use("agg", force=True)
    preset_before = os.environ.pop("GENLIB_PRESET", None)  # it would win over the injected one
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield {"__name__": "__main__", "display": display, "get_ipython": _Shell}
    finally:
        _restore("GENLIB_PRESET", preset_before)


def execute(name, source, space):
    """One cell; its Fault, or None. The last expression is shown as a kernel would show it (a figure is drawn)."""
    file = f"{CELL}{name}>"
    try:
        tree = ast.parse(transformed(source))
        for _ in takewhile(lambda line: not line.strip(), source.splitlines()):  # IPython drops them
            ast.increment_lineno(tree)
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, file, "exec"), space)
        if last is not None:
            show(eval(compile(ast.Expression(last.value), file, "eval"), space))
        draw()
    except Exception as error:
        inner = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
        where = f" `{inner[-1].line.strip()}`" if inner and inner[-1].line else ""
        kind = type(error).__name__
        if isinstance(error, NotPretended):
            kind = "not the chapter's fault, the pretence falls short"
        said = (str(error).strip() or "(no message)").splitlines()[0]
        return Fault(name, inner[-1].lineno if inner else 0, kind, said + where)
    return None


def transformed(source):
    """IPython's own syntax as Python."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


class _Shell:
    """IPython's magics do nothing here."""

    def __getattr__(self, name):
        return lambda *words, **named: None


class _Display:
    """What ``display(..., display_id=...)`` returns; a later cell fills it."""

    def __init__(self, display_id):
        self.display_id = display_id

    def display(self, value, **named):
        show(value)

    update = display


def display(*values, display_id=None, **named):
    """IPython's, for a process that is no kernel."""
    for value in values:
        show(value)
    return _Display(display_id) if display_id else None


def show(value):
    """Ask a cell's last value for what a notebook would show of it."""
    if hasattr(value, "_repr_mimebundle_"):
        value._repr_mimebundle_()
    elif isinstance(value, torch.Tensor):
        repr(value)


def draw():
    """Lay out the figures that a cell has made, as a kernel does when the cell ends."""
    import matplotlib.pyplot as plt

    for number in plt.get_fignums():
        plt.figure(number).draw_without_rendering()


@contextlib.contextmanager
def watched_fits(pretence):
    """Every ``run.fit`` meanwhile has its step and its source watched: a wait in them is a fault."""
    from ...run import Run

    fit = Run.fit

    def watched(self, step, source, *, label="fit", **settings):
        source = pretence.watched(source, label) if callable(source) else source
        return fit(self, pretence.watched(step, label), source, label=label, **settings)

    Run.fit = watched
    try:
        yield
    finally:
        Run.fit = fit


def _fault(wait: Wait):
    cell, _, rest = wait.where.removeprefix("cell ").partition(", line ")
    number, _, code = rest.partition(" ")
    what = f"the step of {wait.step!r} waits for the device: {wait.what}" + (f" {code}" if code else "")
    return Fault(cell, int(number or 0), "Wait", what)


def _restore(name, value):
    os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value


def dry_run(path, seed=0):
    """The Faults of a notebook's smoke run on the pretend device. It changes the process: see ``run_cells``."""
    with open(path, encoding="utf-8") as file:
        notebook = json.load(file)
    return run_cells(code_cells(notebook, "smoke", seed), Pretence())


def main(words):
    seed = int(words[words.index("--seed") + 1]) if "--seed" in words else 0
    for path in (w for w in words if w.endswith((".ipynb", ".json"))):
        print(json.dumps({"notebook": path, "faults": [asdict(f) for f in dry_run(path, seed)]}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
