"""Scripts and fonts that Python packages carry, copied to where a page can ask for them without a network."""

import shutil
from importlib import metadata
from pathlib import Path

from . import notebooks

# package, the folder inside it, and what a page asks for below that folder (a name, or a folder with a slash)
MATHJAX = (
    "sphinx-mathjax-offline",
    "sphinx-mathjax-offline/static/mathjax/",
    ("tex-chtml-full.js", "output/chtml/fonts/woff-v2/"),
)  # MathJax 3.2.2, 1.7 MB
REVEAL = (
    "sphinx-revealjs",
    "sphinx_revealjs/_static/revealjs/",
    ("LICENSE", "dist/reset.css", "dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js"),
)


def copy(source, folder):
    """Copy MATHJAX or REVEAL into ``folder``, as far as it is not there. Raises PackageNotFoundError."""
    package, prefix, wanted = source
    for file in metadata.files(package):
        name = file.as_posix().removeprefix(prefix)
        if name == file.as_posix() or not any(name == w or w.endswith("/") and name.startswith(w) for w in wanted):
            continue
        target = Path(folder, name)
        if not target.exists():
            with notebooks.whole(target) as beside:  # what is there is not copied again
                shutil.copyfile(file.locate(), beside)
