"""The few things about a page that a style sheet cannot do: one "Setup" toggle for a chapter's setup cells, the `{ko}`
role for a Korean term, and citations in round brackets."""

from dataclasses import dataclass, field

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

DETAIL = "installation, imports, seed, and the three presets side by side"


class SetupCells(nodes.General, nodes.Element):
    """The inputs of consecutive hidden cells, behind one toggle."""


class Korean(nodes.Inline, nodes.TextElement):
    """A Korean term; the language is marked for screen readers and for the choice of a font."""


def is_setup(node):
    return (
        isinstance(node, nodes.container) and node.get("nb_element") == "cell_code" and node.get("hide_mode") == "input"
    )


class GroupSetupCells(SphinxPostTransform):
    """Runs before MyST-NB hides cells one by one (its priority is 199); cells further down are left to it."""

    default_priority = 190
    formats = ("html",)

    def run(self, **kwargs):
        section = next(
            iter(self.document.findall(nodes.section)), None
        )  # the title's: what stands before the first part
        kept, toggle = [], None
        for child in section.children if section else []:
            if not is_setup(child):
                toggle = None
                kept.append(child)
                continue
            if toggle is None:
                toggle = SetupCells()
                kept.append(toggle)
            source, outputs = child.children[0], child.children[1:]
            toggle.append(source)
            if outputs:  # a setup cell's output, such as the line that names the preset, stays in view
                del child["hide_mode"]
                child.children = outputs
                kept.append(child)
        if any(isinstance(child, SetupCells) for child in kept):
            section.children = []
            section.extend(kept)


def visit_setup(self, node):
    self.body.append(f'<details class="setup"><summary>Setup<span>{DETAIL}</span></summary>\n')


def depart_setup(self, node):
    self.body.append("</details>\n")


def korean_role(name, rawtext, text, lineno, inliner, options=None, content=None):
    return [Korean(rawtext, text)], []


def visit_korean(self, node):
    self.body.append('<span class="ko" lang="ko">')


def depart_korean(self, node):
    self.body.append("</span>")


def round_brackets():
    return BracketStyle(left="(", right=")")


@dataclass
class RoundAuthorYear(AuthorYearReferenceStyle):
    """(Kingma and Welling, 2014), and in the text: Kingma and Welling (2014)."""

    bracket_parenthetical: BracketStyle = field(default_factory=round_brackets)
    bracket_textual: BracketStyle = field(default_factory=round_brackets)
    bracket_author: BracketStyle = field(default_factory=round_brackets)
    bracket_label: BracketStyle = field(default_factory=round_brackets)
    bracket_year: BracketStyle = field(default_factory=round_brackets)


def setup(app):
    register_plugin("sphinxcontrib.bibtex.style.referencing", "author_year_round", RoundAuthorYear)
    app.add_node(SetupCells, html=(visit_setup, depart_setup))
    app.add_node(Korean, html=(visit_korean, depart_korean), text=(lambda s, n: None, lambda s, n: None))
    app.add_role("ko", korean_role)
    app.add_post_transform(GroupSetupCells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
