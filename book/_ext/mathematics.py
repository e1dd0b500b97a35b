"""MathJax in one small file of the book's own: the parts that the book needs, packed.

MathJax's ready-made bundle is 1.3 MB of script on every page that has a formula. Here its parts are put together anew
without the menu and the packages that no chapter uses, with the MathML that screen readers read, and compressed: 0.2 MB
that any server and any file system hands out as they are. The reader's browser unpacks them. What is not in the list
of packages is unknown to the page: the formula shows an error, and the site's tests find it.
"""

import base64
import gzip
import json
from importlib.metadata import files
from pathlib import Path

from genlib.course import assets

CARRIER = "sphinx-mathjax-offline"  # MathJax 3.2.2
INSIDE = f"{CARRIER}/static/mathjax/"
FONTS = "output/chtml/fonts/woff-v2/"
PACKAGES = ("ams", "boldsymbol", "braket", "cancel", "color", "configmacros", "enclose", "mathtools", "newcommand")
PACKAGES += ("textmacros",)
PARTS = (
    "core",
    "input/tex-base",
    *(f"[tex]/{name}" for name in PACKAGES),
    "output/chtml",
    "output/chtml/fonts/tex",
    "a11y/assistive-mml",
)

# MathJax asks `require` for its parts; here they are functions in the same file.
BUNDLE = """MathJax.loader.require = url => {
  const name = Object.keys(PARTS).find(name => url.endsWith(name));
  if (!name) throw Error(url + " is not in the bundle");
  PARTS[name]();
};
"""

LOADER = """(() => {
  const config = window.MathJax = window.MathJax || {}, packed = "%(packed)s";
  config.loader = {load: %(parts)s, paths: {mathjax: document.currentScript.src.replace(/[^/]*$/, "").slice(0, -1)}};
  config.tex = {...config.tex, packages: {"[+]": %(packages)s}};
  delete config.options?.enableMenu;
  const bytes = Uint8Array.from(atob(packed), c => c.charCodeAt(0));
  const text = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  config.startup = {promise: text.then(code => { (0, eval)(code); return MathJax.startup.promise; })};
})();
"""


def source(name):
    """The text of one file of MathJax."""
    return next(f for f in files(CARRIER) if f.as_posix() == INSIDE + name).read_text(encoding="utf8")


def bundle():
    """The script that a page loads."""
    parts = []
    for part in PARTS:
        name = part.replace("[tex]", "input/tex/extensions") + ".js"
        parts.append(f'"/{name}": function () {{{source(name)}\n}}')
    code = "{const PARTS = {" + ",\n".join(parts) + "};\n" + BUNDLE + source("startup.js") + "}"
    packed = base64.b64encode(gzip.compress(code.encode(), 9, mtime=0)).decode()
    return LOADER % {"packed": packed, "parts": json.dumps(PARTS), "packages": json.dumps(PACKAGES)}


def write(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir, "_static", "mathjax")
    assets.copy((CARRIER, INSIDE, (FONTS,)), folder)
    (folder / "mathjax.js").write_text(bundle(), encoding="utf8")


def setup(app):
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
