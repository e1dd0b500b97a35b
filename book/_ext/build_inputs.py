"""Record what a clean build was made from, so that nobody builds the same site twice or trusts an older one.

After a build without warnings `_build/html/.inputs` holds the digest of everything that goes into the site.
After a build with warnings the saved environment is dropped: the next build reads every page again, because
Sphinx repeats a page's warnings only when it reads that page. So it does after a change of what makes the pages:
the extensions here, and the modules of genlib that they import.
"""

import gc
import hashlib
import sys
from pathlib import Path

from genlib.course import mystnb  # which MyST-NB would import with the first notebook

PATTERNS = ("_config.yml", "_toc.yml", "requirements.txt", "book/**/*", "chapters/**/*.ipynb", "genlib/**/*.py")
GENERATED_PAGES = {"genindex", "search", "prf-prf", "py-modindex"}


def digest(root):
    """SHA-256 over the path and the content of every input of the site below `root`."""
    root = Path(root)
    found = {path for pattern in PATTERNS for path in root.glob(pattern) if path.is_file()}
    found = {path for path in found if not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)}
    total = hashlib.sha256()
    for path in sorted(found):
        total.update(path.relative_to(root).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def is_current(root):
    """True if the built site was made, without a warning, from the inputs as they are now."""
    record = Path(root, "_build", "html", ".inputs")
    return record.is_file() and record.read_text() == digest(root)


def makers():
    """The files of the modules that make pages, once all extensions are there."""
    ours = {Path(__file__).resolve().parent, *(Path(mystnb.__file__).resolve().parents[:2])}
    found = {Path(m.__file__).resolve() for m in tuple(sys.modules.values()) if getattr(m, "__file__", None)}
    return sorted(file for file in found if ours & set(file.parents))


def know_makers(app, config):
    """Sphinx takes a saved environment only if it was made by the same version of each extension."""
    made_by = hashlib.sha256(b"\0".join(path.read_bytes() for path in makers()))
    app.extensions[__name__].metadata["env_version"] = int(made_by.hexdigest()[:15], 16)


def begin(app):
    Path(app.outdir, ".inputs").unlink(missing_ok=True)
    app.inputs_at_start = digest(app.srcdir)
    # The theme copies the logo to _static even when a build fails before the folder exists: then a file takes its name.
    static = Path(app.outdir, "_static")
    if static.is_file():
        static.unlink()
    static.mkdir(parents=True, exist_ok=True)


def finish(app, exception):
    if app.builder.format != "html":
        return
    if exception is not None or app._warncount:
        Path(app.doctreedir, "environment.pickle").unlink(missing_ok=True)
        return
    drop_old_pages(app)
    Path(app.outdir, ".inputs").write_text(app.inputs_at_start)


def drop_old_pages(app):
    """A page that left the table of contents leaves the site too."""
    for page in Path(app.outdir).rglob("*.html"):
        name = page.relative_to(app.outdir).with_suffix("").as_posix()
        known = name in app.env.found_docs or name in GENERATED_PAGES
        if not known and not name.startswith("_") and not (name == "index" and app.config.root_doc != "index"):
            page.unlink()


def setup(app):
    # Sphinx reads back a million nodes, which all live: to look through them for garbage at every thousandth takes a
    # fifth of a build's time.
    gc.set_threshold(500_000, 50, 50)
    app.connect("config-inited", know_makers)
    app.connect("builder-inited", begin, priority=1)
    app.connect("build-finished", finish, priority=999)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
