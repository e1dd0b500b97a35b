"""Assignments: a chapter's exercises as an nbgrader course, from the chapter's own stubs, solutions and graders.

A course folder holds assignments side by side; nbgrader runs in it. This module writes ``nbgrader_config.py`` (once),
``source/<slug>/<slug>.ipynb`` with the solutions, and, through nbgrader, ``release/<slug>/<slug>.ipynb`` without. What
students hand in (``submitted``), what it came to (``autograded``, ``feedback``) and the marks (``gradebook.db``, which
learns of the assignment) are never touched by --force either.
"""

import ast
import contextlib
import os
import re
import shutil
import sysconfig
import textwrap

from .. import exercises, notebooks, stamp
from ..addresses import Addresses
from ..notebooks import CourseError
from ..references import Book
from ..resolve import inline, plain

MANUAL_POINTS = 3  # for an exercise that a person marks
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
FILES = ("nbgrader_config.py", "gradebook.db")
CONFIG = """\
# Written by genlib assignment, once: change it as you like.
from genlib.course.teach import handed_in

c = get_config()  # noqa: F821
handed_in.configure(c)  # copied, split and deleted cells, answers that mark themselves, floods of output
c.CourseDirectory.course_id = "generative-models"
c.ClearSolutions.code_stub = {"python": "...  # your code"}
c.ClearSolutions.text_stub = "*Your answer here.*"
c.ExecutePreprocessor.timeout = 120  # seconds for one cell of a submission
"""
HEAD = """\
# Assignment: {title}

This goes with the chapter *{title}*{link}. Numbers of equations are the chapter's.

- Write only where a cell says `...  # your code` or *Your answer here.* All other cells are locked: what you change
  there is lost when your work is graded.
- Behind each function stands a first test. More is asked when it is graded; a hint then says what is not yet right.
- What asks for an experiment is done in a copy of the chapter's notebook; here stands what you found.
- At the end choose *Restart the kernel and run all cells*, see that nothing stops but where you left an exercise open,
  and hand in this file under the name that it has, `{slug}.ipynb`.

Name:"""


def write(root, chapter, out, force=False):
    """Write the assignment of ``chapter`` (notebooks.Chapter) into the course folder ``out``: the paths of its source
    and its release.

    force: an assignment that is there already is written anew. Raises CourseError, and then leaves ``out`` as it was.
    """
    cells = source_cells(root, chapter)
    try:
        import nbformat
        import nbgrader  # noqa: F401
    except ImportError as error:
        advice = "pip install -e '.[teach]' in the project's folder."
        raise CourseError(f"genlib assignment needs the extra 'teach': {advice}") from error
    slug = chapter.slug
    kept = {name: out / name / slug for name in ("source", "release")}
    config = out / "nbgrader_config.py"
    if out.exists() and not out.is_dir():
        raise CourseError(f"{out} is a file: choose a folder with --out.")
    if out.is_dir() and any(out.iterdir()) and not config.is_file():
        raise CourseError(f"{out} has something else in it: choose an empty folder, or the one of an nbgrader course.")
    there = [str(p.relative_to(out)) for p in kept.values() if p.exists()]
    if there and not force:
        raise CourseError(
            f"{' and '.join(there)} in {out} exist already: --force writes them anew, and leaves what was handed in."
        )
    notebook = nbformat.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    notebook = notebooks.clean(notebook)
    nbformat.validate(notebook)
    with _put_back(out, kept.values()):
        if not config.is_file():
            notebooks.write(config, CONFIG)
        notebooks.write(kept["source"] / f"{slug}.ipynb", nbformat.writes(notebook) + "\n")
        _generate(out, slug)
    return tuple(p / f"{slug}.ipynb" for p in kept.values())


def source_cells(root, chapter):
    """The cells of the source version, solutions and all, as dicts of nbformat 4. Raises CourseError."""
    notebook = notebooks.read(chapter.path)
    found = exercises.exercises(notebook)
    if not any(e.name for e in found):
        raise CourseError(
            f"{chapter.name} has no exercise that grades itself, so there is nothing to assign: "
            "cells tagged grader and exercise make one (genlib new shows them)."
        )
    book = Book(root, chapter, links=True)
    install, imports = (notebooks.text(c["source"]) for c in notebooks.code_cells(notebook)[:2])
    title = stamp.chapter_of(notebook).get("title", chapter.slug)
    cells = [
        _cell("markdown", HEAD.format(title=title, slug=chapter.slug, link=_link(root, chapter)), "head"),
        _cell("code", install, "install", locked=True),
        _cell("code", imports, "imports", locked=True),
    ]
    for number, e in enumerate(found, 1):
        heading = f"## Exercise {number}" + (f": {inline(e.title, book)}" if e.title else "")
        points = e.points if e.name else MANUAL_POINTS
        heading += f" ({points} point{'s' * (points != 1)})"
        sentence = plain(e.sentence, book)
        name = f"exercise-{number}"
        if not e.name:
            cells.append(_cell("markdown", f"{heading}\n\n{sentence}", name, locked=True))
            answer = plain(e.solution, book)
            cells.append(_cell("markdown", answer, f"{name}-answer", points=points, solution=True))
            continue
        code = solution_cell(e)
        start = "" if e.definition.split("\n")[0] in code else f"\n\nBegin with\n\n```python\n{e.definition}\n```"
        cells.append(_cell("markdown", f"{heading}\n\n{sentence}{start}", name, locked=True))
        cells.append(_cell("code", code, f"{name}-answer", solution=True))
        cells.append(_cell("code", check_cell(e), f"{name}-test", locked=True, points=points))
    return cells


def solution_cell(e):
    """The stub of a graded exercise with the solution in place of its dots, between nbgrader's marks.

    Where the two do not fit (other arguments, a stub without dots) the whole answer stands between the marks.
    """
    lines, answer = e.definition.split("\n"), ast.parse(e.answer)
    theirs, gaps = dict(_functions(answer)), []
    for name, function in _functions(ast.parse(e.definition)):
        last = function.body[-1]
        if not (isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant) and last.value.value is ...):
            continue
        if name not in theirs or ast.unparse(theirs[name].args) != ast.unparse(function.args):
            gaps = []
            break
        gaps.append((name, last))
    more = [n for n in answer.body if getattr(n, "name", None) not in {name.split(".")[0] for name, _ in gaps}]
    inside = {name for name in theirs if "." in name} - {name for name, _ in gaps}
    if not gaps or inside:
        return "\n".join([BEGIN, e.answer, END])
    for name, dots in reversed(gaps):
        indent = " " * dots.col_offset
        # Comments behind the dots, to the end of the function, go with them.
        end = dots.end_lineno
        while end < len(lines) and re.match(rf"{indent}\s*#", lines[end]):
            end += 1
        body = textwrap.indent(_body(theirs[name], e.answer), indent)
        lines[dots.lineno - 1 : end] = [indent + BEGIN, body, indent + END]
    if more:
        answers = e.answer.split("\n")
        lines[:0] = [BEGIN, *("\n".join(answers[_start(n) - 1 : n.end_lineno]) for n in more), END, "", ""]
    return "\n".join(lines)


def check_cell(e):
    """A first look that everybody sees, the grader up to its first assertion; and the whole of it, hidden."""
    check = f"verdict = {e.check}\nassert verdict, verdict"
    first = next((n for n in ast.parse(e.grader).body if isinstance(n, ast.FunctionDef)), None)
    seen = _first_assertion(first.body) if first else None
    if seen:
        look = "\n".join(e.grader.split("\n")[: seen.end_lineno]) + f"\n\n\n{check}"
    else:
        asked = (ast.unparse(a) for a in ast.parse(e.check, mode="eval").body.args)
        look = "\n".join(f"assert {name} is not None" for name in asked)
    look = f"# A first look. More is asked when your work is graded.\n{look}"
    return f"{look}\n\n{BEGIN_HIDDEN}\n{e.grader}\n\n\n{check}\n{END_HIDDEN}"


def _first_assertion(body):
    """The first assertion of a function's own lines, in its loops and conditions too."""
    for node in body:
        if isinstance(node, ast.Assert):
            return node
        if isinstance(node, ast.For | ast.If | ast.With) and (found := _first_assertion(node.body)):
            return found
    return None


def _functions(tree, prefix=""):
    """(name, node) of every function at the top of a tree, and of the methods of its classes as Class.method."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")


def _start(node):
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


def _body(function, source):
    """The lines of a function below its signature and docstring, comments among them, without their indentation."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
    lines = source.split("\n")
    start = first.end_lineno if documented else _header_end(function, lines)
    return textwrap.dedent("\n".join(lines[start : function.end_lineno]))


def _header_end(function, lines):
    """The line on which the signature ends: all between it and the first statement is comments or blank."""
    at = function.body[0].lineno - 1
    while at > function.lineno and re.match(r"\s*(#|$)", lines[at - 1]):
        at -= 1
    return at


def _cell(kind, source, name, locked=False, solution=False, points=None):
    about = {"schema_version": 3, "grade_id": name, "locked": locked, "solution": solution, "task": False}
    about |= {"grade": points is not None} | ({} if points is None else {"points": points})
    metadata = {"nbgrader": about} if locked or solution else {}
    cell = {"cell_type": kind, "id": name, "metadata": metadata, "source": source}
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def _link(root, chapter):
    """Where the chapter is, as a link in brackets; nothing if the project has no address."""
    address = Addresses(root).page(f"/chapters/{chapter.name}")
    return f" ([its page]({address}))" if address else ""


def _generate(out, slug):
    """nbgrader's own generate_assignment, in the course folder."""
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(out)).load_config()
    config.CourseDirectory.root = str(out.resolve())
    path = os.environ.get("PATH", "")
    # nbgrader calls the command alembic, which an environment that was not activated does not show it.
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), path])
    try:
        result = NbGraderAPI(config=config).generate_assignment(slug)
    finally:
        os.environ["PATH"] = path
    if not result["success"]:
        said = [line.strip() for line in f"{result.get('error')}\n{result.get('log')}".splitlines()]
        said = [line for line in said if re.match(r"[\w.]+: ", line) and "NbGraderException" not in line]
        raise CourseError(f"nbgrader did not make the release of {slug}. {said[-1] if said else ''}".strip())


@contextlib.contextmanager
def _put_back(out, folders):
    """Set the folders aside; if what follows fails or is interrupted, put them back and take away what is new."""
    new = [p for p in (out, *(out / n for n in ("source", "release", *FILES))) if not p.exists()]
    aside = out / f".genlib-{os.getpid()}"
    aside.mkdir(parents=True)
    try:
        for folder in folders:
            if folder.exists():
                shutil.move(folder, aside / folder.parent.name)
        yield
    except BaseException:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            if (aside / folder.parent.name).exists():
                shutil.move(aside / folder.parent.name, folder)
        shutil.rmtree(aside, ignore_errors=True)
        for path in reversed(new):
            with contextlib.suppress(OSError):  # a folder with something in it stays
                path.rmdir() if path.is_dir() else path.unlink()
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
