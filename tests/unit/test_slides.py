"""genlib slides on a small project of its own: which cells make the deck, what becomes of MyST, what is refused."""

import json
import re
import subprocess
import sys

import pytest

from genlib.course import notebooks
from genlib.course.notebooks import CourseError
from genlib.course.references import Book
from genlib.course.resolve import plain
from genlib.course.teach import slides

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
BIB = """
@inproceedings{kingma2014auto, author = {Kingma, Diederik P. and Welling, Max}, title = {A}, year = 2014}
@inproceedings{rezende2014stochastic, author = {Rezende, D. and Mohamed, S. and Wierstra, D.}, title = {S}, year = 2014}
@book{hand1970, author = {van der Hand, Ann}, title = {H}, year = {1970}}
"""
CODE = """\
import torch


@torch.no_grad()
def loss(x):
    return x.sum()


class Model:
    def forward(self, x):
        return x

    def other(self):
        pass


beta = 2"""


def markdown(text, kind=None, **about):
    return {"cell_type": "markdown", "source": text, "metadata": marks(kind, about)}


def marks(kind, about):
    found = {"genlib": about} if about else {}
    return found | ({"slideshow": {"slide_type": kind}} if kind else {})


def code(source, outputs=(), kind=None, tags=(), alt=None, **about):
    metadata = marks(kind, about) | ({"tags": list(tags)} if tags else {})
    metadata |= {"mystnb": {"image": {"alt": alt}}} if alt else {}
    cell = {"cell_type": "code", "source": source, "execution_count": 1, "metadata": metadata}
    return cell | {"outputs": list(outputs)}


def printed(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def shown(**data):
    return {"output_type": "display_data", "metadata": {}, "data": {k.replace("_", "/"): v for k, v in data.items()}}


@pytest.fixture
def project(tmp_path):
    """A function: cells -> (root, chapter) of a project with this chapter and an earlier one."""

    def make(*cells):
        (tmp_path / "chapters" / "ae").mkdir(parents=True)
        (tmp_path / "book").mkdir()
        (tmp_path / "book" / "references.bib").write_text(BIB)
        (tmp_path / "book" / "index.md").write_text("---\na: b\n---\n# The *Map*\n")
        macros = "sphinx:\n  config:\n    mathjax3_config: {tex: {macros: {E: '\\mathbb{E}'}}, chtml: {scale: 1.1}}\n"
        (tmp_path / "_config.yml").write_text(f"repository: {{url: 'https://github.com/a/b', branch: main}}\n{macros}")
        names = ("first", "second")
        (tmp_path / "_toc.yml").write_text(
            "root: book/index\nchapters:\n" + "".join(f"  - file: chapters/ae/{n}\n" for n in names)
        )
        earlier = [markdown("$$\na\n$$ (eq-a)\n\n$$\nb\n$$ (eq-b)")]
        for name, own in zip(names, (earlier, cells), strict=True):
            about = {"slug": name, "family": "ae", "title": name.title(), "paper": "kingma2014auto"}
            metadata = {"genlib": {"chapter": about}}
            notebook = {"cells": own, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
            (tmp_path / "chapters" / "ae" / f"{name}.ipynb").write_text(json.dumps(notebook))
        return tmp_path, notebooks.find_chapter(tmp_path, "second")

    return make


@pytest.fixture
def book(project):
    return Book(*project(markdown("$$ c $$ (eq-c)\n\n```{math}\n:label: eq-d\nd\n```")))


# --- which cells ------------------------------------------------------------------------------------------------------


def test_only_marked_cells_make_the_deck(project):
    cells = slides.deck(
        *project(
            markdown("# Title", "slide"),
            markdown("not marked"),
            markdown("skipped", "skip"),
            markdown("goes on", "-"),
            markdown("later", "fragment"),
            markdown("below", "subslide"),
            markdown("for the speaker", "notes"),
        )
    )
    assert [c["source"] for c in cells[:-1]] == ["# Title", "goes on", "later", "below", "for the speaker"]
    kinds = [c["metadata"]["slideshow"]["slide_type"] for c in cells]
    assert kinds == ["slide", "-", "fragment", "subslide", "notes", "slide"]
    assert cells[0]["metadata"]["layout"] == "title"
    last = cells[-1]["source"]
    assert "https://github.com/a/b/blob/main/chapters/ae/second.ipynb" in last and "Kingma & Welling (2014)" in last
    assert "https://colab.research.google.com/github/a/b/blob/notebooks/chapters/ae/second.ipynb" in last


def test_a_cell_may_bring_its_own_text_and_several_slides(project):
    cells = slides.deck(
        *project(markdown("long", "slide", slide=["## One", "## Two"], notes="say *this*", layout="columns"))
    )
    assert [c["source"] for c in cells[:3]] == ["## One", "## Two", "say *this*"]
    assert [c["metadata"]["slideshow"]["slide_type"] for c in cells[:3]] == ["slide", "slide", "notes"]
    assert cells[0]["metadata"]["layout"] == "columns"


@pytest.mark.parametrize(
    "given, source, outputs",
    [
        (dict(outputs=[printed("1\n")]), "", 1),  # what it printed, not its code
        (dict(outputs=[printed("1\n")], input=True), CODE, 1),
        (dict(outputs=[printed("1\n")], input=True, output=False), CODE, 0),
        (dict(), CODE, 0),  # it has nothing else to show
        (dict(outputs=[printed("w", "stderr"), printed("1")]), "", 1),
        (dict(outputs=[shown(text_plain="x", text_html="<b>x</b>"), printed("1")], output="text"), "", 2),
        (dict(outputs=[shown(text_plain="a run's line"), printed("1")], output="text"), "", 1),
    ],
)
def test_the_code_is_shown_where_it_is_asked_for(project, given, source, outputs):
    cell = slides.deck(*project(code(CODE, kind="slide", **given)))[0]
    assert (cell["source"], len(cell["outputs"])) == (source, outputs)


def test_a_figure_keeps_its_alt_text_and_can_stand_alone(project):
    outputs = [printed("1"), shown(image_png=PNG, text_plain="<Figure>")]
    cell = slides.deck(*project(code("plot()", outputs, "slide", alt='a "dot"', output="pictures")))[0]
    (output,) = cell["outputs"]
    assert 'alt="a &quot;dot&quot;"' in output["data"]["text/html"] and "max-width: 2px" in output["data"]["text/html"]


def test_an_excerpt_is_what_it_names():
    assert slides.excerpt(CODE, ["loss"]) == "@torch.no_grad()\ndef loss(x):\n    return x.sum()"
    assert slides.excerpt(CODE, ["Model.forward", "beta"]) == "def forward(self, x):\n    return x\n\nbeta = 2"
    with pytest.raises(CourseError, match="'Model.backward', which the code does not define"):
        slides.excerpt(CODE, ["Model.backward"])


@pytest.mark.parametrize(
    "cell, said",
    [
        (markdown("x"), "ae/second has no slides: mark cells"),
        (markdown("x", "notes"), "ae/second has no slides"),
        (markdown("x", "slid"), "cell 1: the slide type 'slid' is none of slide, subslide"),
        (markdown("{cite}`nobody1900`", "slide"), "cell 1: 'nobody1900' is not in book/references.bib"),
        (markdown("{eq}`eq-x`", "slide"), "cell 1: there is no equation 'eq-x'"),
        (markdown("{doc}`/chapters/ae/third`", "slide"), "cell 1: there is no document '/chapters/ae/third'"),
        (code("plot()", [shown(image_png=PNG)], "slide"), "cell 1: its picture has no alt text"),
        (code("x = 1", kind="slide", tags=["hide-input"]), "cell 1 is marked as 'slide' and has nothing to show"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_sentence(project, cell, said):
    with pytest.raises(CourseError, match=re.escape(said)):
        slides.deck(*project(cell))


# --- MyST -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "myst, words",
    [
        ("by {eq}`eq-c` and {eq}`eq-d`", "by (1) and (2)"),
        ("see {eq}`eq-b`", "see (2) of First"),
        ("{cite}`kingma2014auto`", "(Kingma & Welling 2014)"),
        ("{cite:p}`kingma2014auto,rezende2014stochastic`", "(Kingma & Welling 2014; Rezende et al. 2014)"),
        ("{cite:t}`hand1970` says", "van der Hand (1970) says"),
        ("{doc}`/chapters/ae/first`, {doc}`the map </book/index>`, {doc}`first`", "*First*, *the map*, *First*"),
        ("{doc}`/book/index`", "*The Map*"),
        ("an {term}`ELBO`, {term}`two codes <code>`", "an ELBO, two codes"),
        ("{numref}`fig-x` and {numref}`tbl-x`", "the figure and the table"),
        ("{math}`x^2` {abbr}`KL (Kullback-Leibler)` {sub}`2`", "$x^2$ KL 2"),
        ("[words]{.run} [in](#eq-c) [out](https://a.b/c)", "words in [out](https://a.b/c)"),
        ("(a-label)=\n## Heading\n% a comment", "## Heading"),
        ("`{term}x` and ``{eq}`eq-c` ``", "`{term}x` and ``{eq}`eq-c` ``"),
        ("it's \"so\" for $f'(x)$ and `f'`", "it’s “so” for $f'(x)$ and `f'`"),
        ("a $\\{x\\}$ [b]", "a $\\{x\\}$ [b]"),
        ("$$ a = b $$ (eq-c)", "$$\na = b \\tag{1}\n$$"),
        ("$$\na\n$$ (eq-b)", "$$\na\n$$"),
        ("```{math}\n:label: eq-d\na\n```", "$$\na \\tag{2}\n$$"),
        ("```{code-block} python\n:caption: x\nx = {1: 2}\n```", "```python\nx = {1: 2}\n```"),
        ("```python\n{term}`x`\n```", "```python\n{term}`x`\n```"),
        ("a\n\n````{solution} ex\n:class: dropdown\n\n```python\nx\n```\n````\n\nb", "a\n\nb"),
    ],
)
def test_myst_becomes_plain(book, myst, words):
    assert plain(myst, book) == words


def test_directives_become_a_titled_paragraph(book):
    source = "```{exercise} The floor\n:label: ex-1\n\nShow {eq}`eq-c`.\n```\n\n:::{note}\nMind.\n:::"
    found = plain(source, book)
    parts = ['<div class="admonition exercise">\n\n**Exercise: The floor**\n\nShow (1).\n\n</div>', "**Note**\n\nMind."]
    assert all(part in found for part in parts) and ":::" not in found and ":label:" not in found


def test_the_formulas_follow_the_book(project):
    config = json.loads(slides.mathjax(project(markdown("x", "slide"))[0]))
    assert config["tex"]["macros"] == {"E": "\\mathbb{E}"} and ["$", "$"] in config["tex"]["inlineMath"]
    assert config["chtml"] == {"matchFontHeight": False, "scale": 1.1}


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_writes_a_folder_that_asks_nobody(project):
    root, _ = project(
        markdown("# Title $a<b$", "slide", notes="say **this**"),
        code("x", [printed("<1>")], "slide", input=True),
        markdown("later", "fragment"),
    )
    command = [sys.executable, "-m", "genlib.course.cli", "slides", "second", "--out", "deck"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.stdout == "Wrote 3 slides: open deck/index.html\n", done.stderr
    page = (root / "deck" / "index.html").read_text(encoding="utf-8")
    asked = re.findall(r'(?:src|href)="([^"]+)"', page)
    local = [a for a in asked if not a.startswith(("https://github.com", "https://colab.research", "data:", "#"))]
    assert len(local) == 6 and all((root / "deck" / a).is_file() for a in local)
    assert "&lt;1&gt;" in page and "$a&lt;b$" in page and '<div class="fragment">' in page
    assert re.search(r'<aside class="notes">\s*<p>say <strong>this</strong></p>', page)


def test_a_chapter_without_marks_is_told_so(project):
    root, _ = project(markdown("x"))
    command = [sys.executable, "-m", "genlib.course.cli", "slides", "second"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("genlib: ae/second has no slides: mark cells with slideshow.slide_type")
    assert not (root / "_build").exists()


def test_another_chapters_deck_is_not_replaced_unasked(project):
    root, second = project(markdown("# Title", "slide"))
    out = root / "deck"
    slides.build(root, second, out)
    assert slides.build(root, second, out) == 2  # its own is written anew
    path = root / "chapters" / "ae" / "first.ipynb"
    path.write_text((root / "chapters" / "ae" / "second.ipynb").read_text().replace("# Title", "# Other"))
    first, before = notebooks.find_chapter(root, "first"), (out / "index.html").read_bytes()
    with pytest.raises(CourseError, match="is not the deck of ae/first: --force replaces it"):
        slides.build(root, first, out)
    assert (out / "index.html").read_bytes() == before
    slides.build(root, first, out, force=True)
    assert b"Other" in (out / "index.html").read_bytes()


@pytest.mark.parametrize(
    "found", [b"\xff\xfe<html>", b"<html>another tool's</html>", "<meta content='é'>".encode("latin-1")]
)
def test_whatever_page_is_there_is_not_replaced_unasked(project, found):
    root, second = project(markdown("# Title", "slide"))
    index = root / "deck" / "index.html"
    index.parent.mkdir()
    index.write_bytes(found)
    with pytest.raises(CourseError, match="--force replaces it"):
        slides.build(root, second, root / "deck")
    assert index.read_bytes() == found
    (root / "file").write_text("mine")
    with pytest.raises(CourseError, match="is a file: choose a folder"):
        slides.build(root, second, root / "file")


# --- what the notes ask to reveal -------------------------------------------------------------------------------------

ASKING = [
    "Ask before showing the third row: what will it be?",
    "Let them write the inverse before it is shown. Never inverted.",
    "Cover the last two rows first.",
    "A fact. Then cover the table, and ask.",
    "Have the class guess before the formula.",
    "Collect answers before you show the three cases.",
    "Show the second curve last.",
    "Show the answer only when somebody has said 7.",
]
NOT_ASKING = [
    "Ask what the rows have in common.",
    "A falling loss does not reveal it: log the KL.",
    "At a small β the rate is high long before the decoder can use it.",
    "Cover the arrow from y to D with your hand.",
    "The line shows what happened before training.",
    "This covers two hours.",
]


def revealed(project, cells):
    root, second = project(*cells)
    found = slides.deck(root, second)
    return [c["metadata"].get("reveal") for c in found if c["metadata"]["slideshow"]["slide_type"] != "notes"]


@pytest.mark.parametrize("notes", ASKING)
def test_what_notes_ask_for_before_it_is_shown_comes_step_by_step(project, notes):
    shown = {"output_type": "stream", "name": "stdout", "text": "1"}
    cells = [markdown("## One", "slide", notes="Hello."), markdown("## Two", "slide", notes=notes)]
    cells += [code("x", [shown], "-"), markdown("## Three", "slide")]
    assert revealed(project, cells) == [None, "all", "all", None, None]


@pytest.mark.parametrize("notes", NOT_ASKING)
def test_other_notes_hide_nothing(project, notes):
    assert revealed(project, [markdown("## Two", "slide", notes=notes)]) == [None, None]


ASKED = "Ask before the answer is shown."


@pytest.mark.parametrize(
    "cells, expected",
    [
        ([markdown("## Two", "slide"), markdown(ASKED, "notes")], ["all", None]),
        ([markdown("## Two", "slide", notes=ASKED, reveal=True)], ["1", None]),
        ([markdown("## Two", "slide", reveal="all")], ["all", None]),
    ],
)
def test_notes_of_their_own_ask_too_and_an_author_has_the_last_word(project, cells, expected):
    assert revealed(project, cells) == expected
