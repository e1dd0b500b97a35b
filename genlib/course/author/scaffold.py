"""A skeleton for a new chapter, and what every chapter has from ``_config.yml``: install cell and links to Colab."""

import json
import re

from .. import notebooks
from ..addresses import Addresses
from . import companions

LEAD = """\
# {title}

Say in one sentence what this system adds to the chapter before it.

| | |
|---|---|
| **Paper** | Cite it with the role {{cite:t}} |
| **Builds on** | Link the chapters that a reader should have read |
| **Data** | Name the data sets of the presets |
| **Cost** | the line under the title says what the stored run took and where |
| **You will be able to** | Name the two or three things that a reader takes home: the goals in the metadata |
"""

PRESETS = """\
run = genlib.start(
    preset,
    seed,
    smoke=dict(data="digits", steps=60, batch=64),
    cpu=dict(data="mnist", steps=3000, batch=128),
    gpu=dict(data="mnist", steps=20000, batch=128),
)
s = run.settings"""

PROSE = {
    "Idea": "Show the problem, a failure of the chapter before, in a figure or a number; then the idea that mends it.",
    "Derivation": (
        "Go from the goal to the loss, one move a step, every step justified and every equation numbered. After each "
        "identity that a computer can check comes a cell like the next one: both sides, computed in different ways."
    ),
    "Model": "The networks and the loss, whole, with the names that the equations use.",
    "Training": "The step with its updates in the open, one call that runs it, the curve of every term of the loss.",
    "Results": "Pictures first, a sentence before each that says what to look for; then numbers on held-out data.",
    "Does the claim hold?": (
        "State the paper's claim and the number that counts as meeting it; train the baseline on the same budget; end "
        "the cell with `claim(...)`. Say what did not hold as plainly as what did."
    ),
    "What goes wrong": "Provoke the failure that bites in practice, show it, and mend it.",
    "Exercises": (
        "At least three, from paper and pencil to a small experiment, each with its solution folded beneath. One or "
        "more grade themselves, in four cells like these: put yours in their place, and what people get wrong into "
        "the chapter's own file in `tests/chapters/answers`. The number of an exercise stands in five places: its "
        "label and its solution's, the grader, the stub's last line, the stub's metadata."
    ),
    "Summary": "Five lines at most, and where to go next.",
}

# An exercise that grades itself: its sentence, its grader, its stub, its solution. {slug} has hyphens.
ASK = """\
````{{exercise}} The length of a row
:label: ex-{slug}-1

Complete the function below, which returns the squared length of each row of a matrix.
````"""
GRADER = """\
@genlib.exercise("{slug}-1").grader
def grade(squared_length):
    # Properties, special values, sampling, autograd: not the formula that is asked for. A message is the reader's hint.
    x = torch.randn(5, 3)
    found = squared_length(x)
    assert found.shape == (5,), f"Five rows have five lengths: yours have the shape {{tuple(found.shape)}}."
    assert torch.allclose(squared_length(torch.eye(3)), torch.ones(3)), "The rows of the identity have length one."
    assert torch.allclose(squared_length(-2 * x), 4 * found), "Twice as long is four times as long when squared.\""""
STUB = """\
def squared_length(x):
    \"\"\"The squared length of each row: (B, D) -> (B,).\"\"\"
    ...  # your code


genlib.exercise("{slug}-1").check(squared_length)"""
SOLUTION = """\
````{{solution}} ex-{slug}-1
:class: dropdown

Say why, then give the code: it alone, in place of the stub, is right.

```python
def squared_length(x):
    return (x**2).sum(-1)
```
````"""

# A figure: its code, and what a page and a screen reader are told of it.
FIGURE = '# plots.compare({"data": x, "reconstruction": x_hat});'


def about_figure(slug):
    figure = {"name": f"fig-{slug.replace('_', '-')}-results", "caption": "Say what is shown, in a sentence or two."}
    return {"mystnb": {"figure": figure, "image": {"alt": "Describe it for somebody who cannot see it."}}}


CHECK = '# check.equal("left side = right side", left, right, tol=1e-10)'


def new(root, wanted, title=None):
    """Write ``chapters/<family>/<slug>.ipynb`` and what lies beside it (``companions``); returns the paths written, the
    notebook's first. Raises CourseError if all of it is there, and overwrites nothing.

    wanted: "family/slug", lower-case letters, digits and underscores. What ``book/systems.yml`` knows of the system
    (title, paper, year) is filled in.
    """
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    if not re.fullmatch(r"[a-z][a-z0-9]*/[a-z][a-z0-9_]*", wanted):
        raise notebooks.CourseError(f"{wanted!r} is no family/slug in lower case, such as vae/beta or gan/wgan_gp.")
    family, slug = wanted.split("/")
    path = root / "chapters" / family / f"{slug}.ipynb"
    systems = root / "book" / "systems.yml"
    listed = notebooks.read_yaml(systems).get("systems", []) if systems.exists() else []
    known = next((s for s in listed if (s["family"], s["slug"]) == (family, slug)), {})
    plan = root / "book" / "teaching" / "plan.yml"
    planned = notebooks.read_yaml(plan).get("builds_on", {}).get(wanted, []) if plan.exists() else []
    title = title or known.get("title") or slug.replace("_", " ").title()
    if path.exists():
        if missing := companions.write(root, wanted, title):
            return missing
        raise notebooks.CourseError(f"{path.relative_to(root)} exists already: it is left as it is.")
    chapter = {"slug": slug, "family": family, "title": title, "paper": (known.get("cite") or [""])[0]}
    chapter |= {"year": known.get("year"), "builds_on": planned, "goals": [], "data": ""}

    def setup(source, *names):
        return new_code_cell(source, metadata={"tags": ["hide-input", *names]})

    imports = "import torch\nfrom torch import nn\n\nimport genlib\nfrom genlib import check, claim, data, dist, plots"
    cells = [
        new_markdown_cell(LEAD.format(title=title)),
        setup(notebooks.install_source(root), "install"),
        setup(imports),
        setup(notebooks.PARAMETERS, "parameters"),
        setup(PRESETS),
    ]
    for heading in notebooks.HEADINGS:
        cells.append(new_markdown_cell(f"## {heading}\n\n{PROSE[heading]}"))
        if heading == "Derivation":
            cells.append(new_code_cell(CHECK, metadata={"tags": [notebooks.CHECK]}))
        if heading == "Results":
            cells.append(new_code_cell(FIGURE, metadata=about_figure(slug)))
        if heading == "Exercises":
            hyphened = slug.replace("_", "-")
            about = {"exercise": f"{hyphened}-1", "points": 2}
            grader, stub = GRADER.format(slug=hyphened), STUB.format(slug=hyphened)
            cells += [
                new_markdown_cell(ASK.format(slug=hyphened)),
                new_code_cell(grader, metadata={"tags": ["grader", "hide-input"]}),
                new_code_cell(stub, metadata={"tags": ["exercise"], "genlib": about}),
                new_markdown_cell(SOLUTION.format(slug=hyphened)),
            ]
    notebook = new_notebook(cells=cells, metadata={"genlib": {"chapter": chapter}})
    notebooks.write(path, nbformat.writes(notebooks.clean(notebook)) + "\n")
    return [path, *companions.write(root, wanted, title)]


def sync_url(root):
    """Write what follows from ``_config.yml`` into every chapter's install cell, and into the links to Colab and to the
    former repository in chapters, ``README.md`` and ``book/``. Returns the paths that changed."""
    install = notebooks.install_source(root)
    url, branch = re.search(r"git\+(\S+)@(\S+)\"", install).groups()
    place, exports = url.removeprefix("https://github.com/"), Addresses(root).exports
    found = {c.path: notebooks.read(c.path) for c in notebooks.chapters(root)}
    sources = [
        notebooks.text(c["source"]) for n in found.values() for c in n["cells"] if "install" in notebooks.tags(c)
    ]
    former = {m[1] for s in sources if (m := re.search(r"git\+(\S+)@", s))} - {url}

    def links(words):
        for old in former:
            words = re.sub(rf"{re.escape(old)}(?![\w-])", url, words)
        colab = r"(https://colab\.research\.google\.com/github/)[^/\s]+/[^/\s]+/blob/[^/\s]+/"
        return re.sub(colab, rf"\g<1>{place}/blob/{exports}/", words)

    changed = []
    for path, notebook in found.items():
        before = json.dumps(notebook)
        for cell in notebook["cells"]:
            old = notebooks.text(cell["source"])
            made = (
                install if "install" in notebooks.tags(cell) else links(old) if cell["cell_type"] == "markdown" else old
            )
            if made != old:
                cell["source"] = made.splitlines(keepends=True)
        if json.dumps(notebook) != before:
            notebooks.write(path, json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
            changed.append(path)
    for path in [root / "README.md", *sorted((root / "book").rglob("*.md"))]:
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        if links(old) != old:
            notebooks.write(path, links(old))
            changed.append(path)
    return changed
