"""The stored notebooks: the contract of a run and the rules of the format, each of which is shown to fail."""

import base64
import copy
import warnings
from pathlib import Path

import nbformat
import pytest
from sound import (
    ANSWER,
    PREDICT,
    URL,
    code,
    drop,
    figure,
    find,
    markdown,
    more,
    printed,
    replace,
    restamp,
    shown,
    sound,
)

from genlib import mime
from genlib.course import beside, notebooks, stamp
from genlib.course.author import rules, spine
from genlib.course.notebooks import INSTALL

ROOT = Path(__file__).resolve().parents[2]


def broken_rules(notebook, install, name=None):
    """Everything that is wrong with a stored notebook, in sentences."""
    return notebooks.problems(notebook, install, name) + rules.broken(notebook, ROOT) + spine.broken(notebook)


# --- the stored chapters ----------------------------------------------------------------------------------------------


def test_file(chapter):
    """Stored the way every tool writes it: one space of indentation, unescaped, a line end at the end; small."""
    raw = chapter.path.read_bytes()
    assert len(raw) <= notebooks.MAX_BYTES
    assert raw.endswith(b"}\n") and b"\r\n" not in raw
    written = nbformat.writes(nbformat.reads(raw.decode(), as_version=4)) + "\n"
    assert raw.decode() == written


def test_run_with_this_genlib(chapter):
    """A change in genlib does not void sixty stored runs; it is told, so that somebody decides."""
    if stamp.genlib_changed(notebooks.read(chapter.path)):
        warnings.warn(f"{chapter.name} was run with another state of genlib's core than this one", stacklevel=1)


def test_every_notebook_is_in_the_table_of_contents(root):
    listed = {c.path.resolve() for c in notebooks.chapters(root)}
    assert listed
    assert listed == {p for p in (root / "chapters").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts}


# --- each rule can fail -----------------------------------------------------------------------------------------------


def test_a_sound_notebook_breaks_no_rule():
    assert broken_rules(sound(), INSTALL.format(url=URL, branch="main"), "ae/toy") == []
    by_handle = sound()  # the promise kept by the handle of its display
    replace(by_handle, "plots", "display(x, display_id=", "handle = display(x, display_id=")
    replace(by_handle, "update_display", "update_display(x, display_id='promise')", "handle.update(x)")
    assert not list(spine.promise(by_handle))


DAMAGE = {
    "no title": (lambda n: replace(n, "# Toy", "# Toy", "Toy"), "not a title"),
    "a heading missing": (lambda n: drop(n, "## Model"), "headings"),
    "headings swapped": (lambda n: n["cells"].append(n["cells"].pop(8)), "headings"),
    "another path": (lambda n: n["metadata"]["genlib"]["chapter"].update(slug="other"), "its path"),
    "no goals": (lambda n: n["metadata"]["genlib"]["chapter"].pop("goals"), "lacks goals"),
    "another install cell": (lambda n: replace(n, "# On Colab", "%pip install -q", "%pip install"), "_config.yml"),
    "no parameters": (lambda n: find(n, "preset =")["metadata"].update(tags=["hide-input"]), "tagged parameters"),
    "another default": (lambda n: replace(n, "preset =", "auto", "cpu"), "tagged parameters"),
    "four checks": (lambda n: find(n, "check.")["outputs"].__setitem__(0, printed("✓ one\n" * 2)), "at least 5"),
    "noise among checks": (lambda n: find(n, "check.")["outputs"].append(printed("loss 3.1\n")), "other output"),
    "no claim": (lambda n: find(n, "claim(")["outputs"].clear(), "no claim"),
    "41 lines": (lambda n: replace(n, "class Toy", "pass", "pass\n" * 40), "42 lines"),
    "93 columns": (lambda n: replace(n, "class Toy", "pass", "pass  # " + 81 * "x"), "than 92 columns in 1"),
    "an error": (
        lambda n: find(n, "class Toy")["outputs"].append(
            {"output_type": "error", "ename": "ValueError", "evalue": "", "traceback": []}
        ),
        "stores an error",
    ),
    "stderr": (lambda n: find(n, "class Toy")["outputs"].append(printed("a warning\n", "stderr")), "stderr"),
    "a path": (lambda n: find(n, "class Toy")["outputs"].append(printed("saved to /" + "home/a/b\n")), "names a path"),
    "a large picture": (
        lambda n: find(n, "plots")["outputs"].__setitem__(
            0, shown(image_png=base64.b64encode(bytes(160_000)).decode())
        ),
        "160 KB",
    ),
    "a large notebook": (lambda n: find(n, "## Model").update(source="## Model\n" + "a " * 800_000), "MB"),
    "no caption": (lambda n: find(n, "plots")["metadata"]["mystnb"].pop("figure"), "caption"),
    "no alt text": (lambda n: find(n, "plots")["metadata"]["mystnb"].pop("image"), "alt text"),
    "not run": (lambda n: find(n, "class Toy").update(execution_count=None), "not run"),
    "injected": (lambda n: find(n, "class Toy")["metadata"].update(tags=["injected-parameters"]), "injected"),
    "an nbval tag": (lambda n: find(n, "class Toy")["metadata"].update(tags=["nbval-skip"]), "nbval tag"),
    "widgets": (lambda n: n["metadata"].update(widgets={}), "widget"),
    "double ids": (lambda n: n["cells"][3].update(id=n["cells"][4]["id"]), "valid:"),
    "no id": (lambda n: n["cells"][3].pop("id"), "valid:"),
    "run out of order": (lambda n: find(n, "class Toy").update(execution_count=3), "counts:"),
    "never run": (lambda n: n["metadata"]["genlib"].pop("stamp"), "is never"),
    "code changed after the run": (lambda n: replace(n, "class Toy", "pass", "x = 1"), "is stale"),
    "a stored smoke run": (lambda n: restamp(n, "smoke"), "preset smoke"),
    "a claim of another run": (
        lambda n: find(n, "claim(")["outputs"][0]["data"][mime.CLAIM].update(seed=7),
        "not the stamp's",
    ),
    "a claim that is not judged": (
        lambda n: find(n, "claim(")["outputs"][0]["data"][mime.CLAIM].update(verdict="not judged (smoke preset)"),
        "not judged",
    ),
    "a preset apart": (lambda n: replace(n, "run =", "gpu=dict(data='mnist')", "gpu=GPU"), "gpu=dict"),
    "presets that differ": (lambda n: replace(n, "run =", "cpu=dict(", "cpu=dict(steps=1, "), "same keys"),
    "two exercises": (
        lambda n: replace(n, "## Exercises", "{exercise}\n:label: ex-toy-1", "{note}"),
        "2 exercises",
    ),
    "no solution": (lambda n: replace(n, "## Exercises", "{solution} ex-toy-1", "{note} x"), "has no solution"),
    "an open solution": (lambda n: replace(n, "## Exercises", ":class: dropdown", ""), "not collapsed"),
    "nothing to grade": (lambda n: find(n, "def twice")["metadata"].update(tags=[]), "no exercise grades itself"),
    "no grader": (lambda n: drop(n, "@genlib"), "no exercise grades itself"),
    "a grader of another name": (lambda n: replace(n, "@genlib", "toy-2", "toy-3"), "does not register it"),
    "a grader in sight": (lambda n: find(n, "@genlib")["metadata"].update(tags=["grader"]), "not tagged hide-input"),
    "a name beside its label": (lambda n: find(n, "def twice")["metadata"]["genlib"].update(exercise="x"), "toy-2"),
    "no points": (lambda n: find(n, "def twice")["metadata"]["genlib"].pop("points"), "has no points"),
    "no check": (lambda n: replace(n, "def twice", "genlib.exer", "print() or genlib.exer"), "does not end with"),
    "an answer in two pieces": (
        lambda n: replace(n, "````{solution}", "    return", "```\n```python\n"),
        "one ```python",
    ),
    "an answer of another name": (lambda n: replace(n, "````{solution}", "twice", "double"), "does not define"),
    "a stray cell": (lambda n: find(n, "class Toy")["metadata"].update(tags=["grader"]), "2 cells are tagged grader"),
    "an exercise without words": (
        lambda n: replace(n, "## Exercises", "(•, 5 minutes) Show that it holds.", "- x"),
        "sentence",
    ),
    "a private TeX command": (lambda n: replace(n, "## Derivation", "a = b", r"a = \E b"), "only the site defines"),
    "an equation without a label": (lambda n: replace(n, "## Derivation", " (eq-toy-one)", ""), "without a label"),
    "a label twice": (lambda n: replace(n, "## Derivation", "By", "$$ c $$ (eq-toy-one)\n\nBy"), "same label"),
    "no reference": (lambda n: replace(n, "## Derivation", "{eq}", ""), "referred to"),
    "align": (lambda n: replace(n, "## Model", "Model", "Model\n\\begin{align}a\\end{align}"), "align"),
    "a figure without a name": (lambda n: find(n, "plots")["metadata"]["mystnb"]["figure"].pop("name"), "no name"),
    "an empty alt text": (lambda n: find(n, "plots")["metadata"]["mystnb"]["image"].update(alt="figure"), "describe"),
    "nothing said after a figure": (lambda n: drop(n, "They blur."), "after the figure"),
    "two figures on end": (lambda n: n["cells"].insert(6, copy.deepcopy(find(n, "plots"))), "before the figure"),
    "a script": (lambda n: find(n, "class Toy")["outputs"].append(shown(text_html="<script>")), "needs a script"),
    "another host": (
        lambda n: find(n, "class Toy")["outputs"].append(shown(text_html='<img src="https://example.org/a.png">')),
        "another host",
    ),
    "a widget": (lambda n: find(n, "class Toy")["outputs"].append(shown(**{"application/x": "1"})), "of the type"),
    "a step that waits": (lambda n: replace(n, "def step", "detach()", "item()"), "waits"),
    "a title that differs": (lambda n: replace(n, "# Toy", "# Toy", "# Toys"), "the title is not"),
    "no lead": (lambda n: find(n, "# Toy").update(source="# Toy\n"), "no lead"),
    "paper not cited": (lambda n: replace(n, "# Toy", "somebody2014toy", "another2014"), "is not cited"),
    # What a reader is given.
    "2,501 words": (lambda n: find(n, "## Model").update(source="## Model\n\n" + "word " * 2501), "of at most 2,500"),
    "26 cells": (lambda n: more(n, "## Model", *(code(f"x = {i}") for i in range(25))), "code cells in sight"),
    "251 lines": (lambda n: more(n, "## Model", *(code("x = 1\n" * 36) for _ in range(7))), "lines of code in sight"),
    "46 minutes": (
        lambda n: find(n, "## Model").update(source="## Model\n\n" + "$$ a $$ (eq-a)\n\n" * 46),
        "minutes, of at most 45",
    ),
    "five figures": (lambda n: drop(n, "grid(1)"), "5 figures, not 6 to 9"),
    "ten figures": (
        lambda n: more(n, "## Results", *(figure(f"more-{i}", "grid();") for i in range(4))),
        "10 figures, not 6 to 9",
    ),
    "a long Further": (
        lambda n: find(n, "### Further").update(source="### Further: a proof\n\n" + "word " * 1500),
        "what is Further has 1,503 words",
    ),
    "Further in a section's title": (lambda n: replace(n, "### Further", "###", "##"), "elsewhere than in the title"),
    "Further in a paragraph": (
        lambda n: replace(n, "### Further", "### Further: a proof", "**Further:** a proof"),
        "elsewhere than in the title",
    ),
    "Further without a title": (lambda n: replace(n, "### Further", ": a proof", ""), "is not named"),
    "two Further of one name": (
        lambda n: more(n, "class Toy", markdown("### Further: a proof\n\nx")),
        "two subsections",
    ),
    "a spine that leans on Further": (
        lambda n: replace(n, "class Toy", "pass", "size = aside"),
        "Further alone: aside",
    ),
    "an exercise that leans on Further": (
        lambda n: replace(n, "def twice", "...", "return aside"),
        "Further alone: aside",
    ),
    "one question": (lambda n: replace(n, "## Idea", "{predict}", "{note}"), "1 questions to predict"),
    "four questions": (
        lambda n: more(n, "They blur.", markdown(PREDICT % "a"), markdown(PREDICT % "b")),
        "4 questions to predict",
    ),
    "a question in Further": (lambda n: more(n, "### Further", markdown(PREDICT % "a")), "stands under 'a proof'"),
    "a question after the end": (lambda n: more(n, "## Summary", markdown(PREDICT % "a")), "stands under 'Summary'"),
    "no promise": (lambda n: replace(n, "plots", "display_id", "x"), "no picture of the results"),
    "a promise that is not kept": (lambda n: drop(n, "update_display"), "no later cell fills"),
    "another handle is filled": (
        lambda n: replace(n, "update_display", "update_display(x, display_id='promise')", "other.update(x)"),
        "no later cell fills",
    ),
    "a step that is not checked": (lambda n: replace(n, "check.step", "check.step", "check.equal"), "check.step"),
    "a step's check in a comment": (lambda n: replace(n, "check.step", "check", "# check"), "check.step"),
    "a step's check in Further": (
        lambda n: more(n, "def step", markdown("### Further: the step")),
        "no check cell in Training",
    ),
    "a step's check without its tag": (
        lambda n: find(n, "check.step")["metadata"].update(tags=["hide-input"]),
        "no check cell in Training",
    ),
    "no bug to find": (lambda n: drop(n, "**Find"), "has no 'Find the bug'"),
    "a bug elsewhere": (
        lambda n: n["cells"].insert(8, n["cells"].pop(n["cells"].index(find(n, "**Find")))),
        "has no 'Find",
    ),
    "a bug without code": (lambda n: replace(n, "**Find", "```python", "```text"), "shows no code"),
    "a bug without an answer": (lambda n: replace(n, "**Find", ANSWER, "The loss is constant."), "no folded answer"),
    "a bug that no check exposes": (lambda n: drop(n, "check.equal"), "no check behind Find the bug"),
    "six exercises": (
        lambda n: replace(
            n, "## Exercises", "## Exercises\n", "## Exercises\n" + 3 * "```{exercise} A\n(•, 5 min) B\n```\n"
        ),
        "6 exercises, of at most 5",
    ),
    "an exercise without minutes": (
        lambda n: replace(n, "## Exercises", "(•, 5 minutes)", "(•)"),
        "difficulty and min",
    ),
    "an exercise of four dots": (lambda n: replace(n, "## Exercises", "(•,", "(••••,"), "difficulty and minutes"),
    "six bullets": (lambda n: replace(n, "## Summary", "- It", 5 * "- More.\n" + "- It"), "6 bullets"),
    "no bullets": (lambda n: replace(n, "## Summary", "- It", "It"), "0 bullets"),
    "nowhere to go next": (lambda n: replace(n, "## Summary", "{doc}", ""), "where to go next"),
    "no Korean summary": (lambda n: replace(n, "## Summary", "한국어 요약", "In Korean"), "no folded Korean"),
    "four Korean sentences": (lambda n: replace(n, "## Summary", "잘 배운다. ", "", 1), "4 sentences, not 5 to 8"),
    "a Korean summary in English": (lambda n: replace(n, "## Summary", "잘 배운다", "It learns"), "0 sentences"),
    "a check in sight": (
        lambda n: find(n, "check.all")["metadata"].update(tags=["nbval-check-output"]),
        "cell 10 (check)",
    ),
    "a plot in sight": (lambda n: find(n, "grid(1)")["metadata"].pop("tags"), "(plot)"),
    "a table in sight": (lambda n: find(n, "class Toy")["outputs"].append(shown(text_html="<table>")), "(table)"),
    "no card": (lambda n: replace(n, "# Toy", "**Cost**", "**Price**"), "the fact card lacks Cost"),
    "no link to what it builds on": (
        lambda n: n["metadata"]["genlib"]["chapter"].update(builds_on=["ae/before"]),
        "does not link ae/before",
    ),
    "a cost that was not measured": (lambda n: replace(n, "# Toy", "1 s on one core", "little"), "stored run"),
    "the cost of another run": (lambda n: replace(n, "# Toy", "1 s on one core", "2 min 3 s on one"), "says 123 s"),
    "no laptop": (lambda n: replace(n, "# Toy", "laptop", "phone"), "a T4 and a laptop"),
    "eleven slides": (lambda n: find(n, "They blur.")["metadata"].pop("slideshow"), "11 slides, not 12 to 20"),
    "21 slides": (
        lambda n: find(n, "They blur.")["metadata"].update(genlib={"slide": ["## a"] * 10, "notes": "x"}),
        "21 slides, not 12 to 20",
    ),
    "four notes": (lambda n: find(n, "They blur.")["metadata"].pop("genlib"), "4 of its slides have notes"),
    "a place of the skeleton": (
        lambda n: replace(n, "They blur.", "They", beside.UNWRITTEN + "they"),
        "still to write",
    ),
    "a caption of the skeleton": (
        lambda n: find(n, "plots")["metadata"]["mystnb"]["figure"].update(caption=beside.UNWRITTEN + "x"),
        "still to write",
    ),
    "the skeleton's exercise": (lambda n: replace(n, "def twice", "twice", "squared_length"), "the skeleton's"),
    "goals of the skeleton": (
        lambda n: n["metadata"]["genlib"]["chapter"].update(goals=[beside.UNWRITTEN + "x"]),
        "goals or data in metadata",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_each_rule_can_fail(damage):
    notebook = sound()
    change, sentence = DAMAGE[damage]
    change(notebook)
    found = broken_rules(notebook, INSTALL.format(url=URL, branch="main"), "ae/toy")
    assert any(sentence in f for f in found), found
