"""What a page weighs: code without spans that say nothing, tables without a style in each cell, pictures as WebP
without loss, and one style sheet without the rules that no page of the book uses. Which scripts a page loads is settled
in book/_templates/layout.html."""

import posixpath
import re
from pathlib import Path

from PIL import Image
from pygments.formatters import HtmlFormatter
from pygments.token import Token
from sphinx.highlighting import PygmentsBridge

# --- code -------------------------------------------------------------------------------------------------------------

# What code is coloured by, in book.css. The rest of it is black on white, and so it needs no mark.
MARKED = (
    (Token.Comment, "c"),
    (Token.Keyword, "k"),
    (Token.Operator.Word, "k"),
    (Token.Literal.String, "s"),
    (Token.Literal.Number, "m"),
    (Token.Name.Function, "d"),
    (Token.Name.Class, "d"),
    (Token.Name.Decorator, "d"),
)


class LeanFormatter(HtmlFormatter):
    """A span for what has a colour of its own, and for nothing else."""

    def _get_css_classes(self, ttype):
        if ttype in Token.Color:  # of a terminal, in what a cell printed
            return super()._get_css_classes(ttype)
        return next((name for family, name in MARKED if ttype in family), "")


# --- tables -----------------------------------------------------------------------------------------------------------

# What genlib.tables writes into every cell for notebooks. On a page book.css says it.
CELL = re.compile(
    r'(<t[dh](?: scope="col")?) style="padding: \.25em \.5em; text-align: (left|right); '
    r'white-space: (?:normal|nowrap); font-variant-numeric: tabular-nums"'
)


def style_cells(app, pagename, templatename, context, doctree):
    if context.get("body"):
        number = ' class="number"'
        context["body"] = CELL.sub(lambda cell: cell[1] + number * (cell[2] == "right"), context["body"])


# --- pictures ---------------------------------------------------------------------------------------------------------

PICTURE = re.compile(r'(<(?:img|a)\b[^>]*\b(?:src|href)="[^"]*_images/[^"/]+)\.png"')


def name_pictures(app, pagename, templatename, context, doctree):
    if context.get("body"):
        context["body"] = PICTURE.sub(r'\1.webp"', context["body"])


def convert_pictures(folder):
    """Each PNG becomes a WebP with the same pixels, less than half as large."""
    for png in Path(folder).glob("*.png"):
        with Image.open(png) as image:
            image.save(png.with_suffix(".webp"), lossless=True, method=4, save_all=getattr(image, "n_frames", 1) > 1)
        png.unlink()


# --- style sheets -----------------------------------------------------------------------------------------------------

# Those that the theme's layout asks for, and the faces that fonts.py has written.
SHEETS = ("_static/basic.css", "_static/styles/pydata-sphinx-theme.css", "_static/faces.css")
UNUSED = ("pygments.css", "thebe", "togglebutton")  # book.css has the colours of code
USED = re.compile(r"""\b(?:class|id)=(?:"([^"]*)"|'([^']*)')""")
NAME = re.compile(r"[.#]((?:[\w-]|\\.)+)")
STRING = r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
PIECE = re.compile(rf"""/\*.*?\*/|{STRING}|[{{}};]|\((?:{STRING}|[^()"'])*\)|.""", re.DOTALL)
ICON_FONT = re.compile(r"\.(?:fa|fas|far|fab|fa-[\w-]+)(?![\w-])|fontawesome|font awesome", re.IGNORECASE)
ADDRESS = re.compile(r"""url\(\s*["']?(?!data:|#|["'])([^"')]+)["']?\s*\)""")


def blocks(css):
    """(prelude, body) of every rule in its order; (statement, None) for @import and the like."""
    text, prelude, depth = [], "", 0
    for piece in PIECE.findall(css):
        if piece.startswith("/*"):
            continue
        if piece == "{":
            depth += 1
            if depth == 1:
                prelude, text = "".join(text).strip(), []
                continue
        elif piece == "}":
            depth -= 1
            if depth == 0:
                yield prelude, "".join(text).strip()
                text = []
                continue
        elif piece == ";" and depth == 0:
            yield "".join(text).strip(), None
            text = []
            continue
        text.append(piece)


def selectors(prelude):
    """The selectors of a rule; a comma inside brackets separates none."""
    return [s.strip() for s in re.split(r",(?![^()]*\))", prelude)]


def is_used(selector, names):
    """Can it match anything? What stands in brackets is taken to match."""
    plain = re.sub(r"\([^()]*(?:\([^()]*\)[^()]*)*\)", "", selector)
    return all(name.replace("\\", "") in names for name in NAME.findall(plain))


def prune(css, names):
    """The sheet without the rules for classes and ids that are not among `names`, and without the icon font."""
    kept = []
    for prelude, body in blocks(css):
        if body is None:
            continue  # @charset and @import
        elif prelude.startswith("@"):
            if prelude.startswith(("@media", "@supports", "@container", "@layer")):
                body = prune(body, names)
            if body and not (prelude.startswith("@font-face") and ICON_FONT.search(body)) and " fa-" not in prelude:
                kept.append(f"{prelude}{{{body}}}")
        else:
            found = [s for s in selectors(prelude) if is_used(s, names) and not ICON_FONT.search(s)]
            if found and body:
                kept.append(f"{','.join(found)}{{{body}}}")
    return "\n".join(kept)


def names_in_use(out):
    """Every class and id of the built pages, and every word of the scripts, which may set them."""
    names = set()
    for page in out.rglob("*.html"):
        for match in USED.findall(page.read_text(encoding="utf8")):
            names.update("".join(match).split())
    for script in (out / "_static").rglob("*.js"):
        if not {"mathjax", "locales"} & set(script.parts) and script.name != "fontawesome.js":
            names.update(re.findall(r"[\w-]+", script.read_text(encoding="utf8")))
    return names


def collect_sheets(app, pagename, templatename, context, doctree):
    """The sheets of all extensions in their order; the layout loads site.css in their place."""
    for sheet in context.get("css_files", []):
        name = str(getattr(sheet, "filename", sheet)).split("?")[0]
        if name not in app.sheets and not any(word in name for word in UNUSED):
            app.sheets.append(name)


def drop_scripts(app, pagename, templatename, context, doctree):
    """Tabs are not used, what folds is <details>. Thebe is loaded even when it is off, and names another host twice."""
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if not re.search("thebe|design-tabs|togglebutton", str(getattr(script, "filename", script) or "").lower())
        and not re.search("THEBE_JS_URL|toggle", str(getattr(script, "attributes", {}).get("body", "")))
    ]


def write_sheet(out, sheets, ours=()):
    """_static/site.css: the sheets in their order, pruned but for ours."""
    names, parts = names_in_use(out), []
    for sheet in sheets:
        css = (out / sheet).read_text(encoding="utf8")
        css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL) if Path(sheet).name in ours else prune(css, names)
        inside = posixpath.relpath(posixpath.dirname(sheet), "_static")
        parts.append(ADDRESS.sub(lambda m, at=inside: f'url("{posixpath.normpath(posixpath.join(at, m[1]))}")', css))
    (out / "_static" / "site.css").write_text("\n".join(parts), encoding="utf8")


# --- the build --------------------------------------------------------------------------------------------------------


def begin(app):
    app.sheets = list(SHEETS)


def finish(app, exception):
    if exception is None and app.builder.format == "html":
        out = Path(app.outdir)
        convert_pictures(out / "_images")
        write_sheet(out, app.sheets, [name for name, _ in app.config.html_css_files])


def setup(app):
    PygmentsBridge.html_formatter = LeanFormatter
    app.connect("builder-inited", begin, priority=1)
    app.connect("html-page-context", collect_sheets, priority=999)
    app.connect("html-page-context", drop_scripts, priority=950)
    app.connect("html-page-context", name_pictures)
    app.connect("html-page-context", style_cells)
    app.connect("build-finished", finish, priority=990)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
