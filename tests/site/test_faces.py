"""The page is the same on every machine: its faces come with it, and formulas are not measured against another one."""

import re

import pytest
from axe import DESKTOP
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont

from genlib.course import faces

ODD = f"{faces.DEJAVU}/DejaVuSansMono-Bold.ttf"  # wide, heavy, with a large x-height: nothing on the page is like it
WOFF = re.compile(r"/_static/faces/[^/]*[.]woff2$")

# The size of everything that holds text, but for what has Hangul in it, which is the reader's own.
SIZES = """() => {
    const text = 'h1, h2, h3, p, li, dt, dd, th, td, pre, code, summary, figcaption, mjx-container';
    const all = [...document.querySelectorAll(`article :is(${text}), .bd-sidebar-primary a, .bd-sidebar-secondary a`)];
    const sizes = {text: [], formulas: []};
    for (const e of all) {
        if (!e.checkVisibility() || /[\\u1100-\\u11ff\\u3130-\\u318f\\uac00-\\ud7a3]/.test(e.textContent)) continue;
        const {width, height} = e.getBoundingClientRect();
        const size = [e.tagName, e.textContent.trim().slice(0, 40), Math.round(width), Math.round(height)];
        sizes[e.tagName === 'MJX-CONTAINER' ? 'formulas' : 'text'].push(size);
    }
    return sizes;
}"""


@pytest.fixture(scope="module")
def odd(launch, tmp_path_factory):
    """A browser on a machine that has a single font."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "font.ttf").write_bytes(faces.located(ODD).read_bytes())
    (folder / "fonts.conf").write_text(
        f"""<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
        <fontconfig><dir>{folder}</dir><cachedir>{folder}/cache</cachedir></fontconfig>"""
    )
    chromium = launch(FONTCONFIG_FILE=str(folder / "fonts.conf"))
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def sizes(open_page):
    """A function: a browser, a page and whether it is served as it is -> the sizes of its text and of its formulas.

    As it should not be: without the faces, and with formulas that MathJax fits to the face that it finds.
    """

    def measure(browser, name, served=True):
        context = browser.new_context(viewport=DESKTOP)
        if not served:
            measured = lambda text: re.sub(r'"matchFontHeight": *false', '"matchFontHeight": true', text)
            reply = lambda route: route.fulfill(response=(got := route.fetch()), body=measured(got.text()))
            context.route(re.compile(r"[.]html$"), reply)
            context.route(WOFF, lambda route: route.abort())
        found = open_page(name, within=context).evaluate(SIZES)
        context.close()
        return found

    return measure


@pytest.mark.parametrize("name", ["chapters/vae/beta", "book/index"])
def test_a_machine_with_one_odd_font_shows_the_same_page(browser, odd, sizes, name):
    here, there = sizes(browser, name), sizes(odd, name)
    assert len(here["text"]) > 100 and here == there


def test_without_its_faces_the_page_would_be_another(browser, odd, sizes):
    here, there = (sizes(b, "chapters/vae/beta", served=False) for b in (browser, odd))
    for kind in ("text", "formulas"):
        different = sum(a != b for a, b in zip(here[kind], there[kind], strict=True))
        assert different > len(here[kind]) / 2, kind


def letters(tag):
    return {code for code in faces.characters(str(tag)) if not faces.is_hangul(code)}


def test_every_character_of_every_page_is_in_the_face_that_sets_it(site, pages):
    """Judged by the files that are served: code by the face for code, all else by both faces for text."""
    has = {path.stem: set(TTFont(path).getBestCmap()) for path in (site / "_static" / "faces").glob("*.woff2")}
    signs = has["book-signs-400"]
    for name in pages:
        soup = BeautifulSoup((site / f"{name}.html").read_text(encoding="utf8"), "html.parser")
        code = set().union(*(letters(tag.extract()) for tag in soup.find_all(["pre", "code"])))
        assert not {chr(c) for c in code - has["book-mono-400"] - signs}, name
        for face in ("book-serif-400", "book-serif-600", "book-sans-400", "book-sans-600"):
            assert not {chr(c) for c in letters(soup) - has[face] - signs}, (name, face)


def test_the_faces_have_their_licences_beside_them_and_no_reserved_name(site, soup):
    folder = site / "_static" / "faces"
    assert "SIL OPEN FONT LICENSE" in (folder / "source-serif.txt").read_text(encoding="utf8")
    assert "SIL OPEN FONT LICENSE" in (folder / "source-sans.txt").read_text(encoding="utf8")
    assert "Bitstream Vera" in (folder / "dejavu.txt").read_text(encoding="utf8")
    for path in folder.glob("*.woff2"):
        names = [str(record) for record in TTFont(path)["name"].names if record.nameID in (1, 3, 4, 6, 16)]
        assert names and all(re.match("book", name, re.IGNORECASE) for name in names)
    told = soup("book/licence").article.get_text()
    assert all(name in told for name in ("Source Serif", "Source Sans", "DejaVu Sans Mono", "SIL Open Font License"))


def test_the_wordmark_needs_no_font(site):
    drawn = [path.read_text(encoding="utf8") for path in (site / "_static").glob("*.svg")]
    assert len(drawn) >= 3 and not [svg[:80] for svg in drawn if "<text" in svg or "font" in svg]
