"""Serve MathJax from the book itself, and drop what would be fetched from elsewhere.

The package sphinx-mathjax-offline 0.0.2 carries MathJax 3.2.2; only the parts a page can ask for are copied (1.7 MB).
"""

import shutil
from importlib.metadata import files
from pathlib import Path

WANTED = ("tex-chtml-full.js", "output/chtml/fonts/woff-v2/")
PREFIX = "sphinx-mathjax-offline/static/mathjax/"


def copy_mathjax(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    for file in files("sphinx-mathjax-offline"):
        name = file.as_posix().removeprefix(PREFIX)
        if name == file.as_posix() or not name.startswith(WANTED):
            continue
        target = Path(app.outdir, "_static", "mathjax", name)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)


def drop_thebe(app, pagename, templatename, context, doctree):
    """sphinx-thebe is loaded by Jupyter Book even when it is off, and names another host twice on every page."""
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if "thebe" not in str(getattr(script, "filename", script) or "").lower()
        and "THEBE_JS_URL" not in str(getattr(script, "attributes", {}).get("body", ""))
    ]
    context["css_files"] = [css for css in context.get("css_files", []) if "thebe" not in str(css)]


def setup(app):
    app.connect("html-page-context", drop_thebe, priority=950)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
