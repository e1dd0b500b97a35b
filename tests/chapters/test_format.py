"""The stored notebooks: the contract of genlib.course, and what a machine can check of the prose around it.

Each rule is a function from a notebook (a dict) to sentences, none if it holds; the second half shows that each fails.
"""

import ast
import base64
import copy
import re
import warnings
from pathlib import Path

import nbformat
import pytest

from genlib.course import exercises as course_exercises
from genlib.course import notebooks, stamp
from genlib.course.notebooks import INSTALL, PARAMETERS, code_cells, tags, text

# The site's own TeX commands (_config.yml) are for book/ alone: a chapter is read in Colab too.
CONFIG = notebooks.read_yaml(Path(__file__).resolve().parents[2] / "_config.yml")
MACROS = CONFIG["sphinx"]["config"]["mathjax3_config"]["tex"]["macros"]

# --- rules beyond notebooks.problems ----------------------------------------------------------------------------------


def prose(notebook):
    return "\n\n".join(text(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")


def section(notebook, heading):
    """The markdown under one ## heading, which may begin in the middle of a cell."""
    parts = re.split(r"^## (.+?)\s*$", prose(notebook), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(heading, "")


def valid(notebook):
    """nbformat's schema, where a missing or double cell id is only warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            nbformat.validate(copy.deepcopy(notebook))
        except Exception as error:
            yield f"not a valid notebook: {str(error).splitlines()[0]}"


def counts(notebook):
    """Executed once, from the first cell to the last."""
    seen = [c["execution_count"] for c in code_cells(notebook)]
    if seen != list(range(1, len(seen) + 1)):
        yield f"execution counts are {seen}"


def stamped(notebook):
    """The stored outputs are from the code above them, and from a preset that counts."""
    if stamp.status(notebook) != "fresh":
        yield f"the stored run is {stamp.status(notebook)}: genlib run it"
        return
    told = stamp.stamp_of(notebook)
    lacking = {"preset", "seed", "device", "seconds", "peak_memory_mb", "versions", "date", "genlib"} - set(told)
    if lacking:
        yield f"the stamp lacks {', '.join(sorted(lacking))}"
    elif told["preset"] not in ("cpu", "gpu"):
        yield f"the stored run is of the preset {told['preset']}"
    for record in notebooks.records(notebook):
        if (record["preset"], record["seed"]) != (told.get("preset"), told.get("seed")):
            yield "a claim's preset or seed is not the stamp's"
        if record["verdict"].startswith("not judged"):
            yield f"a claim is not judged: {record['statement']}"


def presets(notebook):
    """The call of genlib.start has the three presets, each a dict(...) in sight, with the same keys."""
    for cell in code_cells(notebook):
        if "genlib.start(" not in text(cell["source"]):
            continue
        calls = [n for n in ast.walk(ast.parse(text(cell["source"]))) if isinstance(n, ast.Call)]
        start = next(c for c in calls if ast.unparse(c.func) == "genlib.start")
        given = {k.arg: k.value for k in start.keywords}
        for name in ("smoke", "cpu", "gpu"):
            if not isinstance(given.get(name), ast.Call) or ast.unparse(given[name].func) != "dict":
                yield f"the preset {name} is not written as {name}=dict(...)"
                return
        keys = {name: {k.arg for k in given[name].keywords} for name in ("smoke", "cpu", "gpu")}
        if not keys["smoke"] == keys["cpu"] == keys["gpu"] or "data" not in keys["gpu"]:
            yield "the presets do not set the same keys, the data set among them"
        return
    yield "no cell calls genlib.start"


def exercises(notebook):
    """Three or more, each a sentence first, each with a collapsed solution."""
    told = section(notebook, "Exercises")
    directive = r"^(`{3,}|:{3,})\{%s\}[ \t]*(\S*)[^\n]*\n(.*?)^\1[ \t]*$"
    asked = [m[3] for m in re.finditer(directive % "exercise", told, re.MULTILINE | re.DOTALL)]
    solved = {m[2]: m[3] for m in re.finditer(directive % "solution", told, re.MULTILINE | re.DOTALL)}
    if len(asked) < 3:
        yield f"{len(asked)} exercises, of at least 3"
    for body in asked:
        label = re.search(r"^:label: (\S+)", body, re.MULTILINE)
        if not label:
            yield "an exercise has no label"
        elif label[1] not in solved:
            yield f"the exercise {label[1]} has no solution"
        elif ":class: dropdown" not in solved[label[1]]:
            yield f"the solution of {label[1]} is not collapsed (:class: dropdown)"
        lines = [n for n in body.splitlines() if n.strip() and not re.match(r":[\w-]+:", n)]
        if not lines or not re.match(r"[*_($\w]", lines[0]):
            yield "an exercise does not begin with a sentence"


def graded(notebook):
    """At least one grades itself, and stands in its four cells as genlib.course.exercises says."""
    return course_exercises.problems(notebook)


def equations(notebook):
    """Every displayed equation of the derivation has a label; labels are unique, and some are referred to."""
    blocks = re.findall(r"\$\$(.+?)\$\$[ \t]*(\([^)\n]*\))?", section(notebook, "Derivation"), re.DOTALL)
    bare = [b.strip()[:50] for b, label in blocks if not re.fullmatch(r"\(eq-[\w-]+\)", label)]
    if not blocks:
        yield "the derivation has no displayed equation"
    if bare:
        yield f"displayed equations without a label (eq-...): {bare}"
    labels = re.findall(r"\$\$[ \t]*\((eq-[\w-]+)\)", prose(notebook))
    if len(labels) != len(set(labels)):
        yield "two equations have the same label"
    if not re.search(r"\{eq\}`", prose(notebook)):
        yield "no equation is referred to ({eq}`eq-...`)"
    if re.search(r"\\begin\{align\*?\}", prose(notebook)):
        yield "a bare align environment gets a random id in every build: use $$ with a label"
    private = sorted(set(re.findall(rf"\\(?:{'|'.join(MACROS)})(?![A-Za-z])", prose(notebook))))
    if private:
        yield f"commands that only the site defines, Colab does not: {', '.join(private)}"


def figures(notebook):
    """Each figure has a name and an alt text that describes, prose before it, and after it what was seen."""
    cells, names, said = notebook["cells"], [], False
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "markdown":
            said = True
            continue
        if not any(key.startswith("image/") for o in cell["outputs"] for key in o.get("data", {})):
            continue
        about = cell["metadata"].get("mystnb", {})
        names.append(about.get("figure", {}).get("name", ""))
        if not names[-1].startswith("fig-"):
            yield f"cell {number}: its figure has no name (fig-...)"
        if len(about.get("image", {}).get("alt", "")) < 30:
            yield f"cell {number}: its alt text does not describe the figure"
        if not said:
            yield f"cell {number}: no sentence before the figure says what to look for"
        after = next((text(c["source"]) for c in cells[number:] if c["cell_type"] == "markdown"), "#")
        if after.startswith("#"):
            yield f"cell {number}: no sentence after the figure says what was seen"
        said = False
    if not names:
        yield "there is no figure"
    if len(names) != len(set(names)):
        yield "two figures have the same name"


def outputs(notebook):
    """Only what a page shows with no network: text, HTML without scripts, PNG or GIF, and the record of a claim."""
    known = {"text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/gif", notebooks.MIME}
    for number, cell in enumerate(notebook["cells"], 1):
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if set(data) - known:
                yield f"cell {number}: output of the type {', '.join(sorted(set(data) - known))}"
            if re.search(r"<script|<iframe|(src|href)\s*=\s*[\"']?(https?:)?//", text(data.get("text/html", ""))):
                yield f"cell {number}: its HTML output needs a script or another host"


def steps(notebook):
    """A step never synchronises with the device: no .item() and the like inside it."""
    for number, cell in enumerate(notebook["cells"], 1):
        source = text(cell["source"])
        if cell["cell_type"] != "code" or "install" in tags(cell) or "def " not in source:
            continue
        for node in ast.walk(ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE))):
            if isinstance(node, ast.FunctionDef) and re.match(r"step(_|$)|.*_step$", node.name):
                called = {n.func.attr for n in ast.walk(node) if isinstance(n, ast.Call) and hasattr(n.func, "attr")}
                if called & {"item", "cpu", "numpy", "tolist"}:
                    yield f"cell {number}: {node.name} waits for the device ({', '.join(sorted(called))})"


def lead(notebook):
    """The first cell: a title, and one or two sentences that cite the paper or build on the chapter before."""
    told = stamp.chapter_of(notebook)
    first = text(notebook["cells"][0]["source"])
    if not first.startswith(f"# {told.get('title')}\n"):
        yield f"the title is not {told.get('title')!r}, as the metadata has it"
    if not first.partition("\n")[2].strip():
        yield "no lead stands under the title"
    if not re.search(r"\{cite(:\w+)?\}`[^`]*" + re.escape(told.get("paper", "?")), prose(notebook)):
        yield f"the paper, {told.get('paper')}, is not cited"


RULES = (valid, counts, stamped, presets, exercises, graded, equations, figures, outputs, steps, lead)


def broken_rules(notebook, install, name=None):
    """Everything that is wrong with a stored notebook, in sentences."""
    found = notebooks.problems(notebook, install, name)
    return found + [f"{rule.__name__}: {sentence}" for rule in RULES for sentence in rule(notebook)]


# --- the stored chapters ----------------------------------------------------------------------------------------------


def test_contract(chapter, root):
    assert broken_rules(notebooks.read(chapter.path), notebooks.install_source(root), chapter.name) == []


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
    settings = "smoke=dict(data='digits'), cpu=dict(data='mnist'), gpu=dict(data='mnist')"
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
