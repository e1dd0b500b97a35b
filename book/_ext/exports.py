"""A chapter's download button gives its export, which any Jupyter shows, not the MyST that the page is made of."""

from pathlib import Path

from genlib.course import export, notebooks, references


def write(app, exception):
    """Put a chapter's export where the theme's button looks for the source of its page."""
    if exception is not None or app.builder.format != "html":
        return
    root = Path(app.srcdir)
    shelf = references.Shelf(root)
    for chapter in shelf.chapters:
        copied = Path(app.outdir, "_sources", "chapters", f"{chapter.name}.ipynb")
        if copied.exists():
            notebooks.store(copied, export.export(root, chapter, shelf))


def setup(app):
    app.connect("build-finished", write, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
