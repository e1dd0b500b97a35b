"""The stored notebooks: the contract of a run and the rules of the format, each of which is shown to fail."""

import base64
import copy
import warnings
from pathlib import Path

import nbformat
import pytest

from genlib.course import notebooks, stamp
from genlib.course.author import rules
from genlib.course.notebooks import INSTALL, PARAMETERS, code_cells

ROOT = Path(__file__).resolve().parents[2]


def broken_rules(notebook, install, name=None):
    """Everything that is wrong with a stored notebook, in sentences."""
    return notebooks.problems(notebook, install, name) + rules.broken(notebook, ROOT)


# --- the stored chapters ----------------------------------------------------------------------------------------------


def test_contract(chapter, root):
    broken = broken_rules(notebooks.read(chapter.path), notebooks.install_source(root), chapter.name)
    assert not broken, "\n".join(broken)


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

URL, PNG = "https://example.org/book", base64.b64encode(b"\x89PNG" + bytes(100)).decode()


def markdown(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source, *outputs, **metadata):
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": list(outputs)}


def printed(words, name="stdout"):
    return {"output_type": "stream", "name": name, "text": words}


def shown(**data):
    data = {"text/plain": "…", **{k.replace("_", "/"): v for k, v in data.items()}}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def sound():
    """A small notebook that breaks no rule."""
    figure = {"image": {"alt": "Ten digits, each beside its blurred reconstruction."}}
    figure["figure"] = {"caption": "Digits.", "name": "fig-toy-digits"}
    record = {"verdict": "reproduced", "preset": "cpu", "seed": 0, "statement": "It learns."}
    settings = "smoke=dict(data='digits'),\n    cpu=dict(data='mnist'),\n    gpu=dict(data='mnist')"
    ask = "````{exercise}\n:label: ex-toy-%d\nShow that it holds.\n````\n\n"
    solve = "````{solution} ex-toy-%d\n:class: dropdown\n%s\n````\n\n"
    answer = "```python\ndef twice(x):\n    return 2 * x\n```"
    grader = '@genlib.exercise("toy-2").grader\ndef grade(answer):\n    assert answer(2) == 4, "Twice as much."'
    stub = 'def twice(x):\n    ...\n\n\ngenlib.exercise("toy-2").check(twice)'
    cells = [
        markdown("# Toy\n\nIt adds noise to what came before {cite}`somebody2014toy`."),
        code(INSTALL.format(url=URL, branch="main"), tags=["install", "hide-input"]),
        code("import torch\n\nimport genlib", tags=["hide-input"]),
        code(PARAMETERS, tags=["parameters", "hide-input"]),
        code(f"run = genlib.start(preset, seed, {settings})", printed("preset cpu\n"), tags=["hide-input"]),
        markdown("## Idea\n\nWatch the digits."),
        code("plots.grid(x);", shown(image_png=PNG), mystnb=figure),
        markdown("They blur."),
        markdown("## Derivation\n\n$$\na = b\n$$ (eq-toy-one)\n\nBy {eq}`eq-toy-one`."),
        code("check.all()", printed("".join(f"✓ line {i}\n" for i in range(5))), tags=["nbval-check-output"]),
        markdown("## Model"),
        code("class Toy:\n    pass"),
        markdown("## Training"),
        code("def step(x, _):\n    return {'loss': loss(x).detach()}"),
        markdown("## Results"),
        markdown("## Does the claim hold?"),
        code("claim(run)", {"output_type": "display_data", "data": {notebooks.MIME: record}, "metadata": {}}),
        markdown("## What goes wrong"),
        markdown("## Exercises\n\n" + "".join(ask % i + solve % (i, "So it is.") for i in range(2)) + ask % 2),
        code(grader, tags=["grader", "hide-input"]),
        code(stub, printed("toy-2: not yet."), tags=["exercise"], genlib={"exercise": "toy-2", "points": 2}),
        markdown(solve % (2, answer)),
        markdown("## Summary"),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    told = {"slug": "toy", "family": "ae", "title": "Toy", "paper": "somebody2014toy", "year": 2014}
    told |= {"builds_on": [], "goals": ["derive it"], "data": "digits"}
    notebook = {"cells": cells, "metadata": {"genlib": {"chapter": told}}, "nbformat": 4, "nbformat_minor": 5}
    for count, cell in enumerate(code_cells(notebook), 1):
        cell["execution_count"] = count
    restamp(notebook)
    return notebook


def restamp(notebook, preset="cpu"):
    told = {"preset": preset, "seed": 0, "seconds": 1.0, "device": "a CPU", "peak_memory_mb": 1, "versions": {}}
    notebook["metadata"]["genlib"]["stamp"] = stamp.make_stamp(notebook, **told)


def find(notebook, start):
    return next(c for c in notebook["cells"] if c["source"].startswith(start))


def replace(notebook, start, old, new):
    cell = find(notebook, start)
    assert old in cell["source"]
    cell["source"] = cell["source"].replace(old, new)


def drop(notebook, start):
    notebook["cells"].remove(find(notebook, start))


def test_a_sound_notebook_breaks_no_rule():
    assert broken_rules(sound(), INSTALL.format(url=URL, branch="main"), "ae/toy") == []


DAMAGE = {
    "no title": (lambda n: replace(n, "# Toy", "# Toy", "Toy"), "not a title"),
    "a heading missing": (lambda n: drop(n, "## Model"), "headings"),
    "headings swapped": (lambda n: n["cells"].append(n["cells"].pop(8)), "headings"),
    "another path": (lambda n: n["metadata"]["genlib"]["chapter"].update(slug="other"), "its path"),
    "no goals": (lambda n: n["metadata"]["genlib"]["chapter"].pop("goals"), "lacks goals"),
    "another install cell": (lambda n: replace(n, "# On Colab", "%pip install -q", "%pip install"), "_config.yml"),
    "no parameters": (lambda n: find(n, "preset =")["metadata"].update(tags=["hide-input"]), "tagged parameters"),
    "another default": (lambda n: replace(n, "preset =", "auto", "cpu"), "tagged parameters"),
    "four checks": (lambda n: find(n, "check.")["outputs"].__setitem__(0, printed("✓ one\n" * 4)), "at least 5"),
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
        lambda n: find(n, "claim(")["outputs"][0]["data"][notebooks.MIME].update(seed=7),
        "not the stamp's",
    ),
    "a claim that is not judged": (
        lambda n: find(n, "claim(")["outputs"][0]["data"][notebooks.MIME].update(verdict="not judged (smoke preset)"),
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
    "an exercise without words": (lambda n: replace(n, "## Exercises", "Show that it holds.", "- x"), "sentence"),
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
    "paper not cited": (lambda n: replace(n, "# Toy", "{cite}", ""), "is not cited"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_each_rule_can_fail(damage):
    notebook = sound()
    change, sentence = DAMAGE[damage]
    change(notebook)
    found = broken_rules(notebook, INSTALL.format(url=URL, branch="main"), "ae/toy")
    assert any(sentence in f for f in found), found
