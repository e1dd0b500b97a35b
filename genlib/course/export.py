"""A chapter as a notebook that any Jupyter shows: JupyterLab, Colab, VS Code, GitHub know nothing of MyST.

Equations carry the numbers of the page, references are links or words, exercises are text with their number, solutions
and reasons fold. Code whose source the page folds is folded by metadata: ``jupyter.source_hidden`` for JupyterLab,
``cellView`` and a line ``#@title`` for Colab; in VS Code and on GitHub, which fold no code, that line says what it is.
Outputs, stamp and the code itself stay as they are.
"""

import copy
import re

from .. import __version__, mime
from . import notebooks, stamp
from .notebooks import CourseError
from .references import Book, Shelf
from .resolve import plain

KEPT = ("tags",)  # of a cell's metadata; the rest is for the page and the slides, in MyST

# What is MyST's and nobody else's, outside of code and formulas; and what stands for code and formulas.
LEFT = {
    "a role": r"\{[\w:.+-]+\}`",
    "a directive": r"^[ \t]*(?:`{3,}|~{3,}|:{3,})[ \t]*\{",
    "a colon fence": r"^[ \t]*:{3,}",
    "an option": r"^[ \t]*:(?:label|class|name|width|alt|align|header-rows|nonumber):",
    "a label of an equation": r"\$\$[ \t]*\([\w:.-]+\)",
    "a label": r"^[ \t]*\([\w:.-]+\)=[ \t]*$",
    "a comment": r"^%",
    "a break of blocks": r"^\+\+\+",
    "an attribute": r"(?<=[\])`])\{[^}\n]*\}|^\{[.#][^{}\n]*\}[ \t]*$",
    "a link into the source": r"\]\((?!https?:|mailto:)[^)]*\)|\[\]\(",
    "a substitution": r"\{\{\s*\w+\s*\}\}",
    "a footnote": r"\[\^\w+\]",
}
FENCE = re.compile(r"^[ \t]*(?P<mark>`{3,}|~{3,})(?P<rest>[^`]*)$")
WITHIN = re.compile(
    r"\$\$.+?\$\$|(?<![\\$])\$(?![\s$])(?:\\.|[^$\\])+?\$"
    r"|(?<![`}])(?P<tick>`{1,2})(?!`)(?:(?!\n\n).)+?(?<!`)(?P=tick)(?!`)",
    re.DOTALL,
)


def export(root, chapter, shelf=None):
    """The notebook of ``chapter`` (notebooks.Chapter) for others than the book: a dict of nbformat 4.5. shelf: one for
    all that are made in a row.

    The same chapter gives the same notebook. Raises CourseError, also if something of MyST would be left.
    """
    notebook = notebooks.read(chapter.path)
    book = Book(root, chapter, links=True, folds=True, shelf=shelf)
    figures = book.shelf.items(chapter)
    cells = []
    for at, (cell, role) in enumerate(zip(notebook["cells"], notebooks.roles(notebook), strict=True)):
        try:
            if cell["cell_type"] == "markdown":
                source = plain(notebooks.text(cell["source"]), book)
                source += "\n\n" + about(notebook, book) if at == 0 else ""
                cells += [_markdown(cell["id"], source)] if source else []
                continue
            cells.append(_code(cell, role) if cell["cell_type"] == "code" else copy.deepcopy(cell))
            if pictures := [item for item in figures.get(at, ()) if item.kind == "Figure"]:
                numbers = " and ".join(item.number for item in pictures)
                name = f"Figure{'s' * (len(pictures) > 1)} {numbers}"
                cells.append(_markdown(f"{cell['id'][:55]}-caption", f"**{name}.** {plain(pictures[0].title, book)}"))
        except CourseError as error:
            raise CourseError(f"{chapter.name}, cell {at + 1}: {error}") from error
    metadata = {k: notebook["metadata"][k] for k in ("kernelspec", "language_info") if k in notebook["metadata"]}
    told = notebook["metadata"].get("genlib", {})
    metadata["genlib"] = {k: told[k] for k in ("chapter", "stamp") if k in told} | {"export": __version__}
    made = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    if found := leftovers(made):
        cell, what, words = found[0]
        raise CourseError(
            f"{chapter.name}: {what} would be left in the export, {words!r} (its cell {cell}): write it in another way."
        )
    return made


def write(root, chapters, out):
    """Write the exports of ``chapters`` to ``out``/<family>/<slug>.ipynb, all or none; their paths.

    Raises CourseError, also where a notebook would be replaced that is no export.
    """
    shelf = Shelf(root)
    made = {out / f"{chapter.name}.ipynb": export(root, chapter, shelf) for chapter in chapters}
    for path in made:
        if path.exists() and "export" not in notebooks.read(path)["metadata"].get("genlib", {}):
            raise CourseError(f"{path} is no export and would be replaced: choose another folder with --out.")
    for path, notebook in made.items():
        notebooks.store(path, notebook)
    return list(made)


def leftovers(notebook):
    """(number of the cell, what, the words) of all that only MyST understands in a notebook's Markdown."""
    found = []
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] != "markdown":
            continue
        text = _without_code(notebooks.text(cell["source"]))
        bare = WITHIN.sub(lambda m: "$$" if m[0].startswith("$$") else "x", text)
        for what, pattern in LEFT.items():
            # A formula of two dollars is left as its end, so that a label behind it is seen.
            found += [(number, what, m[0].strip()) for m in re.finditer(pattern, bare, re.MULTILINE)]
    return found


def _without_code(source):
    """The lines outside of fenced code; those that open a directive are no code."""
    kept, mark = [], None
    for line in source.split("\n"):
        fence = FENCE.match(line)
        if mark is None and fence and not fence["rest"].strip().startswith("{"):
            mark = fence["mark"]
        elif mark is None:
            kept.append(line)
        elif fence and fence["mark"].startswith(mark) and not fence["rest"].strip():
            mark = None
    return "\n".join(kept)


def about(notebook, book):
    """Under the facts of a chapter: which edition this is, where its page is, and what made the outputs."""
    address = book.addresses.page(f"/chapters/{book.chapter.name}")
    parts = [f"[The page of this chapter]({address})"] if address else []
    parts.append(f"edition {__version__}")
    if made := stamp.stamp_of(notebook):
        parts.append(
            f"outputs of preset {made['preset']}, seed {made['seed']}, on {made['device']}, {made['date'][:10]}"
        )
    return f"*{' · '.join(parts)}*"


def _markdown(name, source):
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source.splitlines(keepends=True)}


def _code(cell, role):
    made = copy.deepcopy(cell)
    for output in made["outputs"]:
        output.get("data", {}).pop(mime.LIVE, None)  # weights for the page alone: its words stay
    told = {k: v for k, v in cell["metadata"].get("genlib", {}).items() if k in ("exercise", "points")}
    made["metadata"] = {k: v for k, v in cell["metadata"].items() if k in KEPT} | ({"genlib": told} if told else {})
    if "hide-input" in notebooks.tags(cell):
        made["metadata"] |= {"jupyter": {"source_hidden": True}, "cellView": "form"}
        made["source"] = f"#@title Show the {role}\n{notebooks.text(cell['source'])}".splitlines(keepends=True)
    return made
