"""Graded exercises: a stub is not yet right, the chapter's solution is, and wrong answers are refused.

Each runs as a reader runs it, after the chapter's imports and the grader's cell alone, here in the process of the test.
"""

import ast
import copy
import functools
import re
import warnings

import nbformat
import pytest
import torch

import genlib
from genlib.course import beside, exercises, notebooks
from genlib.course.notebooks import code_cells, text
from genlib.course.teach import assignment


@functools.lru_cache(maxsize=1)
def prepared(path):
    """The chapter's graded exercises, and the names that each sees after the imports and its grader, by exercise."""
    notebook = notebooks.read(path)
    imports = text(code_cells(notebook)[1]["source"])
    known = {}
    for e in exercises.graded(notebook):
        names = {"__name__": e.name}
        exec(imports, names)
        exec(e.grader, names)
        known[e.name] = e, names
    return known


def verdict(exercise, names, definition):
    names = dict(names)
    exec(exercise.grader, names)  # the grader sees what is defined in its own notebook
    exec(definition, names)
    return eval(exercise.check, names)


def test_stub_and_solution(chapter, capsys):
    """There is one that is graded; its stub runs and is not yet right, its solution is; and nothing is printed."""
    known = prepared(chapter.path)
    assert known, f"{chapter.name} has no exercise that grades itself"
    for name, (e, names) in known.items():
        stub = verdict(e, names, e.definition)
        assert not stub and repr(stub).startswith(f"{name}: not yet. ")
        assert repr(verdict(e, names, e.answer)) == f"{name}: right."
    assert capsys.readouterr() == ("", "")


def spoilt(answer, spoil):
    """The answer with what it returns spoilt: a number, a tensor, or the tensors of a tuple or list."""

    def change(value):
        if isinstance(value, tuple | list):
            return type(value)(change(v) for v in value)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return spoil(value) if number or torch.is_tensor(value) else value

    return lambda *given, **named: change(answer(*given, **named))


SPOILT = {"doubled": lambda v: 2 * v, "negated": lambda v: -v, "nothing but zeros": lambda v: 0 * v}


def test_spoilt_answers_are_refused(chapter):
    """Whatever the exercise is, twice the right answer is not right, nor is its negative, nor zero."""
    for name, (e, names) in prepared(chapter.path).items():
        names = dict(names)
        exec(e.answer, names)
        exec(e.grader, names)
        right, *others = (eval(ast.unparse(a), names) for a in ast.parse(e.check, mode="eval").body.args)
        if isinstance(right, type):
            continue
        for how, spoil in SPOILT.items():
            said = genlib.exercise(name).check(spoilt(right, spoil), *others)
            assert not said, f"{name} takes the right answer, {how}, for right"
            assert len(said.hint) > 10


def test_the_answers_of_a_chapter_are_there(chapter, root):
    """Its own file in answers/, with three wrong ones or more to each graded exercise, and to no other."""
    owed = beside.answers_problems(root, chapter.name, list(prepared(chapter.path)))
    assert not owed, "; ".join(owed)


def test_wrong_answers_are_refused(chapter, root):
    """And what people get wrong: each gets a hint, and the answer is not in it."""
    known = beside.answers(root, chapter.name)
    for name, (e, names) in prepared(chapter.path).items():
        exec(e.grader, names)
        arguments, mistakes = known.wrong[name]
        for mistake, source in mistakes.items():
            said = genlib.exercise(name).check(beside.function(arguments, source, names))
            assert not said, f"{name} takes for right: {mistake}"
            assert 20 < len(said.hint) < 160, f"{mistake}: {said.hint}"
            body = [line.strip() for line in e.answer.splitlines()[1:]]
            assert not any(line.removeprefix("return ") in said.hint for line in body)


def test_other_right_answers_are_taken(chapter, root):
    known = beside.answers(root, chapter.name)
    for name, (e, names) in prepared(chapter.path).items():
        exec(e.grader, names)
        arguments, ways = known.right.get(name, ("", []))
        for source in ways:
            said = genlib.exercise(name).check(beside.function(arguments, source, names))
            assert said, f"{said} But this is right: {source}"


def test_a_grader_that_takes_anything_is_seen():
    """The test of the tests: spoiling changes what is returned, in tuples too."""
    pair = spoilt(lambda x: (x, [2 * x], "name"), SPOILT["negated"])
    assert pair(3) == (-3, [-6], "name")
    assert spoilt(lambda: torch.ones(2), SPOILT["doubled"])().tolist() == [2, 2]


# --- as an assignment -------------------------------------------------------------------------------------------------


def released(cell):
    """A cell as nbgrader shows it to students."""
    from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

    cell = copy.deepcopy(cell)
    resources = {"language": "python"}
    for step in (ClearSolutions(text_stub="*Your answer here.*"), ClearHiddenTests()):
        cell, resources = step.preprocess_cell(cell, resources, 0)
    return cell


def test_assignment(chapter, root):
    """The source is valid and passes its own tests; the release has every exercise and no solution, and does not."""
    told = exercises.exercises(notebooks.read(chapter.path))
    cells = [nbformat.from_dict(c) for c in assignment.source_cells(root, chapter)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbformat.validate(notebook)
    about = [c.metadata.get("nbgrader", {}) for c in cells]
    worth = {a["grade_id"]: a["points"] for a in about if a.get("grade")}
    assert list(worth.values()) == [e.points if e.name else assignment.MANUAL_POINTS for e in told]

    public = {c.id: released(c).source for c in cells}
    whole = "\n".join(public.values())
    assert "BEGIN" not in whole and not re.search(r"\{[\w:]+\}`|^:label:", whole, re.MULTILINE)
    for number, e in enumerate(told, 1):
        if not e.name:
            assert public[f"exercise-{number}-answer"] == "*Your answer here.*"
            continue
        body = set(map(str.strip, e.answer.split("\n"))) - set(map(str.strip, e.definition.split("\n")))
        assert not [line for line in map(str.strip, whole.split("\n")) if len(line) > 5 and line in body]
        names, (imports, stub, test) = {}, ("imports", f"exercise-{number}-answer", f"exercise-{number}-test")
        source = {c.id: c.source for c in cells}
        exec(source[imports], names)
        exec(public[stub], names)
        with pytest.raises(AssertionError, match=f"^{e.name}: not yet. "):
            exec(source[test], names)
        exec(source[stub], names)
        exec(public[test], names)
        exec(source[test], names)
