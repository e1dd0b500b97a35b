"""Slides: the marked cells of a chapter as a reveal.js deck, in a folder that is shown without a network.

A cell belongs to the deck if its metadata has a slide type, as JupyterLab writes it:
``slideshow: {"slide_type": "slide" | "subslide" | "fragment" | "-" | "notes"}`` ("skip" leaves it out). Chapters are
written to be read, so that a cell may carry beside it, in its metadata under ``genlib``,

``slide``   Markdown shown instead of a Markdown cell's text, or above what a code cell shows; a list of them: each but
            the first begins a slide of its own;
``input``   true: the code is shown too; a list of names: only these definitions or assignments of it. A cell without
            outputs shows its code anyway, unless it is tagged ``hide-input``;
``output``  false: the outputs are not shown; "pictures": only those are; "text": only tables and what was printed;
``layout``  "columns" on the first cell of a slide: text on the left, pictures on the right;
``reveal``  true: list items, rows of tables and printed lines come one at a time; a number: a picture does, in so many
            bands of equal height, the first of which is there from the start; "all": whatever is no heading;
``notes``   Markdown for the speaker (key S). Where they ask for something before it is shown (see ``ASKS``), the slide
            is revealed as by "all", unless ``reveal`` says how.

All of it is MyST, like the chapter. reveal.js and MathJax come from Python packages (extra ``teach``).
"""

import ast
import base64
import html
import json
import re
import struct
import textwrap
from pathlib import Path

from .. import assets, faces, notebooks, stamp
from ..addresses import Addresses
from ..notebooks import CourseError
from ..references import Book
from ..resolve import plain

TYPES = ("slide", "subslide", "fragment", "-", "notes", "skip")
IMAGES = ("image/png", "image/jpeg", "image/gif")
THING = r"(?:show\w*|formula|table|figure|picture|plot|curve|rows?|answer|proof|result|line)\b"
# "Let them guess before the formula", "Cover the last two rows first", "Show the third row last"
ASKS = re.compile(
    rf"\bbefore\b[^.:;?!]*\b{THING}|(?:^|[.:;!?,]\s+|\b(?:then|and)\s+)(?:cover|hide|uncover|reveal)\b(?![^.]*\bhand)"
    r"|(?:^|[.:;!?]\s+)show [^.]*\b(?:last|later|afterwards|one at a time|one by one|only (?:then|when|after))\b",
    re.IGNORECASE,
)
ENLARGED = 1.75  # a picture is shown at most that much larger than it was drawn: it was drawn for a page
TEMPLATES = Path(__file__).parent / "templates"
MISSING = "genlib slides needs the extra 'teach': pip install -e '.[teach]' in the project's folder."


def build(root, chapter, out, force=False):
    """Write the deck of ``chapter`` (notebooks.Chapter) into the folder ``out``; returns the number of its slides.

    force: the deck of another chapter is replaced, which is refused otherwise.

    Raises CourseError if no cell is marked, if the marks or what they cite do not hold, or if a package is not there.
    """
    try:
        import nbformat
        from nbconvert import SlidesExporter
    except ImportError as error:
        raise CourseError(MISSING) from error

    index = out / "index.html"
    mark = f'<meta content="{chapter.name}" name="chapter"/>'  # as nbconvert leaves it
    if out.exists() and not out.is_dir():
        raise CourseError(f"{out} is a file: choose a folder with --out.")
    if index.exists() and not force and mark not in index.read_bytes().decode("utf-8", "replace"):
        raise CourseError(
            f"{index} is not the deck of {chapter.name}: --force replaces it, --out names another folder."
        )
    cells = deck(root, chapter)
    notebook = nbformat.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    exporter = SlidesExporter(template_name="deck", extra_template_basedirs=[str(TEMPLATES)], exclude_anchor_links=True)
    title = stamp.chapter_of(notebooks.read(chapter.path)).get("title", chapter.slug)
    css = (TEMPLATES / "deck" / "slides.css").read_text(encoding="utf-8")
    page, _ = exporter.from_notebook_node(
        notebook, resources={"deck": {"title": title, "css": css, "mathjax": mathjax(root), "chapter": chapter.name}}
    )
    try:
        assets.copy(assets.REVEAL, out / "reveal")
        assets.copy(assets.MATHJAX, out / "mathjax")
        # What no face has is shown in a font of the machine: on a slide that is no reason to have no slides.
        sheet, _ = faces.write(out / "faces", faces.characters(page), root / "_build" / ".faces")
    except ImportError as error:
        raise CourseError(MISSING) from error
    notebooks.write(out / "faces" / "faces.css", sheet)
    notebooks.write(index, page)
    return sum(c["metadata"]["slideshow"]["slide_type"] in ("slide", "subslide") for c in cells)


def mathjax(root):
    """The configuration of MathJax as JSON: the book's own, with dollars, and the scale that its faces ask for."""
    config = ((notebooks.read_yaml(root / "_config.yml") or {}).get("sphinx") or {}).get("config") or {}
    given = config.get("mathjax3_config") or {}
    tex = {"inlineMath": [["$", "$"], ["\\(", "\\)"]], "processEscapes": True, **given.get("tex", {})}
    options, chtml = given.get("options", {}), {"matchFontHeight": False, **given.get("chtml", {})}
    return json.dumps({"tex": tex, "chtml": chtml, "options": options}).replace("</", "<\\/")


# --- which cells, and what of them -----------------------------------------------------------------------------------


def deck(root, chapter):
    """The cells of the deck as nbconvert takes them: what is shown as it is shown, the speaker's notes, the last slide.

    A list of dicts of nbformat 4. Raises CourseError.
    """
    notebook = notebooks.read(chapter.path)
    book, cells = Book(root, chapter), []
    for number, cell in enumerate(notebook["cells"], 1):
        kind = slide_type(cell)
        if kind is None or kind == "skip":
            continue
        where = f"{chapter.name}, cell {number}"
        if kind not in TYPES:
            raise CourseError(f"{where}: the slide type {kind!r} is none of {', '.join(TYPES)}.")
        if cell["cell_type"] not in ("markdown", "code"):
            raise CourseError(f"{where}: a {cell['cell_type']} cell cannot be shown on a slide.")
        about = cell["metadata"].get("genlib", {})
        try:
            shown = _markdown(cell, about, book) if cell["cell_type"] == "markdown" else _code(cell, about, book)
            if about.get("reveal"):
                for part in shown:
                    part["metadata"]["reveal"] = "all" if about["reveal"] == "all" else str(int(about["reveal"]))
            if about.get("notes"):
                shown.append(_text(plain(about["notes"], book), "notes"))
        except (CourseError, SyntaxError) as error:
            raise CourseError(f"{where}: {error}") from error
        if not shown:
            raise CourseError(f"{where} is marked as {kind!r} and has nothing to show.")
        _mark(shown[0], kind, about.get("layout") or ("title" if shown[0]["source"].startswith("# ") else ""))
        cells += shown
    if not any(c["metadata"]["slideshow"]["slide_type"] != "notes" for c in cells):
        raise CourseError(
            f"{chapter.name} has no slides: mark cells with slideshow.slide_type in their metadata "
            '(JupyterLab: Property Inspector, "Slide Type").'
        )
    _reveal_what_notes_ask(cells)
    first = next(c for c in cells if c["metadata"]["slideshow"]["slide_type"] != "notes")
    first["metadata"]["slideshow"]["slide_type"] = "slide"
    cells.append(_text(plain(closing(root, chapter, notebook), book), "slide"))
    return [cell | {"id": f"cell-{i}"} for i, cell in enumerate(cells)]


def _reveal_what_notes_ask(cells):
    """A slide whose notes ask for something before it is shown comes step by step; one whose author said how, so."""
    slides = []
    for cell in cells:
        if not slides or cell["metadata"]["slideshow"]["slide_type"] in ("slide", "subslide"):
            slides.append([])
        slides[-1].append(cell)
    for slide in slides:
        notes = [c for c in slide if c["metadata"]["slideshow"]["slide_type"] == "notes"]
        if any(ASKS.search(c["source"]) for c in notes) and not any("reveal" in c["metadata"] for c in slide):
            for cell in slide:
                cell["metadata"] |= {} if cell in notes else {"reveal": "all"}


def slide_type(cell):
    """A cell's slide type, None if it has none."""
    return cell["metadata"].get("slideshow", {}).get("slide_type")


def closing(root, chapter, notebook):
    """The last slide, in MyST: where the chapter is, and what its outputs were made with."""
    about, made = stamp.chapter_of(notebook), stamp.stamp_of(notebook)
    addresses, path = Addresses(root), f"chapters/{chapter.name}.ipynb"
    source, colab = addresses.file(path), addresses.colab(chapter)
    lines = ["## Where this is", ""]
    lines.append(f"- The chapter, with every step and its code: {f'[{path}]({source})' if source else f'`{path}`'}")
    if colab:
        lines.append(f"- In Colab, nothing to install: [open the notebook]({colab})")
    lines.append(f"- On your machine: `genlib run {chapter.name} --preset cpu`")
    if about.get("paper"):
        lines.append(f"- The paper: {{cite:t}}`{about['paper']}`")
    if made:
        lines.append(
            f"- Every picture and number here was made by the chapter's code: preset {made['preset']}, "
            f"seed {made['seed']}, {made['device']}, {made['seconds']:.0f} s, {made['date'][:10]}"
        )
    return "\n".join(lines)


def _markdown(cell, about, book):
    return _texts(about.get("slide") or notebooks.text(cell["source"]), book)


def _code(cell, about, book):
    source, tags = notebooks.text(cell["source"]), notebooks.tags(cell)
    outputs = [_output(o, cell) for o in cell["outputs"]]
    outputs = [o for o in outputs if o and _wanted(o, about.get("output", True))]
    wanted = about.get("input", not outputs and "hide-input" not in tags)
    shown = _texts(about["slide"], book) if about.get("slide") else []
    if isinstance(wanted, list):
        source = excerpt(source, wanted)
    if wanted or outputs:
        metadata = {"slideshow": {"slide_type": "-"}, "check": notebooks.CHECK in tags}
        cell = {"cell_type": "code", "execution_count": None, "source": source if wanted else "", "outputs": outputs}
        shown.append({**cell, "metadata": metadata})
    return shown


def _wanted(output, asked):
    """asked: true, false, "pictures" or "text"."""
    if isinstance(asked, bool):
        return asked
    table = output.get("data", {}).get("text/html", "")
    if asked == "pictures":
        return "<figure>" in table
    return output["output_type"] == "stream" or table and "<figure>" not in table


def _output(output, cell):
    """An output as HTML or text, None if it is not for people."""
    if output["output_type"] == "stream":
        text = notebooks.text(output["text"]).rstrip()
        return {"output_type": "stream", "name": "stdout", "text": text} if output["name"] == "stdout" else None
    data = output.get("data", {})
    made = {"output_type": "display_data", "metadata": {}}
    for kind in IMAGES:
        if kind in data:
            alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt")
            return made | {"data": {"text/html": picture(kind, notebooks.text(data[kind]), alt)}}
    for kind in ("text/html", "text/plain"):
        if kind in data:
            return made | {"data": {kind: notebooks.text(data[kind]).rstrip()}}
    return None


def picture(kind, data, alt):
    """An image in base64 as HTML; a PNG is enlarged to ENLARGED times its size at most."""
    if not alt:
        raise CourseError("its picture has no alt text (metadata mystnb.image.alt).")
    size, raw = "", base64.b64decode("".join(data.split()))
    if kind == "image/png":
        width, height = struct.unpack(">II", raw[16:24])
        size = f' style="max-width: {width * ENLARGED:.0f}px; aspect-ratio: {width} / {height}"'
    return f'<figure><img src="data:{kind};base64,{"".join(data.split())}" alt="{html.escape(alt)}"{size}></figure>'


def excerpt(source, names):
    """The definitions (``f``, ``Class``, ``Class.method``) and assignments of a source that ``names`` lists."""
    found, lines = [], source.split("\n")
    for name in names:
        body, node = ast.parse(source).body, None
        for part in name.split("."):
            node = next((n for n in body if part in _names(n)), None)
            if node is None:
                raise CourseError(f"genlib.input asks for {name!r}, which the code does not define.")
            body = getattr(node, "body", [])
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        found.append(textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno])))
    return "\n\n".join(found)


def _names(node):
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    return set()


def _texts(source, book):
    texts = [source] if isinstance(source, str) else source
    return [_text(plain(text, book), "slide" if i else "-") for i, text in enumerate(texts)]


def _text(source, kind="-"):
    return {"cell_type": "markdown", "source": source, "metadata": {"slideshow": {"slide_type": kind}}}


def _mark(cell, kind, layout):
    cell["metadata"] |= {"slideshow": {"slide_type": kind}, "layout": layout}
