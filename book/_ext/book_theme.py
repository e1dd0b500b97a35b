"""The few things about a page that a style sheet cannot do: one "Setup" toggle for a chapter's setup cells, solutions
that fold without a script, tables whose first column is their header, the `{ko}` role for a Korean term, and citations
in round brackets."""

from dataclasses import dataclass, field

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_exercise.nodes import is_exercise_node, is_solution_node
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

DETAIL = "installation, imports, seed, and the three presets side by side"

# What others write into a page and a screen reader stumbles over: a label that is not what the eye reads, a header cell
# without a header, a list whose items are none; and what is said to the formatter of the code, not to its reader.
REPAIRS = (
    ('<summary aria-label="Toggle hidden content">', "<summary>"),
    ('role="doc-biblioentry"', 'role="listitem"'),
    ('  <span class="c"># fmt: skip</span>', ""),
    ('<thead><tr><th scope="col"></th>', "<thead><tr><td></td>"),
)


class SetupCells(nodes.General, nodes.Element):
    """The inputs of consecutive hidden cells, behind one toggle."""


class Solution(nodes.General, nodes.Element):
    """A solution that the reader unfolds."""


class SolutionTitle(nodes.General, nodes.TextElement):
    """What is seen of it before: 'Solution to Exercise 2.1 (The floor of collapse)'."""


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


class FoldSolutions(SphinxPostTransform):
    """Runs when the titles are resolved. Sections inside exercises and solutions, all of one id, become divisions."""

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs):
        for node in list(self.document.findall(lambda n: is_exercise_node(n) or is_solution_node(n))):
            for part in list(node.findall(nodes.section)):
                part.parent.replace(part, nodes.container("", *part.children))
            if is_solution_node(node) and "dropdown" in node["classes"]:
                title, *content = node.children
                for link in list(title.findall(nodes.reference)):  # to the exercise, which stands just above
                    link.replace_self(link.children)
                folded = Solution("", SolutionTitle("", "", *title.children), *content)
                node.replace_self(folded)  # with the node's ids and classes


class HeaderColumns(SphinxPostTransform):
    """A table whose header row is empty has its headers in the first column."""

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs):
        for group in list(self.document.findall(nodes.tgroup)):
            head = next(iter(group.findall(nodes.thead)), None)
            if head is not None and not head.astext().strip():
                group.remove(head)
                next(iter(group.findall(nodes.colspec)))["stub"] = 1
                group.parent["classes"].append("fact-card")


def visit_solution(self, node):
    self.body.append(self.starttag(node, "details", CLASS="admonition"))


def depart_solution(self, node):
    self.body.append("</details>\n")


def visit_solution_title(self, node):
    self.body.append('<summary class="admonition-title">')


def depart_solution_title(self, node):
    self.body.append("</summary>\n")


def visit_setup(self, node):
    self.body.append(f'<details class="setup"><summary>Show the setup<span>{DETAIL}</span></summary>\n')


def depart_setup(self, node):
    self.body.append("</details>\n")


def repair(app, pagename, templatename, context, doctree):
    for wrong, right in REPAIRS:
        context["body"] = (context.get("body") or "").replace(wrong, right)


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
    app.add_node(Solution, html=(visit_solution, depart_solution))
    app.add_node(SolutionTitle, html=(visit_solution_title, depart_solution_title))
    app.add_node(Korean, html=(visit_korean, depart_korean), text=(lambda s, n: None, lambda s, n: None))
    app.add_role("ko", korean_role)
    app.connect("html-page-context", repair)
    for transform in (GroupSetupCells, FoldSolutions, HeaderColumns):
        app.add_post_transform(transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
