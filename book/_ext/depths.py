"""The two depths of a page: what is folded on it, and what the fold says before it is opened.

* a subsection whose title begins with ``Further:`` becomes one line, with its title and the minutes that it takes;
* the code of a cell tagged ``hide-input`` says what is inside, by the cell's role: Show the plot, the check, the table;
* a ``<details>`` block in a markdown cell becomes a fold like the others, in Korean where its title is.

All are ``<details>`` elements: they open on a click, on Enter and on Space, when the browser finds a word in them, and
on paper. book.js opens what a link leads into.
"""

import re
from html import escape, unescape
from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

from genlib.course import meter, notebooks

FURTHER = "Further:"
BEGIN = re.compile(r"<details(?P<attributes>[^>]*)>\s*<summary>(?P<title>.*?)</summary>\s*(?P<rest>.*)", re.DOTALL)
HANGUL = re.compile(r"[가-힣]")
log = logging.getLogger(__name__)


class FoldedCode(nodes.General, nodes.Element):
    """The source of a cell, with the attribute ``role``."""


class Aside(nodes.General, nodes.Element):
    """A ``<details>`` block of a markdown cell, with the attribute ``title``."""


def notebook_of(env, docname):
    """The notebook that a page is made from; None if it is made from something else."""
    path = Path(env.doc2path(docname))
    return notebooks.read(path) if path.suffix == ".ipynb" else None


# --- further ----------------------------------------------------------------------------------------------------------


class FoldFurther(SphinxPostTransform):
    """Runs when all numbers are given and all references resolved: a fold changes neither."""

    default_priority = 890
    formats = ("html",)

    def run(self, **kwargs):
        sections = [s for s in self.document.findall(nodes.section) if is_further(s)]
        minutes = further_minutes(notebook_of(self.env, self.env.docname) if sections else None, len(sections))
        for section, takes in zip(sections, minutes, strict=True):
            title, *content = section.children
            told = f'<span class="minutes">{takes} min</span>' if takes else ""
            section.children = []
            section["classes"].append("further")
            section += html('<details class="further"><summary>')
            section += title  # its parent is the section still: the size of the heading follows from it, and its anchor
            section += html(f'{told}</summary><div class="further-content">\n')
            section += content
            section += html("</div></details>\n")


def html(text):
    return nodes.raw("", text, format="html")


def further_minutes(notebook, count):
    """Minutes of each, in their order; 0 where they are not known, for a page that is made from no notebook."""
    minutes = list(meter.further(notebook).values()) if notebook else []
    return minutes if len(minutes) == count else [0] * count


def is_further(section):
    """A subsection, so below the title and the parts of a chapter."""
    depth, node = 0, section
    while node is not None:
        depth += isinstance(node, nodes.section)
        node = node.parent
    title = section[0] if section.children else None
    return depth >= 3 and isinstance(title, nodes.title) and title.astext().startswith(FURTHER)


# --- folded code ------------------------------------------------------------------------------------------------------


class FoldCode(SphinxPostTransform):
    """Runs when the setup cells are grouped (190), before MyST-NB hides the others (199) under one label for all."""

    default_priority = 195
    formats = ("html",)

    def run(self, **kwargs):
        cells = [n for n in self.document.findall(nodes.container) if n.get("hide_mode") == "input"]
        notebook = notebook_of(self.env, self.env.docname) if cells else None
        roles = notebooks.roles(notebook) if notebook else {}
        for cell in cells:
            if roles and cell.children:
                source = cell.children[0]
                del cell["hide_mode"]
                fold = FoldedCode(role=roles[cell["cell_index"]])
                cell.replace(source, fold)
                fold += source


def visit_code(self, node):
    self.body.append(f'<details class="hide"><summary>Show the {node["role"]}</summary>\n')


# --- details in a text ------------------------------------------------------------------------------------------------


class FoldDetails(SphinxTransform):
    """A ``<details>`` block and what stands between it and its end, which MyST has read as text already."""

    default_priority = 400

    def apply(self, **kwargs):
        for parent in {id(n.parent): n.parent for n in self.document.findall(nodes.raw)}.values():
            self.fold(parent)

    def fold(self, parent):
        out, opened = [], []  # opened: the folds that have no end yet, each with what stood before it
        for child in parent.children:
            source = child.astext().strip() if isinstance(child, nodes.raw) and child.get("format") == "html" else ""
            begin = BEGIN.fullmatch(source)
            if begin and not begin["rest"]:
                fold = Aside(title=unescape(begin["title"]).strip(), lang="ko" if HANGUL.search(begin["title"]) else "")
                fold.source, fold.line = child.source, child.line
                opened.append((fold, out))
                out = []
            elif source == "</details>" and opened:
                fold, before = opened.pop()
                fold.extend(out)
                out = [*before, fold]
            else:
                if re.search(r"</?(details|summary)\b", source):
                    log.warning(
                        "A fold is written <details><summary>Title</summary>, an empty line, its text, an empty line "
                        "and </details>, without a heading in between; here stands %r.",
                        source[:60],
                        location=child,
                    )
                out.append(child)
        for fold, before in reversed(opened):
            log.warning(
                "The fold %r has no end: write </details> before the next heading.", fold["title"], location=fold
            )
            out = [*before, *out]
        parent.children = []
        parent.extend(out)


def visit_aside(self, node):
    language = f' lang="{node["lang"]}"' if node["lang"] else ""
    self.body.append(f'<details class="aside"{language}><summary>{escape(node["title"])}</summary>\n')


def depart_fold(self, node):
    self.body.append("</details>\n")


def setup(app):
    app.add_node(FoldedCode, html=(visit_code, depart_fold))
    app.add_node(Aside, html=(visit_aside, depart_fold))
    app.add_transform(FoldDetails)
    for transform in (FoldCode, FoldFurther):
        app.add_post_transform(transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
