"""What a machine can check of a chapter beyond the contract of a run (``notebooks.problems``): of its prose, its
equations, figures, exercises and presets.

Each rule is a function from a notebook (a dict, with its outputs) to sentences, none if it holds.
"""

import ast
import copy
import re
import warnings

from ... import mime
from .. import exercises as course_exercises
from .. import notebooks, stamp
from ..notebooks import code_cells, parsed, prose, section, tags, text

MAX_COLUMNS = 92  # of code, in a window 1280 pixels wide


def valid(notebook):
    """nbformat's schema, where a missing or double cell id is only warned of."""
    import nbformat

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
        calls = [n for n in ast.walk(parsed(text(cell["source"]))) if isinstance(n, ast.Call)]
        start = [c for c in calls if ast.unparse(c.func) == "genlib.start"]
        if not start:  # it is spoken of only
            continue
        given = {k.arg: k.value for k in start[0].keywords}
        for name in notebooks.PRESETS:
            if not isinstance(given.get(name), ast.Call) or ast.unparse(given[name].func) != "dict":
                yield f"the preset {name} is not written as {name}=dict(...)"
                return
        keys = {name: {k.arg for k in given[name].keywords} for name in notebooks.PRESETS}
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


def figures(notebook):
    """Each figure has a name and an alt text that describes, prose before it, and after it what was seen."""
    cells, names, said = notebook["cells"], [], False
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "markdown":
            said = True
            continue
        about = cell["metadata"].get("mystnb", {})
        shown = any(key.startswith("image/") for o in cell["outputs"] for key in o.get("data", {}))
        if not shown and (cell["outputs"] or "figure" not in about):  # one that was not run yet is what it says it is
            continue
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
    """Only what a page shows with no network: text, HTML without scripts, PNG or GIF, records of claims and rows."""
    known = {"text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/gif"}
    known |= {mime.CLAIM, mime.ROW, mime.LIVE}
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
        for node in ast.walk(parsed(source)):
            if isinstance(node, ast.FunctionDef) and re.match(r"step(_|$)|.*_step$", node.name):
                called = {n.func.attr for n in ast.walk(node) if isinstance(n, ast.Call) and hasattr(n.func, "attr")}
                if called & {"item", "cpu", "numpy", "tolist"}:
                    yield f"cell {number}: {node.name} waits for the device ({', '.join(sorted(called))})"


def columns(notebook):
    """A page shows code in its whole width. The install cell may be wider: it has the address of a fork."""
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "code" and "install" not in tags(cell):
            wide = [line.strip() for line in text(cell["source"]).split("\n") if len(line) > MAX_COLUMNS]
            if wide:
                first = f"the first is {wide[0][:60]} …"
                yield f"cell {number}: more than {MAX_COLUMNS} columns in {len(wide)} of its lines: {first}"


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


# Of what the author writes: known before a run.
BEFORE = (presets, exercises, graded, equations, figures, steps, columns, lead)
RULES = (valid, counts, stamped, outputs, *BEFORE)


def private_commands(notebook, root):
    """The site's own TeX commands (_config.yml) are for book/ alone: a chapter is read in Colab too."""
    sphinx = (notebooks.read_yaml(root / "_config.yml") or {}).get("sphinx") or {}
    macros = sphinx.get("config", {}).get("mathjax3_config", {}).get("tex", {}).get("macros", ())
    found = re.findall(rf"\\(?:{'|'.join(macros)})(?![A-Za-z])", prose(notebook)) if macros else ()
    if found:
        yield f"commands that only the site defines, Colab does not: {', '.join(sorted(set(found)))}"


def broken(notebook, root, rules=RULES):
    """Every one of the rules that a chapter breaks, in sentences."""
    found = [f"{rule.__name__}: {sentence}" for rule in rules for sentence in rule(notebook)]
    return found + [f"equations: {sentence}" for sentence in private_commands(notebook, root)]
