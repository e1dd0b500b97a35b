"""Whether an answer could mark itself: it is read, and not run, before it is graded.

Answers and tests share one kernel. An answer that changes what grades it (genlib, torch, a built-in name) would be
right whatever it computes. What is found here is left to a person: the cell is not run.
"""

import ast
import builtins
import re

from IPython.core.inputtransformer2 import TransformerManager

from ..notebooks import parsed

WAYS_IN = {"__import__", "compile", "delattr", "eval", "exec", "get_ipython", "globals", "locals", "setattr", "vars"}
ROOMS = {"IPython", "_pytest", "builtins", "ctypes", "gc", "importlib", "inspect", "ipykernel", "mock", "subprocess"}
ROOMS |= {"sys", "unittest", "pytest"}
METHODS = {"call", "contains", "getitem", "init", "iter", "len", "next", "repr", "setitem", "str", "name", "post_init"}
METHODS = {f"__{name}__" for name in METHODS}


def names(sources):
    """What the sources of locked cells use and do not define themselves: what an answer may not define anew."""
    used, own = set(), set()
    for node in (n for s in sources for n in ast.walk(parsed(s))):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else own).add(node.id)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
    return used - own


def modules(sources):
    """{name: module} of what the sources import."""
    found = {}
    for node in (n for s in sources for n in ast.walk(parsed(s))):
        if isinstance(node, ast.Import):
            tops = [a.name.partition(".")[0] for a in node.names]  # what an import without "as" binds
            found |= {a.asname or top: a.name if a.asname else top for a, top in zip(node.names, tops, strict=True)}
        elif isinstance(node, ast.ImportFrom):
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


def why(source, known, kept):
    """A reason not to run a cell of a student's, in words; "" if there is none.

    known: {name: module} that the notebook imports (see ``modules``). kept: the names that it must leave alone.
    """
    lines = [line for line in source.split("\n") if not re.fullmatch(r"\s*%matplotlib[ \w]*", line)]
    source = TransformerManager().transform_cell("\n".join(lines))  # magics become calls of get_ipython
    try:
        tree = compile(source, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError):
        return ""  # it does not run anyway
    known = modules([source]) | known
    allowed = {id(n) for call in ast.walk(tree) for n in _check(call)}
    bases = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    for node in ast.walk(tree):
        told = _node(node, known, bases) or _bound(node, tree, known, kept)
        if told and id(node) not in allowed:
            return f"line {getattr(node, 'lineno', 1)}: {told}"
    return ""


def _node(node, known, bases):
    if isinstance(node, ast.Import | ast.ImportFrom):
        rooms = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        rooms += [f"{rooms[0]}.{a.name}" for a in node.names] if isinstance(node, ast.ImportFrom) else []
        for room in rooms:
            inside = room.split(".")[0] in ROOMS and not room.startswith("IPython.display")
            if inside or room.startswith(("genlib.exercise", "genlib.course")):
                return f"it imports {room}"
    if isinstance(node, ast.Name):
        if node.id in WAYS_IN or node.id.startswith("__"):
            return f"it uses {node.id}"
        if isinstance(node.ctx, ast.Load) and known.get(node.id) in ("genlib", "torch") and id(node) not in bases:
            return f"it passes {node.id} on"
    if isinstance(node, ast.Attribute):
        if node.attr.startswith("__") and node.attr not in METHODS:
            return f"it uses {node.attr}"
        if _root(node) in known and node.attr in ("exercise", "exercises") or node.attr == "_GRADERS":
            return "it reaches for the grader"
        if isinstance(node.ctx, ast.Store | ast.Del) and _root(node) in ({None} | known.keys()):
            return f"it changes {ast.unparse(node)}"
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        if _root(node) in known and "rcParams" not in ast.unparse(node):
            return f"it changes {ast.unparse(node)}"
    if isinstance(node, ast.FunctionDef) and node.name.startswith("__") and node.name not in METHODS:
        return f"it defines {node.name}"
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        if node.targets[0].id.startswith("__"):
            return f"it defines {node.targets[0].id}"
    return ""


def _bound(node, tree, known, kept):
    """A name that is given a new meaning outside of functions and is not the answer's to define."""
    found = []
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and node in tree.body:
        found = [node.name]
    elif isinstance(node, ast.Global | ast.Nonlocal):
        found = node.names
    elif isinstance(node, ast.Import | ast.ImportFrom):
        found = [
            n for n, module in modules([ast.unparse(node)]).items() if known.get(n) != module or n in dir(builtins)
        ]
    elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and id(node) in _outside(tree):
        found = [node.id]
    taken = [n for n in found if n in kept]
    return f"it gives {taken[0]} another meaning" if taken else ""


def _outside(tree):
    """The ids of the nodes that are not within a function or class."""
    found, todo = set(), list(tree.body)
    while todo:
        node = todo.pop()
        found.add(id(node))
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)
    return found


def _check(node):
    """The nodes of ``genlib.exercise(name).check(...)``, which an answer may call."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("genlib.exercise("):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "check" and isinstance(node.func.value, ast.Call):
            yield node.func.value.func


def _root(node):
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
