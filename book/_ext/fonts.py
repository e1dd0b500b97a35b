"""The book's own faces beside its pages: cut to what the pages use, declared in faces.css, which site.css takes up.

A character that no face has fails the build: each reader would see it in another font, or as a box.
"""

import unicodedata
from pathlib import Path

from sphinx.util import logging

from genlib.course import faces

FOLDER = "faces"


def used_in(out):
    """The code points that the built pages show, and one page for each."""
    where = {}
    for page in sorted(Path(out).rglob("*.html")):
        for code in faces.characters(page.read_text(encoding="utf8")):
            where.setdefault(code, page.relative_to(out).as_posix())
    return where


def write(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    where = used_in(out)
    sheet, missing = faces.write(out / "_static" / FOLDER, set(where), out.parent / ".faces")
    (out / "_static" / "faces.css").write_text(sheet.replace('url("', f'url("{FOLDER}/'), encoding="utf8")
    for code in sorted(missing):
        name = f"U+{code:04X} {unicodedata.name(chr(code), '')}".strip()
        logging.getLogger(__name__).warning(
            "no face of the book has %s (%s): write another character, or add it to genlib/course/faces.py",
            chr(code),
            name,
            location=where[code],
        )


def setup(app):
    app.connect("build-finished", write, priority=900)  # before page_weight, which packs the sheets
    return {"parallel_read_safe": True, "parallel_write_safe": True}
