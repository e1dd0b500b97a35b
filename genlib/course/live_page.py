"""Figures that answer, for the page: what stands there before the first click, and the scripts that the click loads.

A chapter has them in two ways. A record that its run stored (``genlib.live``) has networks and data. What needs neither
is a directive, its kind and its question::

    ```{live} game
    Which step size η and which friction γ bring the path to the centre?
    ```

``book/_live`` computes and draws. A page carries a script of a kilobyte; the rest comes with the first click, as
classic scripts, since a page that is opened from a folder may read nothing else.
"""

import json
import re
from html import escape

import minify

from .. import mime
from . import notebooks
from .notebooks import CourseError

LOADER = "page.js"  # on the page; all others are one script, in the order of their names
_BLOCK = re.compile(r"^```\{live\}[ \t]*(\S+)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_PAGE = """<!doctype html>
<html lang="en" data-theme="light">
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
:root {{ --pst-color-text-base: #222; --pst-color-text-muted: #666; --pst-color-primary: #0a5f8a; }}
:root {{ --pst-color-border: #ccc; --pst-color-surface: #f4f4f4; }}
body {{ font: 16px sans-serif; max-width: 46rem; margin: 1rem auto; padding: 0 1rem; }}
{style}</style>
<body><main class="bd-article"><h1>{title}</h1>
{boxes}
</main><script src="page.js"></script></body>
</html>
"""


def box(kind, question, name=None):
    """The HTML of a live figure before its first click: hidden until a script can open it."""
    named = f' data-name="{escape(name)}"' if name else ""
    return (
        f'<div class="live" data-kind="{escape(kind)}"{named} hidden>'
        f'<p class="live-question">{escape(question)}</p><button type="button">Try it</button></div>'
    )


def _sources(root):
    return "\n".join(p.read_text("utf-8") for p in sorted((root / "book/_live").glob("*.js")) if p.name != LOADER)


def _short(script):
    return minify.string("application/javascript", script)


def loader(root):
    """What a page with live figures has before the first click."""
    return _short((root / "book/_live" / LOADER).read_text("utf-8"))


def script(root, told=()):
    """All that computes and draws, in a scope of its own and with short names for what is local. told: functions that
    the page is to know besides, for tests."""
    known = f"Object.assign(live, {{{', '.join(told)}}});" if told else ""
    return _short("(() => {\n" + _sources(root) + known + "\n})();")


def kinds(root):
    """The figures that the scripts define."""
    return re.findall(r"^FIGURES\.(\w+) =", _sources(root), re.MULTILINE)


def write_scripts(root, folder):
    """The loader and all that it loads on the first click, in ``folder``."""
    notebooks.write(folder / "live.js", script(root))
    notebooks.write(folder / LOADER, loader(root))


def data(record):
    """The script that brings a record to the page."""
    return f"live({json.dumps(record, ensure_ascii=False)});\n"


def question_of(kind, body, root):
    """What a directive asks. Raises CourseError for a kind that is none, or for a question that is none."""
    if kind not in kinds(root):
        raise CourseError(f"There is no live figure {kind!r}: book/_live has {', '.join(kinds(root))}.")
    try:
        return mime.asked(" ".join(body.split()))
    except ValueError as error:
        raise CourseError(str(error)) from error


def figures(root, notebook):
    """[(kind, question, record or None)] of a chapter, in the order of its cells."""
    found = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            blocks = _BLOCK.findall(notebooks.text(cell["source"]))
            found += [(kind, question_of(kind, body, root), None) for kind, body in blocks]
        for output in cell.get("outputs", ()):
            if record := output.get("data", {}).get(mime.LIVE):
                found.append((record["kind"], record["question"], record))
    return found


def write(root, chapter, out):
    """A page of a chapter's live figures alone, in the folder ``out``: its path, and what each of them weighs in kB.

    Raises CourseError for a chapter that has none.
    """
    found = figures(root, notebooks.read(chapter.path))
    if not found:
        raise CourseError(f"{chapter.name} has no live figure: its run stores one with genlib.live(...).")
    boxes, weights = [], []
    for kind, question, record in found:
        made = box(kind, question, record and record["name"]).replace("<div ", '<div data-script="live.js" ', 1)
        if record:
            made = made.replace("<div ", f'<div data-source="{record["name"]}.js" ', 1)
            notebooks.write(out / f"{record['name']}.js", data(record))
        boxes.append(made)
        weights.append((kind, question, len(data(record)) / 1000 if record else 0.0))
    style = (root / "book/_static/live.css").read_text("utf-8")
    page = _PAGE.format(title=f"Live figures of {chapter.name}", style=style, boxes="\n".join(boxes))
    write_scripts(root, out)
    notebooks.write(out / "index.html", page)
    return out / "index.html", weights
