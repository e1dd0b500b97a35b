"""What a reference points to, for the small window that previews.js opens over it.

A page's own equations and figures are there already. Those of another page, and the glossary's definitions, lie beside
the site's scripts, one small file a page: `_static/previews/book/glossary.js`. It is loaded when a reader first points
at a reference to that page. It is a script and not data, so that it can be read from a folder as well as from a server.
"""

import json
import re
from pathlib import Path

from bs4 import BeautifulSoup
from sphinx import addnodes

EQUATION = re.compile(r'<div class="math[^>]* id="(equation-[^"]+)">(.*?)</div>', re.DOTALL)
FIGURE = re.compile(r'<figure\b[^>]* id="([^"]+)">(.*?)</figure>', re.DOTALL)
GLOSSARY = re.compile(r'<dl class="[^"]*\bglossary\b.*?</dl>', re.DOTALL)
ANCHOR = re.compile(r'<a class="headerlink".*?</a>', re.DOTALL)
LINK = re.compile(r"</?a\b[^>]*>|\s(?:id|title)=\"[^\"]*\"")
UPWARDS = re.compile(r'(<img\b[^>]*\bsrc=")(?:\.\./)*')


def previews(body):
    """{id: HTML} of a page's terms, numbered equations and figures: no links, no ids, pictures from the site's root."""
    found = {name: f'<div class="math">{inside}</div>' for name, inside in EQUATION.findall(body)}
    found |= {name: f"<figure>{inside}</figure>" for name, inside in FIGURE.findall(body)}
    for glossary in GLOSSARY.findall(body):
        for term in BeautifulSoup(glossary, "html.parser").find_all("dt", id=True):
            found[term["id"]] = f"<dl>{term}{term.find_next_sibling('dd')}</dl>"
    return {name: UPWARDS.sub(r"\1", LINK.sub("", ANCHOR.sub("", html))) for name, html in found.items()}


def expect_formulas(app, doctree):
    """Sphinx gives MathJax to pages with formulas alone; a definition that is shown on a page may hold one too."""
    if any(ref["reftype"] in ("term", "eq", "numref") for ref in doctree.findall(addnodes.pending_xref)):
        app.env.get_domain("math").data["has_equations"][app.env.docname] = True


def write(app, pagename, templatename, context, doctree):
    """Pages that are not written anew keep the file that they have."""
    found = previews(context.get("body") or "") if doctree else {}
    if found:
        path = Path(app.outdir, "_static", "previews", f"{pagename}.js")
        path.parent.mkdir(parents=True, exist_ok=True)
        told = json.dumps(found, ensure_ascii=False, indent=0)
        path.write_text(f"previews({json.dumps(pagename)}, {told});\n", encoding="utf8")


def setup(app):
    app.connect("doctree-read", expect_formulas)
    app.connect("html-page-context", write, priority=960)  # when the pictures have their names (page_weight.py)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
