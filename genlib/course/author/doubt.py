"""Formulas of a chapter broken on purpose, one at a time, to see whether the chapter's own checks stop its smoke run.

The notebook runs once, cell by cell, in this process; before a cell that is to be broken, a fork runs the broken cell
and those after it from the state that is there already. A survivor is a formula that no check holds: it gets one, or
the author says in ``metadata.genlib.changes_nothing`` why it changes nothing: a list of {cell, before, after, reason},
with the cell's id and the two texts that ``genlib doubt`` prints.
"""

import ast
import contextlib
import io
import json
import os
import random
import select
import signal
import sys
import time
import warnings
from dataclasses import asdict, dataclass

from .. import notebooks, stamp

SECTIONS = ("Derivation", "Model", "Training", "Does the claim hold?", "What goes wrong")
SHOWING = ("check.", "plots.", "plt.", "ax.", "axes", "fig.", "print", "genlib.claim", "genlib.comparison", "super")
SECONDS = 120  # the longest that one broken run may take
_SWAP = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
_TWINS = {"mean": "sum", "sum": "mean", "min": "max", "max": "min", "amin": "amax", "amax": "amin"}
_TWINS |= {"minimum": "maximum", "maximum": "minimum", "argmin": "argmax", "argmax": "argmin"}
_CURVES = ("exp", "log", "sqrt", "tanh", "sigmoid", "softplus", "logsigmoid", "relu", "square")


@dataclass
class Doubt:
    """One broken formula: where it stands (line from 1, within its cell), what it was and became, and what stopped it.

    by: "check", "crash", "nothing" (it survived) or "unchanged" (it survived, and the author says why in ``why``).
    """

    cell: str
    line: int
    before: str
    after: str
    by: str = "nothing"
    why: str = ""


class Breaker(ast.NodeTransformer):
    """Counts the places of a cell that can be broken, and breaks the one of number ``at``.

    Broken are function bodies; outside of them, where ``whole`` is true. Calls that check, draw or print are left.
    """

    def __init__(self, at=None, whole=False):
        self.at, self.depth, self.count, self.found = at, int(whole), 0, None

    def take(self, node, new):
        """The node, or the new one in its place if this is the place."""
        self.count += 1
        if self.count - 1 != self.at:
            return node
        new = ast.copy_location(new, node)
        short = lambda n: text if len(text := ast.unparse(n)) <= 70 else text[:67] + "…"
        self.found = node.lineno, short(node), short(ast.fix_missing_locations(new))
        return new

    def inside(self, node):
        self.depth += 1
        node.body = [self.visit(n) for n in node.body] if isinstance(node.body, list) else self.visit(node.body)
        self.depth -= 1
        return node

    visit_FunctionDef = visit_Lambda = inside

    def visit_Call(self, node):
        if ast.unparse(node.func).startswith(SHOWING):
            return node
        self.generic_visit(node)
        if not self.depth:
            return node
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        with_name = lambda new: ast.Call(_named(node.func, new), node.args, node.keywords)
        if name in _TWINS:
            return self.take(node, with_name(_TWINS[name]))
        if name == "detach":
            return self.take(node, node.func.value)
        if name in _CURVES and isinstance(node.func, ast.Attribute) and not node.args:
            return self.take(node, node.func.value)
        if name in _CURVES and len(node.args) == 1:
            return self.take(node, ast.Call(node.func, [ast.UnaryOp(ast.USub(), node.args[0])], node.keywords))
        plain = not any(isinstance(a, ast.Starred | ast.Constant) for a in node.args)
        if len(node.args) == 2 and plain and name not in ("range", "zip", "getattr", "isinstance", "enumerate", "map"):
            return self.take(node, ast.Call(node.func, node.args[::-1], node.keywords))
        return node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        operands, kind = (node.left, node.right), type(node.op)
        if not self.depth or any(isinstance(n, ast.JoinedStr) or _constant(n, str) for n in operands):
            return node
        if kind is ast.Pow:
            if _constant(node.right, int):
                node = self.take(node, ast.BinOp(node.left, ast.Pow(), ast.Constant(node.right.value + 1)))
            return self.take(node, node.left) if isinstance(node, ast.BinOp) else node
        if kind in (ast.Add, ast.Sub) and _constant(node.right, int):  # n − 1 becomes n
            return self.take(node, node.left)
        if kind in _SWAP and not all(_constant(n, int) for n in operands):
            return self.take(node, ast.BinOp(node.left, _SWAP[kind](), node.right))
        return node

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        broken = self.depth and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant)
        return self.take(node, node.operand) if broken else node

    def visit_Constant(self, node):
        broken = self.depth and isinstance(node.value, float) and node.value not in (0.0, 1.0)
        return self.take(node, ast.Constant(2 * node.value)) if broken else node


def _constant(node, kind):
    return isinstance(node, ast.Constant) and isinstance(node.value, kind)


def _named(func, name):
    return (
        ast.Attribute(func.value, name, ast.Load()) if isinstance(func, ast.Attribute) else ast.Name(name, ast.Load())
    )


def places(notebook, sections=SECTIONS):
    """(index of the cell, number of the place) for every place of these sections that can be broken."""
    found = []
    for i, (cell, under) in enumerate(zip(notebook["cells"], notebooks.headings(notebook)[0], strict=True)):
        if cell["cell_type"] == "code" and under in sections and (source := python(cell)):
            breaker = Breaker(whole=_computes(cell))
            breaker.visit(ast.parse(source))
            found += [(i, number) for number in range(breaker.count)]
    return found


def _computes(cell):
    """Whether the statements of a cell outside of functions are formulas: it neither checks nor shows."""
    words = "plots.", "plt.", "check.", "claim(", "comparison("
    source = notebooks.text(cell["source"])
    return notebooks.CHECK not in notebooks.tags(cell) and not any(word in source for word in words)


def python(cell):
    """A cell's source as Python alone; the empty string for the one that installs genlib."""
    if "install" in notebooks.tags(cell):
        return ""
    lines = notebooks.text(cell["source"]).split("\n")
    return "\n".join("pass" if line.startswith(("%", "!")) else line for line in lines)


def doubt(notebook, count=None, seed=0, sections=SECTIONS, seconds=SECONDS, tell=lambda found: None):
    """Break ``count`` places of a notebook, drawn by the seed (all of them if None), and return the list of Doubts.

    tell: called with each Doubt as it is known. Raises CourseError if the chapter fails unbroken. Changes the process
    that it runs in (preset, warnings, matplotlib, what the chapter does): it is for a process of its own.
    """
    chosen = places(notebook, sections)
    random.Random(seed).shuffle(chosen)
    chosen = sorted(chosen[:count])
    os.environ["GENLIB_PRESET"] = "smoke"
    os.environ["MPLBACKEND"] = "agg"
    import matplotlib.pyplot as plt
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # a fork has no threads but its own
    plt.Figure.savefig = lambda *args, **named: None
    cells = [(i, c["id"], python(c)) for i, c in enumerate(notebook["cells"]) if c["cell_type"] == "code"]
    last = max((i for i, _, source in cells if "check." in source or "assert" in source), default=-1)
    space, found = {"__name__": "__main__", "display": lambda *things, **named: None}, []
    excuses = {(e["cell"], e["before"], e["after"]): e["reason"] for e in _excuses(notebook)}
    for at, (i, name, source) in enumerate(cells):
        for number in [n for j, n in chosen if j == i]:
            breaker = Breaker(number, whole=_computes(notebook["cells"][i]))
            tree = ast.fix_missing_locations(breaker.visit(ast.parse(source)))
            made = Doubt(name, *breaker.found)
            code = compile(tree, name, "exec")
            after = [compile(s, n, "exec") for j, n, s in cells[at + 1 :] if j <= last and not _only_shows(s)]
            made.by, made.why = in_a_fork(lambda parts=[code, *after]: _run(parts, space), seconds)
            key = made.cell, made.before, made.after
            if made.by == "nothing" and key in excuses:
                made.by, made.why = "unchanged", excuses[key]
            found.append(made)
            tell(made)
        if not any(j > i for j, _ in chosen):
            break
        try:
            _run([compile(source, name, "exec")], space)
        except Exception as error:
            raise notebooks.CourseError(f"Unbroken, the cell {name} fails: {error}") from error
    return found


def _excuses(notebook):
    return notebook["metadata"].get("genlib", {}).get("changes_nothing", [])


def _only_shows(source):
    """Whether a cell only draws or prints: nothing after it needs it, and no check is in it."""
    body = ast.parse(source).body
    quiet = ("check.", "assert", "run.", "reseed", "fit")
    return all(isinstance(n, ast.Expr) for n in body) and not any(word in source for word in quiet)


def _run(parts, space):
    import matplotlib.pyplot as plt

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for part in parts:
            exec(part, space)
            plt.close("all")


def in_a_fork(work, seconds):
    """(what stopped the work: "check", "crash" or "nothing", its words), done in a fork of this process."""
    sys.stdout.flush()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        by, words = "nothing", ""
        try:
            work()
        except BaseException as error:
            by = "check" if isinstance(error, AssertionError) else "crash"
            words = f"{type(error).__name__}: {error}"[:500]
        with contextlib.suppress(BaseException):
            os.write(write, json.dumps([by, words]).encode())
        os._exit(0)  # nothing of the parent's is to be closed or flushed here
    os.close(write)
    told, until = b"", time.monotonic() + seconds
    try:
        while (left := until - time.monotonic()) > 0 and select.select([read], [], [], left)[0]:
            if not (part := os.read(read, 65536)):
                break
            told += part
        else:
            os.kill(child, signal.SIGKILL)
            return "crash", f"it did not end within {seconds:g} s"
    finally:
        os.close(read)
        os.waitpid(child, 0)
    return tuple(json.loads(told)) if told else ("crash", "the process died")


def record(notebook, found, seed, sections=SECTIONS):
    """Put into the notebook's metadata what became of the broken formulas, with the hash of the code it was seen in."""
    count = lambda by: sum(d.by == by for d in found)
    told = {"code": stamp.code_hash(notebook), "seed": seed, "sections": list(sections), "broken": len(found)}
    told |= {"by_check": count("check"), "by_crash": count("crash"), "changing_nothing": count("unchanged")}
    told["survived"] = [
        {k: v for k, v in asdict(d).items() if k not in ("by", "why")} for d in found if d.by == "nothing"
    ]
    notebook["metadata"].setdefault("genlib", {})["doubt"] = told
    return told
