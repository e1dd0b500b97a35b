"""Figures that answer: what stands on the page until the first click, and the scripts that the click loads.

A chapter has them in two ways. A record that its run stored (genlib.live) has networks and data, which become
`_static/live/<page>/<name>.js`; what needs neither is a directive, its kind and its question:

    ```{live} game
    Which η and γ lead to the centre?
    ```

`book/_live` computes and draws. A page carries a script of a kilobyte; the rest comes with the first click, as classic
scripts, since a page that is opened from a folder may read nothing else.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from genlib import mime
from genlib.course import mystnb, notebooks

SOURCES = Path(__file__).parent.parent / "_live"
LOADER = "page.js"  # on the page; all others are one script, in the order of their names
BOX = re.compile(r'(<div class="live"[^>]*data-name="([^"]+)")')


class LiveDirective(SphinxDirective):
    has_content = True
    required_arguments = 1

    def run(self):
        question = " ".join(self.content)
        if not question.endswith("?"):
            raise self.error(f"A live figure answers a question, and {question!r} does not end in a question mark.")
        if (kind := self.arguments[0]) not in kinds():
            raise self.error(f"There is no live figure {kind!r}: book/_live has {', '.join(kinds())}.")
        return [nodes.raw("", mystnb.live_box(kind, question), format="html")]


def kinds():
    """The figures that the scripts define."""
    return re.findall(r"^FIGURES\.(\w+) =", script(), re.MULTILINE)


def script():
    """All that computes and draws: the sources without comments and indents, in a scope of their own."""
    parts = [p.read_text(encoding="utf8") for p in sorted(SOURCES.glob("*.js")) if p.name != LOADER]
    text = "\n".join(parts)
    kept = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("//")]
    return "(() => {\n" + "\n".join(re.sub(r"\s// .*$", "", line) for line in kept) + "\n})();\n"


def records(app, pagename):
    path = Path(app.srcdir, f"{pagename}.ipynb")
    return notebooks.records(notebooks.read(path), mime.LIVE) if path.exists() else []


def lead(app, pagename, templatename, context, doctree):
    """A page with a live figure gets the loader, and its boxes the way to their data."""
    if 'class="live"' not in (context.get("body") or ""):
        return
    to = context["pathto"]
    context["body"] = BOX.sub(rf'\1 data-source="{to(f"_static/live/{pagename}/", 1)}\2.js"', context["body"])
    context["body"] = context["body"].replace(
        '<div class="live"', f'<div class="live" data-script="{to("_static/live/live.js", 1)}"'
    )
    app.add_js_file("live/page.js")
    for record in records(app, pagename):
        path = Path(app.outdir, "_static", "live", pagename, f"{record['name']}.js")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"live({json.dumps(record, ensure_ascii=False)});\n", encoding="utf8")


def write(app, exception):
    if exception is None and app.builder.format == "html":
        folder = Path(app.outdir, "_static", "live")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "live.js").write_text(script(), encoding="utf8")
        (folder / LOADER).write_bytes((SOURCES / LOADER).read_bytes())


def setup(app):
    app.add_directive("live", LiveDirective)
    app.connect("html-page-context", lead, priority=400)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
