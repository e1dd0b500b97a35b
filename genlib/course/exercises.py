"""The exercises of a chapter as they stand in its notebook, and the rules for those that grade themselves.

A graded exercise is four cells in a row: its sentence, in an ``{exercise}`` directive; a code cell tagged ``grader``;
a code cell tagged ``exercise`` with the stub and the check, and with its name and points in the metadata; and the
``{solution}`` directive, whose one Python fence takes the place of the stub.
"""

import ast
import re
from dataclasses import dataclass

from .notebooks import tags, text
from .stamp import chapter_of

_DIRECTIVE = r"^(?P<fence>`{3,}|:{3,})\{%s\}[ \t]*(?P<argument>[^\n]*)\n(?P<body>.*?)^(?P=fence)[ \t]*$"


@dataclass(frozen=True)
class Exercise:
    """One exercise: MyST sources of its sentence and its solution, and, if it is graded, Python sources.

    definition: the stub without its check. answer: the solution's code. check: the last expression of the stub's cell.
    """

    label: str
    title: str
    sentence: str
    solution: str
    name: str = ""
    points: int = 0
    grader: str = ""
    definition: str = ""
    check: str = ""
    answer: str = ""


def exercises(notebook):
    """Every Exercise of a chapter, in its order."""
    cells = notebook["cells"]
    prose = "\n\n".join(text(c["source"]) for c in cells if c["cell_type"] == "markdown")
    solved = {m["argument"].strip(): m["body"] for m in _directives("solution", prose)}
    found = []
    for number, cell in enumerate(cells):
        for m in _directives("exercise", text(cell["source"])) if cell["cell_type"] == "markdown" else ():
            options, sentence = _options(m["body"])
            label = options.get("label", "")
            solution = _options(solved.get(label, ""))[1]
            exercise = Exercise(label, m["argument"].strip(), sentence, solution)
            last = not list(_directives("exercise", text(cell["source"])[m.end() :]))
            after = cells[number + 1 : number + 3]
            if last and len(after) == 2 and "exercise" in tags(after[1]):
                exercise = _graded(exercise, *after)
            found.append(exercise)
    return found


def graded(notebook):
    """Those that grade themselves."""
    return [e for e in exercises(notebook) if e.name]


def problems(notebook):
    """What keeps a chapter's graded exercises from meeting the contract: sentences, none if they do."""
    cells, found = notebook["cells"], []
    known = graded(notebook)
    if not known:
        found.append("no exercise grades itself (cells tagged grader and exercise behind its sentence)")
    for tag in ("grader", "exercise"):
        count = sum(tag in tags(c) for c in cells)
        if count != len(known):
            found.append(f"{count} cells are tagged {tag}, and {len(known)} exercises are graded")
    slug = str(chapter_of(notebook).get("slug", "")).replace("_", "-")
    for e in known:
        number = re.search(r"\d+$", e.label)
        if number and e.name != f"{slug}-{number[0]}":
            found.append(f"the exercise {e.label} is graded as {e.name} and not as {slug}-{number[0]}")
        if not isinstance(e.points, int) or e.points < 1:
            found.append(f"{e.name} has no points (metadata.genlib.points of its cell)")
        if f'genlib.exercise("{e.name}").grader' not in e.grader:
            found.append(f'the cell before {e.name} does not register it: @genlib.exercise("{e.name}").grader')
        if not e.check.startswith(f'genlib.exercise("{e.name}").check('):
            found.append(f'the cell of {e.name} does not end with genlib.exercise("{e.name}").check(...)')
        if not e.answer:
            found.append(f"the solution {e.label} does not have one ```python fence, which is the answer")
        elif _defined(e.definition) - _defined(e.answer):
            found.append(f"the solution {e.label} does not define what the stub of {e.name} does")
    names = [e.name for e in known]
    if len(names) != len(set(names)):
        found.append("two exercises are graded under one name")
    for cell in cells:
        if "grader" in tags(cell) and "hide-input" not in tags(cell):
            found.append("a cell tagged grader is not tagged hide-input")
    return found


def _graded(exercise, grader, stub):
    """The exercise with what its two code cells and the fence of its solution hold."""
    told = stub["metadata"].get("genlib", {})
    source = text(stub["source"])
    tree = ast.parse(source)
    check = tree.body[-1] if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    lines = source.split("\n")
    fences = re.findall(r"^```python\n(.*?)^```[ \t]*$", exercise.solution, re.MULTILINE | re.DOTALL)
    return Exercise(
        exercise.label,
        exercise.title,
        exercise.sentence,
        exercise.solution,
        name=told.get("exercise") or "?",
        points=told.get("points", 0),
        grader=text(grader["source"]) if "grader" in tags(grader) else "",
        definition="\n".join(lines[: check.lineno - 1]).strip() if check else source,
        check="\n".join(lines[check.lineno - 1 :]).strip() if check else "",
        answer=fences[0].strip() if len(fences) == 1 else "",
    )


def _directives(kind, source):
    return re.finditer(_DIRECTIVE % kind, source, re.MULTILINE | re.DOTALL)


def _options(body):
    """A directive's body as its options (:label: and the like), and the rest."""
    lines = body.split("\n")
    options = {}
    while lines and (m := re.match(r":([\w-]+):\s*(.*)$", lines[0])):
        options[m[1]] = m[2].strip()
        lines.pop(0)
    return options, "\n".join(lines).strip()


def _defined(source):
    """The names of functions and classes at the top of a source."""
    return {n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
