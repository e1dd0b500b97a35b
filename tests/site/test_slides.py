"""Every chapter's deck in a real browser, with every other host out of reach: as it is shown, and as it is printed."""

import copy
import functools
from pathlib import Path

import pytest

from genlib.course import notebooks
from genlib.course.references import Book
from genlib.course.teach import slides

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120_000
READY = "document.documentElement.classList.contains('deck-ready')"
LEAST_SCALE = 0.8
TO_EDIT = (ROOT / "tests/chapters/to_edit.txt").read_text(encoding="utf-8").split()
SLIDE = """() => {
    const slide = Reveal.getCurrentSlide(), all = q => [...slide.querySelectorAll(q)];
    const wide = all('.code, pre, table, mjx-container[display]').filter(e => {
        const own = e.getBoundingClientRect(), whole = slide.getBoundingClientRect();
        return e.scrollWidth > e.clientWidth + 1 && e.clientWidth || own.right > whole.right + 1;
    });
    return {
        title: slide.querySelector('h1, h2')?.textContent,
        over: [slide.scrollHeight - slide.clientHeight, slide.scrollWidth - slide.clientWidth],
        wide: wide.map(e => e.outerHTML.slice(0, 80)),
        scale: +getComputedStyle(slide).getPropertyValue('--scale'),
        errors: all('mjx-merror').map(e => e.textContent),
        raw: slide.innerText.match(/\\$\\$|\\\\(frac|mathbb|left|begin)\\b|\\{[a-z:]+\\}`|:::/g),
        pictures: all('img').map(i => [i.alt, i.complete && i.naturalWidth > 0, i.getBoundingClientRect().height]),
        notes: Boolean(slide.querySelector('aside.notes')),
    };
}"""
WALK = """() => {
    const seen = [], look = LOOK;
    for (;;) {
        while (Reveal.availableFragments().next) Reveal.nextFragment();
        seen.push(look());
        if (Reveal.isLastSlide()) return seen;
        Reveal.next();
    }
}""".replace("LOOK", SLIDE)


def marked():
    """The names of the chapters that have a deck."""
    found = [c for c in notebooks.chapters(ROOT) if c.path.exists()]
    return [c.name for c in found if any(slides.slide_type(cell) for cell in notebooks.read(c.path)["cells"])]


@pytest.fixture(scope="module")
def decks(tmp_path_factory, serve):
    """A function: the name of a chapter -> the address of its deck, made once and served here.

    fresh: the ending of a folder of its own, for a test that changes the chapter."""
    folder = tmp_path_factory.mktemp("decks")
    address = serve(folder)

    @functools.cache
    def deck(name, fresh=""):
        chapter = notebooks.find_chapter(ROOT, name)
        place = chapter.name + fresh
        slides.build(ROOT, chapter, folder / place)
        return f"{address}{place}/index.html"

    return deck


def show(browser, address, query="", ready=READY):
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.set_default_timeout(PATIENCE)
    page.log = []
    local = (address.removesuffix("index.html"), "data:", "blob:", "about:")
    page.on("request", lambda r: None if r.url.startswith(local) else page.log.append(f"asked {r.url}"))
    page.on("response", lambda r: page.log.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.on("pageerror", lambda error: page.log.append(str(error)))
    page.on("console", lambda m: page.log.append(m.text) if m.type in ("error", "warning") else None)
    page.goto(address + query)
    page.wait_for_function(ready)
    return page


def test_the_first_chapters_have_decks():
    assert {"ae/autoencoder", "vae/vae"} <= set(marked())


@pytest.mark.parametrize("name", marked())
def test_a_deck_is_shown_slide_by_slide(browser, decks, name):
    page = show(browser, decks(name))
    total, seen = page.evaluate("Reveal.getTotalSlides()"), page.evaluate(WALK)
    most = 26 if name in TO_EDIT else 20  # chapters that are still to be edited anew have longer decks
    assert len(seen) == total and 12 <= total <= most
    for at, slide in enumerate(seen, 1):
        where = f"slide {at}, {slide['title']}"
        assert slide["title"], where
        assert max(slide["over"]) <= 1 and not slide["wide"], f"{where} is too full: {slide}"
        assert slide["scale"] >= LEAST_SCALE and not slide["errors"] and not slide["raw"], f"{where}: {slide}"
        for alt, loaded, height in slide["pictures"]:
            assert len(alt) > 10 and loaded and height >= 150, f"{where}: {slide['pictures']}"
    assert sum(bool(s["pictures"]) for s in seen) >= 3 and any(s["notes"] for s in seen)
    assert page.locator("section.present .text").last.inner_text().find(f"{name}.ipynb") >= 0
    assert page.locator("mjx-container").count() >= 5
    assert page.log == []
    page.context.close()


@pytest.mark.parametrize("name", marked())
def test_an_equation_has_its_number_in_the_book(soup, name):
    book = Book(ROOT, notebooks.find_chapter(ROOT, name))
    found = {
        div["id"].removeprefix("equation-"): div.select_one(".eqno")
        for div in soup(f"chapters/{name}").select("div.math[id]")
    }
    shown = {label: number.get_text().strip("#\uf0c1¶") for label, number in found.items() if number}
    assert shown and {label: book.equation(label) for label in shown} == shown


@pytest.fixture(scope="module")
def one(decks):
    return decks("vae/vae")


def test_keys_go_on_and_back(browser, one):
    page = show(browser, one)
    place = lambda: page.evaluate("Reveal.getSlidePastCount()")
    number = lambda: page.locator(".slide-number").inner_text().split()
    assert place() == 0 and number()[0] == "1"
    page.keyboard.press("ArrowRight")
    assert place() == 1 and number()[0] == "2"
    page.keyboard.press("ArrowLeft")
    assert place() == 0
    page.keyboard.press("End")
    assert page.evaluate("Reveal.isLastSlide()")
    page.context.close()


def test_the_speaker_has_notes_in_a_window_of_their_own(browser, one):
    page = show(browser, one)
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    speaker = popup.value
    notes = page.locator("section.present aside.notes").text_content().strip()
    speaker.locator(".speaker-controls-notes .value").filter(has_text=notes[:40]).wait_for(timeout=PATIENCE)
    assert page.log == []
    page.context.close()


def test_a_deck_is_printed_one_slide_a_page(browser, one):
    page = show(browser, one, "?print-pdf", "document.querySelectorAll('.pdf-page').length > 0")
    found = page.evaluate(
        """[...document.querySelectorAll('.pdf-page')].map(p => {
            const s = p.querySelector('section'), a = p.getBoundingClientRect(), b = s.getBoundingClientRect();
            const text = s.querySelector('h1, h2').getBoundingClientRect();
            return {
                over: Math.max(b.bottom - a.bottom, b.right - a.right),
                size: [s.clientHeight, s.scrollHeight <= s.clientHeight + 1, s.scrollWidth <= s.clientWidth + 1],
                margin: text.left - a.left > 50 && text.top - a.top > 30,
            };
        })"""
    )
    assert len(found) == page.evaluate("Reveal.getTotalSlides()")
    assert all(p["over"] <= 1 and p["margin"] and p["size"] == [720, True, True] for p in found), found
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.count(b"/Type /Page\n") == len(found)
    page.context.close()


def test_rows_and_bands_come_one_at_a_time(browser, decks, monkeypatch):
    """On a copy of a chapter in memory, whose first slides ask for it: a list by its items, a picture by four bands."""
    notebook = copy.deepcopy(notebooks.read(ROOT / "chapters" / "vae" / "beta.ipynb"))
    marks = [c for c in notebook["cells"] if slides.slide_type(c) == "slide"]
    marks[0]["metadata"]["genlib"] |= {"slide": "# Title\n\n- one\n- two\n- three", "reveal": True}
    figure = next(c for c in marks if any("image/png" in o.get("data", {}) for o in c.get("outputs", ())))
    figure["metadata"].setdefault("genlib", {})["reveal"] = 4
    path, read = ROOT / "chapters" / "vae" / "beta.ipynb", notebooks.read
    monkeypatch.setattr(notebooks, "read", lambda p: notebook if p == path else read(p))
    page = show(browser, decks("vae/beta", fresh="-bands"))
    seen = lambda: page.evaluate("[...document.querySelectorAll('.present li.visible')].length")
    steps = []
    for _ in range(4):
        steps.append(seen())
        page.keyboard.press("ArrowRight")
    assert steps == [0, 1, 2, 3] and page.evaluate("Reveal.getIndices().h") == 1
    bands = page.evaluate("""() => {
        const covers = [...document.querySelectorAll('.cover')];
        const slide = covers[0].closest('section.slide'), at = Reveal.getIndices(slide.parentElement);
        Reveal.slide(at.h, 0, -1);
        const img = covers[0].parentElement.querySelector('img');
        const tall = Math.min(img.clientHeight, img.clientWidth * img.naturalHeight / img.naturalWidth);
        const share = c => c.offsetHeight / tall;
        const hidden = () => covers.filter(c => !c.classList.contains('visible')).length, seen = [hidden()];
        for (let i = 0; i < 3; i++) { Reveal.nextFragment(); seen.push(hidden()); }
        return [seen, covers.map(share)];
    }""")
    assert bands[0] == [3, 2, 1, 0] and all(0.24 < share < 0.27 for share in bands[1]), bands
    page.context.close()


def test_a_slide_whose_notes_ask_shows_its_title_alone_at_first(browser, decks, monkeypatch):
    """On a copy of a chapter in memory: a text with a formula and a list, and behind it a picture on the same slide."""
    path, read = ROOT / "chapters" / "vae" / "beta.ipynb", notebooks.read
    notebook = copy.deepcopy(read(path))
    marks = [c for c in notebook["cells"] if slides.slide_type(c) == "slide"]
    text, picture = (
        marks[0],
        next(c for c in marks if any("image/png" in o.get("data", {}) for o in c.get("outputs", ()))),
    )
    for cell in notebook["cells"]:
        cell["metadata"].pop("slideshow", None) if cell not in (text, picture) else None
    text["metadata"]["genlib"] = {
        "slide": "## Title\n\nA guess.\n\n$$a = b$$\n\n- one\n- two",
        "notes": "Ask before it is shown.",
    }
    picture["metadata"].setdefault("genlib", {}).pop("slide", None)
    picture["metadata"]["slideshow"]["slide_type"] = "-"
    monkeypatch.setattr(notebooks, "read", lambda p: notebook if p == path else read(p))
    page = show(browser, decks("vae/beta", fresh="-asked"))
    seen = """[...document.querySelectorAll('section.present section.present :is(h2, p, li, figure)')].filter(
        e => !e.closest('.fragment:not(.visible), aside')).map(e => e.tagName).join(' ')"""
    steps = [page.evaluate(seen)]
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        steps.append(page.evaluate(seen))
    assert steps[0] == "H2" and steps[1] == "H2 P" and steps[2] == "H2 P P", steps
    assert steps[4] == "H2 P P LI LI" and steps[5].endswith("FIGURE"), steps
    page.context.close()
