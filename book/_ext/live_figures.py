"""Figures that answer: the directive ``{live}``, and the scripts of a page that has them (genlib.course.live_page)."""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from genlib import mime
from genlib.course import live_page, notebooks

BOX = re.compile(r'(<div class="live"[^>]*data-name="([^"]+)")')


class LiveDirective(SphinxDirective):
    has_content = True
    required_arguments = 1

    def run(self):
        (kind,) = self.arguments
        try:
            question = live_page.question_of(kind, "\n".join(self.content), Path(self.env.srcdir))
        except notebooks.CourseError as error:
            raise self.error(str(error)) from error
        return [nodes.raw("", live_page.box(kind, question), format="html")]


def beneath(app, docname, source):
    """A record that was stored by the cell of a numbered figure: its box stands before the words that follow. As an
    output of that cell it would be a second figure of the same name."""
    if not app.env.doc2path(docname).endswith(".ipynb") or mime.LIVE not in source[0]:
        return
    notebook = json.loads(source[0])
    for i, cell in enumerate(notebook["cells"]):
        records = [o["data"][mime.LIVE] for o in cell.get("outputs", ()) if mime.LIVE in o.get("data", {})]
        if not records or "figure" not in cell["metadata"].get("mystnb", {}):
            continue
        after = next((c for c in notebook["cells"][i + 1 :] if c["cell_type"] == "markdown"), None)
        if after is None:
            raise ExtensionError(f"{docname}: a live figure in the cell of a figure has to be followed by words.")
        cell["outputs"] = [o for o in cell["outputs"] if mime.LIVE not in o.get("data", {})]
        boxes = [live_page.box(r["kind"], r["question"], r["name"]) for r in records]
        after["source"] = "\n\n".join([*boxes, notebooks.text(after["source"])])
    source[0] = json.dumps(notebook)


def lead(app, pagename, templatename, context, doctree):
    """A page with live figures gets the loader, and its boxes the way to the scripts and their data."""
    if '<div class="live"' not in (context.get("body") or ""):
        return
    to = lambda name: context["pathto"](f"_static/live/{name}", 1)
    body = BOX.sub(lambda box: f'{box[1]} data-source="{to(f"{pagename}/{box[2]}.js")}"', context["body"])
    context["body"] = body.replace('<div class="live"', f'<div class="live" data-script="{to("live.js")}"')
    app.add_js_file(f"live/{live_page.LOADER}", loading_method="defer")
    path = Path(app.srcdir, f"{pagename}.ipynb")
    for record in notebooks.records(notebooks.read(path), mime.LIVE) if path.exists() else ():
        stored = Path(app.outdir, "_static", "live", pagename, f"{record['name']}.js")
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text(live_page.data(record), encoding="utf8")


def write(app, exception):
    if exception is None and app.builder.format == "html":
        live_page.write_scripts(Path(app.srcdir), Path(app.outdir, "_static", "live"))


def setup(app):
    app.add_directive("live", LiveDirective)
    app.connect("source-read", beneath)
    app.connect("html-page-context", lead, priority=400)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
