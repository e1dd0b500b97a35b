"""The ways into a long book: parts of the sidebar that open, sections of the results, the edition at the foot."""

import importlib.util
import posixpath

import pytest

from genlib.course import edition, notebooks
from genlib.course.author import order


@pytest.fixture(scope="module")
def fold(root):
    spec = importlib.util.spec_from_file_location("sidebar_parts", root / "book/_ext/sidebar_parts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.fold


@pytest.fixture(scope="module")
def make(fold):
    return fold.__globals__["Contents"]


def of_the_theme(page):
    """A list of contents with pages below a page, as the theme makes it for a page of the book."""
    marked = lambda here, words, *more: " ".join([*words[:1], *["current", "active"][: 2 * here], *words[1:], *more])

    def entry(name, level, inside=""):
        href = posixpath.relpath(f"{name}.html", posixpath.dirname(page))
        here = name == page or f">{page}<" in inside
        link = '<a class="{}reference internal" href="{}">{}</a>'
        link = link.format("current " * (name == page), "#" if name == page else href, name)
        if inside:
            ul = '<ul class="current">' if f">{page}<" in inside and name != page else "<ul>"
            opened = ' open="open"' * here
            link += f"<details{opened}><summary></summary>{ul}{inside}</ul></details>"
        classes = marked(here, [f"toctree-l{level}"], *["has-children"][: bool(inside)])
        return f'<li class="{classes}">{link}</li>'

    below = "".join(entry(name, 2) for name in ("book/notes/a", "book/notes/b"))
    parts = {"One": [("chapters/ae/x", ""), ("chapters/gan/y", "")], "Two": [("book/notes", below), ("book/z", "")]}
    made = ""
    for caption, names in parts.items():
        listed = "".join(entry(name, 1, inside) for name, inside in names)
        here = "current " * (f">{page}<" in listed)
        made += f'<p class="caption">{caption}</p><ul class="{here}nav bd-sidenav">{listed}</ul>'
    return made


@pytest.mark.parametrize("first", ["chapters/ae/x", "book/notes", "book/notes/b", "search"])
def test_the_list_that_was_made_for_one_page_is_marked_as_the_theme_marks_any(make, first):
    contents = make(of_the_theme(first), first)
    for page in ("chapters/gan/y", "book/notes/a", "book/notes", "book/z", "search", "chapters/ae/x", first):
        assert contents.on(page) == of_the_theme(page)


def contents(here):
    """The theme's list of contents, with one page of it the current one."""
    caption = lambda text: f'<p class="caption"><span class="caption-text">{text}</span></p>'
    entry = lambda name: f'<li class="toctree-l1{" current active" * (name == here)}"><a href="{name}">{name}</a></li>'
    parts = {"Start": "ab", "Games: one": "cd", "Games: two": "e", "Back": "f"}
    return "\n".join(f'{caption(c)}<ul class="nav">{"".join(map(entry, names))}</ul>' for c, names in parts.items())


@pytest.mark.parametrize("here, opened", [("a", ["Start"]), ("e", ["Games", "two"]), ("f", ["Back"]), ("", ["Start"])])
def test_the_part_of_the_current_page_is_open_and_no_other(fold, here, opened):
    from bs4 import BeautifulSoup

    made = BeautifulSoup(fold(contents(here)), "html.parser")
    assert [d.summary.get_text() for d in made.find_all("details")] == ["Start", "Games", "one", "two", "Back"]
    assert [d.summary.get_text() for d in made.select("details[open]")] == opened
    assert [a["href"] for a in made.find_all("a")] == list("abcdef")
    assert [d.parent.summary.get_text() for d in made.select("details.group")] == ["Games", "Games"]


def test_every_page_is_in_the_sidebar_and_shows_itself(soup, pages, page):
    side = soup(page).select_one(".bd-sidebar-primary .bd-links")
    assert len(side.select("li a")) == len(pages) - 1
    closed = [d for d in side.select("li.current")[-1:] for d in d.find_parents("details") if not d.has_attr("open")]
    assert not closed and (page == "book/index" or side.select("li.current"))


def test_every_page_says_its_edition(soup, root, page):
    (foot,) = soup(page).select(".bd-footer-content .edition")
    assert foot.get_text().startswith(str(edition.edition(root)))


def test_the_results_have_a_section_for_each_part_with_a_claim(soup, root):
    shown = soup("book/results")
    sections = [s for s in shown.select("article section section") if s.select("table.results")]
    written = {c.name for c in notebooks.chapters(root)}
    parts = [(caption, written & set(names)) for caption, names in order.parts_of(root)]
    assert len(sections) > 1 and len(sections) == sum(bool(names) for _, names in parts)
    told = zip(sections, [p for p in parts if p[1]], strict=True)
    for section, (caption, names) in told:
        assert section.h2.get_text().startswith(caption)
        links = {a["href"] for a in section.select("table.results .run a") if a["href"].startswith("../chapters/")}
        assert links <= {f"../chapters/{name}.html" for name in names} and links
        assert shown.select(f'.bd-sidebar-secondary a[href="#{section["id"]}"]')
