"""genlib assignment through the real nbgrader: a class of three, and what stands in the way, in one sentence each."""

import copy
import json
import os
import shutil
import subprocess
import sys
import sysconfig

import nbformat
import pytest

from genlib.course import cli, exercises, notebooks
from genlib.course.teach import assignment

CHAPTER = "ae/autoencoder"
pytestmark = pytest.mark.filterwarnings("ignore:Object of type:Warning")  # nbgrader's own, about its database


def call(*words):
    with pytest.raises(SystemExit) as status:
        cli.main([str(w) for w in words])
    return status.value.code


def cells(path):
    return {c["id"]: c for c in notebooks.read(path)["cells"]}


# --- a class of three -------------------------------------------------------------------------------------------------


def hand_in(course, student, answers, also=lambda notebook: None):
    """The release with some cells' sources replaced, in the place where nbgrader collects it."""
    notebook = nbformat.read(course / "release/autoencoder/autoencoder.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    also(notebook)
    path = course / "submitted" / student / "autoencoder" / "autoencoder.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def course(root, tmp_path_factory):
    """A course with the assignment of one chapter, autograded for three students: right, wrong, empty."""
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"])
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.chdir(root)
        course = tmp_path_factory.mktemp("course")
        assert call("assignment", CHAPTER, "--out", course) == 0
        known = exercises.exercises(notebooks.read(root / f"chapters/{CHAPTER}.ipynb"))
        right, wrong = {}, {}
        for number, e in enumerate(known, 1):
            right[f"exercise-{number}-answer"] = e.answer if e.name else "By {eq}`eq-ae-linear`, so it is."
            wrong[f"exercise-{number}-answer"] = e.answer.replace("return ", "return 3 * ") if e.name else "I guess so."

        def help_oneself(notebook):
            for cell in notebook.cells:
                if cell.id.endswith("-test"):
                    cell.source = "assert True"

        hand_in(course, "right", right)
        hand_in(course, "wrong", wrong, help_oneself)
        hand_in(course, "empty", {})
        config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
        config.CourseDirectory.root = str(course)
        for student in ("right", "wrong", "empty"):
            graded = NbGraderAPI(config=config).autograde("autoencoder", student)
            assert graded["success"], graded.get("error") or graded["log"]
        yield course


def changed(notebook, start, **to):
    cell = next(c for c in notebook.cells if c.get("id", "").startswith(start))
    cell.update(to)
    return notebook.cells.index(cell), cell


def copied_test(notebook):
    at, cell = changed(notebook, "exercise-2-test")
    notebook.cells.insert(at, copy.deepcopy(cell))


def copied_answer_still_empty(notebook):
    at, cell = changed(notebook, "exercise-2-answer")
    notebook.cells.insert(at + 1, nbformat.from_dict({**cell, "source": STUBS["exercise-2-answer"]}))


def split_answer(notebook):
    at, cell = changed(notebook, "exercise-2-answer")
    notebook.cells.insert(at, nbformat.from_dict({**cell, "source": "import math\nhelper = 1"}))


def deleted(notebook):
    notebook.cells = [c for c in notebook.cells if not c.id.startswith(("exercise-2-test", "exercise-3", "install"))]


def answer_as_text(notebook):
    at, cell = changed(notebook, "exercise-2-answer")  # the first of its copies
    notebook.cells[at] = nbformat.v4.new_markdown_cell(cell.source, metadata=cell.metadata)


def julia(notebook):
    notebook.metadata = {"kernelspec": {"name": "julia-1.9", "display_name": "Julia", "language": "julia"}}


def floods(notebook):
    notebook.cells.insert(3, nbformat.v4.new_code_cell("while True:\n    print(100_000 * 'x')"))


def shows(notebook):
    notebook.cells.insert(3, nbformat.v4.new_code_cell("from IPython.display import HTML\nHTML(3_000_000 * 'x')"))


def together(*kinds):
    def spoil(notebook):
        for kind in kinds:
            kind(notebook)

    spoil.__name__ = "-".join(kind.__name__ for kind in kinds)
    return spoil


# Each is handed in with the right answers: it must get the points that they get. A submission costs some ten seconds.
ODD = (together(copied_test, split_answer, julia), together(copied_answer_still_empty, answer_as_text))
ODD += (deleted, together(floods, shows))
UNREADABLE = {
    "cut": lambda b: b[:-500],
    "latin-1": lambda b: b.replace(b"Name:", b"Name: Ren\xe9"),
    "empty": lambda b: b"",
}
STUBS = {}


@pytest.fixture(scope="module")
def odd_class(course):
    """The same course, with a class in which nearly everybody is odd, graded by nbgrader's own command."""
    right = {c.id: c.source for c in nbformat.read(course / "submitted/right/autoencoder/autoencoder.ipynb", 4).cells}
    stubs = nbformat.read(course / "release/autoencoder/autoencoder.ipynb", as_version=4).cells
    STUBS.update({c.id: c.source for c in stubs})
    answers = {k: v for k, v in right.items() if k.endswith("-answer")}
    for spoil in ODD:
        hand_in(course, f"a-{spoil.__name__}", answers, spoil)
    whole = (course / "submitted/right/autoencoder/autoencoder.ipynb").read_bytes()
    for name, spoil in UNREADABLE.items():
        path = course / "submitted" / f"b-{name}" / "autoencoder" / "autoencoder.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(spoil(whole))
    other = course / "submitted" / "c-name" / "autoencoder" / "autoencoder (1).ipynb"
    other.parent.mkdir(parents=True)
    other.write_bytes(whole)
    hand_in(course, "z-last", answers)
    nbgrader = os.path.join(sysconfig.get_path("scripts"), "nbgrader")
    told = subprocess.run(
        [nbgrader, "autograde", "autoencoder", "--create"], cwd=course, capture_output=True, text=True, timeout=550
    )
    return course, told.stderr + told.stdout


def test_one_odd_submission_never_stops_a_class(odd_class):
    course, said = odd_class
    expected = grades(course, "right")
    assert grades(course, "z-last") == expected, said[-3000:]
    for name in (*(f"b-{name}" for name in UNREADABLE), "c-name"):
        assert name in said and not (course / "autograded" / name / "autoencoder" / "autoencoder.ipynb").exists()


@pytest.mark.parametrize("spoil", ODD)
def test_an_odd_submission_gets_what_its_answers_are_worth(odd_class, spoil):
    course, said = odd_class
    expected = grades(course, "right")
    if spoil is deleted:  # the third exercise is gone with its answer
        expected = {k: v if not k.startswith("exercise-3") else (0, v[1], False) for k, v in expected.items()}
        assert "a-deleted: the cell exercise-2-test was deleted and is back" in said
    assert grades(course, f"a-{spoil.__name__}") == expected
    made = course / f"autograded/a-{spoil.__name__}/autoencoder/autoencoder.ipynb"
    assert made.stat().st_size < 400_000
    if "floods" in spoil.__name__:
        assert made.read_text(encoding="utf-8").count("what this cell shows is cut") == 2


def grades(course, student):
    """cell -> its grade in the gradebook, as (points, of how many, whether a person has to look at it)."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "generative-models") as book:
        found = book.find_submission("autoencoder", student).notebooks[0].grades
        return {g.name: (g.score, g.max_score, g.needs_manual_grade) for g in found}


def test_a_class_of_right_wrong_and_empty(root, course):
    known = exercises.exercises(notebooks.read(root / f"chapters/{CHAPTER}.ipynb"))
    right, wrong, empty = (grades(course, student) for student in ("right", "wrong", "empty"))
    assert len(right) == len(known) and any(e.name for e in known)
    for number, e in enumerate(known, 1):
        if e.name:
            assert right[f"exercise-{number}-test"] == (e.points, e.points, False)
            assert wrong[f"exercise-{number}-test"] == (0, e.points, False)
            assert empty[f"exercise-{number}-test"] == (0, e.points, False)
        else:
            worth = assignment.MANUAL_POINTS
            assert right[f"exercise-{number}-answer"] == wrong[f"exercise-{number}-answer"] == (0, worth, True)
            assert empty[f"exercise-{number}-answer"] == (0, worth, False)  # unchanged: nobody has to look at it


def test_feedback_has_the_hint(course):
    notebook = nbformat.read(course / "autograded/wrong/autoencoder/autoencoder.ipynb", as_version=4)
    said = [o["evalue"] for c in notebook.cells for o in c.get("outputs", []) if o["output_type"] == "error"]
    assert len(said) == 2 and all(". " in line and "not yet." in line for line in said), said


def test_a_person_marks_the_rest(course):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "generative-models") as book:
        for grade in book.find_submission("autoencoder", "right").notebooks[0].grades:
            if grade.needs_manual_grade:
                grade.manual_score, grade.needs_manual_grade = grade.max_score, False
        book.db.commit()
        handed_in = book.find_submission("autoencoder", "right")
        assert handed_in.score == handed_in.max_score > 0


def test_written_anew_the_marks_and_what_was_handed_in_stay(root, course, monkeypatch, capsys):
    before = {s: grades(course, s) for s in ("right", "wrong", "empty")}
    config, kept = course / "nbgrader_config.py", course / "submitted/right/autoencoder/autoencoder.ipynb"
    config.write_text(config.read_text() + "# mine\n")
    monkeypatch.chdir(root)
    assert call("assignment", CHAPTER, "--out", course) == 2
    assert "source/autoencoder and release/autoencoder" in (said := capsys.readouterr().err) and "--force" in said
    handed_in = kept.read_text()
    assert call("assignment", CHAPTER, "--out", course, "--force") == 0
    assert {s: grades(course, s) for s in before} == before
    assert kept.read_text() == handed_in and config.read_text().endswith("# mine\n")
    assert not list(course.glob(".genlib-*"))


# --- an answer that marks itself --------------------------------------------------------------------------------------

LOCKED = [
    "import math\n\nimport torch\nfrom torch import nn\n\nimport genlib",
    '@genlib.exercise("toy-1").grader\ndef grade(f):\n    assert torch.allclose(f(2), 4), "twice"\n    '
    'assert abs(f(1) - 2) < 1e-6\n\n\nverdict = genlib.exercise("toy-1").check(f)\nassert verdict, verdict',
]
HONEST = [
    "def f(x):\n    return 2 * x",
    "import torch.nn\nimport torch.nn.functional as F\nimport numpy as np\n\n"
    "def helper(a):\n    a.grad = None\n    return a",
    "class f(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.net = nn.Linear(1, 1)\n\n"
    "    def forward(self, x):\n        self.seen = x\n        with torch.no_grad():\n            "
    "self.net.weight[0] = 1\n"
    "        return x",
    "def f(x):\n    abs = x + 1\n    for i in range(3):\n        x[i] = abs[i]\n    return x",
    'def f(x):\n    return x\n\n\ngenlib.exercise("toy-1").check(f)',
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.rcParams['font.size'] = 12\nx = torch.zeros(3)\nx[0] = 1",
    "print(f(3)); y, z = 1, 2\nwith torch.no_grad():\n    pass",
    "def f(x: torch.Tensor) -> torch.Tensor:\n    return (lambda t: t * 2)(x)",
    "from IPython.display import HTML, display\ndisplay(HTML('<b>1</b>'))",
    "this is no Python",
]
SELF_MADE = [
    "genlib.exercise = lambda name: None",
    "genlib.exercises.Exercise.check = lambda *a: True",
    "import genlib as g\ng.exercise = None",
    "from genlib.exercises import Verdict\nVerdict.hint = ''",
    "from genlib import exercises",
    "E = genlib.exercise\nE.x = 1",
    "type(genlib.exercise('toy-1')).check = lambda *a: True",
    "genlib.exercises._GRADERS['toy-1'] = print",
    "genlib.exercises._GRADERS.clear()",
    "@genlib.exercise('toy-1').grader\ndef mine(f):\n    pass",
    "torch.allclose = lambda *a, **k: True",
    "def f(x):\n    torch.allclose = lambda *a, **k: True\n    return x",
    "t = torch\nt.allclose = None",
    "torch.__dict__['allclose'] = None",
    "class torch:\n    allclose = lambda *a: True",
    "abs = lambda x: 0",
    "def abs(x):\n    return 0",
    "from mine import truth as abs",
    "import numpy as torch",
    "def f(x):\n    global verdict, torch\n    torch = None",
    "import builtins\nbuiltins.abs = None",
    "import sys\nsys.modules['genlib'] = None",
    "setattr(genlib, 'exercise', None)",
    "exec('genlib.ex' + 'ercise = None')",
    "globals()['torch'] = None",
    "import importlib",
    "from unittest import mock",
    "get_ipython().run_cell('1')",
    "!sed -i s/assert/pass/ grader.py",
    "%run mine.py",
    "%%bash\nls",
    "%timeit -n 1 genlib.exercise = None",
    "y = !ls",
    "if True:\n    %run mine.py",
    "import asyncio\nawait asyncio.sleep(0)\ngenlib.exercise = None",
    "class Yes:\n    def __eq__(self, other):\n        return True\n    __abs__ = __lt__ = __eq__",
    "class Yes(torch.Tensor):\n    def __torch_function__(self, *a):\n        return True",
    "for abs in [lambda x: 0]:\n    pass",
    "del torch",
    "with open('x') as abs:\n    pass",
    "(abs := lambda x: 0)",
]


def why(source):
    from genlib.course.teach import suspect

    known = suspect.modules(LOCKED)
    return suspect.why(source, known, (suspect.names(LOCKED) | set(known)) - {"f"})


@pytest.mark.parametrize("source", HONEST)
def test_an_answer_that_leaves_its_grader_alone_is_run(source):
    assert why(source) == ""


@pytest.mark.parametrize("source", SELF_MADE)
def test_an_answer_that_marks_itself_is_not_run(source):
    assert why(source)


@pytest.mark.parametrize("where", ["answer", "own cell", "copy"])
def test_such_an_answer_earns_nothing_and_the_others_stand(where):
    from genlib.course.teach import handed_in

    made = lambda source, **about: nbformat.v4.new_code_cell(source, metadata={"nbgrader": about} if about else {})
    answer, test = {"grade_id": "a", "locked": False}, {"grade_id": "t", "locked": True}
    release = nbformat.v4.new_notebook(cells=[made("def f(x):\n    ...", **answer), made("test", **test)])
    trick, right = "genlib.exercise = None", "def f(x):\n    return 2 * x"
    handed = {
        "answer": [made(f"{right}\n{trick}", **answer), made("test", **test)],
        "own cell": [made(right, **answer), made(trick), made("test", **test)],
        "copy": [made(right, **answer), made(trick, **answer), made("test", **test)],
    }[where]
    found, notes = handed_in.in_order(nbformat.v4.new_notebook(cells=handed), release, LOCKED)
    sources = [c.source for c in found.cells if c.cell_type == "code"]
    assert any("it changes genlib.exercise" in note or "reaches" in note for note in notes) and sources[-1] == "test"
    assert not any(line.startswith(trick) for s in sources for line in s.split("\n"))
    assert (right in sources) == (where != "answer")


FLOODS = {
    "a loop that prints": "while True:\n    print(100_000 * 'x')",
    "on stderr": "import sys\nwhile True:\n    print(9_000 * 'x', file=sys.stderr)",
    "many short lines": "while True:\n    print('x')",
    "few long lines": "for i in range(52):\n    print(1_000_000 * 'x')",
    "one that shows": "from IPython.display import HTML, display\ndisplay(HTML(3_000_000 * 'x'))",
    "a loop that shows": "from IPython.display import HTML, display\nwhile True:\n    display(HTML(50_000 * 'x'))",
}


def test_a_flood_is_cut_and_the_cells_behind_it_run():
    from genlib.course.teach.handed_in import Limited

    cells = [
        nbformat.v4.new_code_cell(s) for flood in FLOODS.values() for s in (flood, "import time\ntime.sleep(0.2)\n7")
    ]
    notebook = nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell("1 / 0")])
    Limited(timeout=60, kernel_name="python3").preprocess(notebook, {})
    for name, flood, after in zip(FLOODS, notebook.cells[::2], notebook.cells[1::2], strict=False):
        assert len(json.dumps(flood)) < 130_000 and "what this cell shows is cut" in json.dumps(
            flood, ensure_ascii=False
        ), name
        assert [o["data"]["text/plain"] for o in after.outputs] == ["7"], name
    assert [o["ename"] for o in notebook.cells[-1].outputs] == ["ZeroDivisionError"]
    nbformat.validate(notebook)


# --- one chapter, many forms ------------------------------------------------------------------------------------------


def graded(definition, answer, grader="def grade(f):\n    assert f(1) == 2, 'twice'\n    assert f(3) == 6, 'thrice'"):
    known = {"label": "ex-toy-1", "title": "Toy", "sentence": "Double.", "solution": "", "name": "toy-1", "points": 1}
    return exercises.Exercise(
        **known, grader=f'@genlib.exercise("toy-1").grader\n{grader}', definition=definition, answer=answer,
        check='genlib.exercise("toy-1").check(f)',
    )  # fmt: skip


STUB = 'def f(x):\n    """Twice x."""\n    ...  # your code'


def test_the_solution_stands_in_place_of_the_dots():
    cell = assignment.solution_cell(graded(STUB, "def f(x):\n    y = x\n    # and again\n    return 2 * y"))
    assert cell.split("\n") == [
        "def f(x):",
        '    """Twice x."""',
        "    ### BEGIN SOLUTION",
        "    y = x",
        "    # and again",
        "    return 2 * y",
        "    ### END SOLUTION",
    ]


def test_helpers_docstrings_and_several_functions():
    stub = STUB + "\n\n\ndef g(x, y=2):\n    ..."
    answer = 'import math\n\ndef h(x):\n    return x\n\ndef f(x):\n    """Mine."""\n    return 2 * h(x)\n\n'
    answer += "def g(x, y=2):\n    # by f\n    return f(x)"
    cell = assignment.solution_cell(graded(stub, answer))
    assert cell.startswith("### BEGIN SOLUTION\nimport math\ndef h(x):\n    return x\n### END SOLUTION\n")
    assert "Mine" not in cell and cell.count("BEGIN SOLUTION") == 3 and "    # by f\n    return f(x)" in cell
    names = {}
    exec(cell, names)
    assert names["g"](4) == 8


def test_methods_of_a_class():
    stub = (
        'class f(dict):\n    """Layer."""\n\n    def one(self, x):\n        ...\n\n    def two(self):\n        return 2'
    )
    answer = "class f(dict):\n    def one(self, x):\n        return x\n\n    def two(self):\n        return 2"
    cell = assignment.solution_cell(graded(stub, answer.replace("def two(self):\n        return 2", "pass")))
    assert "        ### BEGIN SOLUTION\n        return x\n        ### END SOLUTION\n\n    def two" in cell


@pytest.mark.parametrize("answer", ["def f(z):\n    return 2 * z", "f = lambda x: 2 * x"])
def test_what_does_not_fit_stands_whole_between_the_marks(answer):
    assert assignment.solution_cell(graded(STUB, answer)) == f"### BEGIN SOLUTION\n{answer}\n### END SOLUTION"


def test_the_first_assertion_is_in_sight_and_the_rest_is_hidden():
    cell = assignment.check_cell(graded(STUB, "def f(x):\n    return 2 * x"))
    seen, hidden = cell.split("### BEGIN HIDDEN TESTS")
    assert "twice" in seen and "thrice" not in seen and "assert verdict, verdict" in seen
    assert "twice" in hidden and "thrice" in hidden and hidden.endswith("assert verdict, verdict\n### END HIDDEN TESTS")
    for answer, right in (("def f(x):\n    return 2 * x", True), ("def f(x):\n    return 2", False)):
        names = {}
        exec(f"import genlib\n{answer}", names)
        exec(seen, names)
        if right:
            exec(hidden, names)
        else:
            with pytest.raises(AssertionError, match="^toy-1: not yet. thrice$"):
                exec(hidden, names)


def test_the_first_assertion_may_stand_in_a_loop():
    loop = "def grade(f):\n    for x in (1, 2):\n        assert f(x) == 2 * x, 'twice'\n        assert f(x), 'sign'"
    seen, hidden = assignment.check_cell(graded(STUB, STUB, loop)).split("### BEGIN HIDDEN TESTS")
    assert "twice" in seen and "sign" not in seen and "sign" in hidden


def test_without_an_assertion_of_its_own_a_grader_is_hidden_whole():
    inner = "def grade(f):\n    def close(a, b):\n        assert a == b, 'twice'\n\n    close(f(1), 2)"
    seen, hidden = assignment.check_cell(graded(STUB, STUB, inner)).split("### BEGIN HIDDEN TESTS")
    assert "twice" not in seen and seen.rstrip().endswith("\nassert f is not None") and "twice" in hidden


# --- what stands in the way -------------------------------------------------------------------------------------------


def refused(capsys, *words):
    assert call("assignment", *words) == 2
    said = capsys.readouterr().err
    assert said.startswith("genlib: ") and said.count("\n") == 1, said
    return said


def test_refusals_are_one_sentence_and_leave_nothing(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(root)
    out = tmp_path / "course"
    assert "did you mean" in refused(capsys, "autoencodr", "--out", out)
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.tex").write_text("mine")
    assert "something else in it" in refused(capsys, CHAPTER, "--out", full, "--force")
    assert [p.name for p in full.iterdir()] == ["thesis.tex"]
    assert "is a file" in refused(capsys, CHAPTER, "--out", full / "thesis.tex")

    from nbgrader.apps.api import NbGraderAPI

    failed = {
        "success": False,
        "error": "Traceback\nNbGraderException: see above",
        "log": "[ERROR]\n  KeyError: 'id'\n",
    }
    monkeypatch.setattr(NbGraderAPI, "generate_assignment", lambda *_: failed)
    assert refused(capsys, CHAPTER, "--out", out).endswith("did not make the release of autoencoder. KeyError: 'id'\n")
    assert not out.exists()
    monkeypatch.setitem(sys.modules, "nbgrader", None)
    assert "pip install -e '.[teach]' in the project's folder" in refused(capsys, CHAPTER, "--out", out)
    assert not out.exists()


def test_a_chapter_without_graded_exercise(root, tmp_path, monkeypatch, capsys):
    project = tmp_path / "project"
    (project / "chapters/ae").mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, project)
    notebook = notebooks.read(root / f"chapters/{CHAPTER}.ipynb")
    for cell in notebook["cells"]:
        cell["metadata"].pop("tags", None) if "exercise" in notebooks.tags(cell) else None
    (project / f"chapters/{CHAPTER}.ipynb").write_text(json.dumps(notebook))
    monkeypatch.chdir(project)
    assert "no exercise that grades itself" in refused(capsys, CHAPTER, "--out", tmp_path / "course")
    assert not (tmp_path / "course").exists()


def test_an_interrupted_call_puts_everything_back(root, tmp_path, monkeypatch):
    course = tmp_path / "course"
    chapter = notebooks.find_chapter(root, CHAPTER)
    for name in ("source", "release"):
        (course / name / "autoencoder").mkdir(parents=True)
        (course / name / "autoencoder/autoencoder.ipynb").write_text("{}")
    (course / "nbgrader_config.py").write_text("c = get_config()\n")
    before = {p: p.is_file() and p.read_text() for p in course.rglob("*")}

    def interrupted(*_):
        assert "BEGIN SOLUTION" in (course / "source/autoencoder/autoencoder.ipynb").read_text()
        raise KeyboardInterrupt

    monkeypatch.setattr(assignment, "_generate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        assignment.write(root, chapter, course, force=True)
    assert {p: p.is_file() and p.read_text() for p in course.rglob("*")} == before
