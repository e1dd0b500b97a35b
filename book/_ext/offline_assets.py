"""Serve MathJax from the book itself, and drop what would be fetched from elsewhere."""

from pathlib import Path

from genlib.course import assets


def copy_mathjax(app, exception):
    if exception is None and app.builder.format == "html":
        assets.copy(assets.MATHJAX, Path(app.outdir, "_static", "mathjax"))


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
