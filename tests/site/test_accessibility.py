"""Every rule of axe-core over pages of each make (test_browser has most of its rules run on most pages), and what axe
cannot judge, from the keyboard."""

import pytest
from axe import DESKTOP, PHONE, SETTLED, TAGS, grave, judge, settle

BAD = """<!DOCTYPE html><html><head><title>A page made bad on purpose</title></head><body>
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><p style="color: #aaa; background: #fff">Pale grey on white.</p>
<button></button><a href="#">x</a><select></select></body></html>"""


@pytest.mark.parametrize(("theme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["light-desktop", "dark-phone"])
def test_every_rule_holds_in_both_themes_and_at_both_widths(open_page, site, chapters, theme, size):
    shortest = min(chapters, key=lambda name: (site / f"{name}.html").stat().st_size)
    also = ("book/index", "book/results") if theme == "dark" else ()  # in the light test_browser has them judged
    for name in (*also, shortest, "search"):
        opened = open_page(name, viewport=size, color_scheme=theme)
        settle(opened, theme)
        assert not grave(judge(opened, {"type": "tag", "values": TAGS})), name
        opened.context.close()


def test_a_bad_page_is_found_out(browser):
    page = browser.new_context().new_page()
    page.set_content(BAD)
    found = {v["rule"] for v in grave(judge(page, {"type": "tag", "values": TAGS}))}
    assert {"image-alt", "color-contrast", "button-name", "html-has-lang", "select-name"} <= found
    page.context.close()


# --- the keyboard -----------------------------------------------------------------------------------------------------


def test_the_first_key_offers_to_skip_to_the_text(open_page):
    page = open_page("book/notation")
    page.keyboard.press("Tab")
    link = page.locator(":focus")
    assert link.get_attribute("href") == "#main-content"
    page.wait_for_function("() => document.activeElement.getBoundingClientRect().top >= 0")
    page.context.close()


def test_solutions_and_setup_open_from_the_keyboard(open_page, chapters):
    page = open_page(chapters[0])
    for summary in page.locator("details.solution > summary, details.setup > summary").all():
        summary.focus()
        assert summary.evaluate("s => getComputedStyle(s).outlineStyle") != "none"
        page.keyboard.press("Enter")
        assert summary.evaluate("s => s.parentElement.open")
    page.context.close()


def test_what_scrolls_sideways_can_be_reached_and_says_what_it_is(open_page, chapters):
    page = open_page(chapters[0], viewport=PHONE)
    page.evaluate(SETTLED)
    boxes = page.evaluate("""() => {
        const wide = [...document.querySelectorAll('article :is(pre, mjx-container[display])')].filter(e =>
            e.checkVisibility() && e.scrollWidth > e.clientWidth + 1);
        wide[0]?.focus();
        return wide.map(e => [e.innerText.slice(0, 40), e.getAttribute('tabindex'), e.getAttribute('aria-label')]);
    }""")
    assert boxes and not [text for text, order, _ in boxes if order != "0"]
    assert all("scrolls sideways" in label for *_, label in boxes)
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.activeElement.scrollLeft > 0")
    page.context.close()


def test_the_search_dialog_opens_and_closes_from_the_keyboard(open_page):
    page = open_page("book/index")
    dialog = page.locator("#pst-search-dialog")
    page.keyboard.press("Control+k")
    assert dialog.is_visible() and dialog.get_attribute("aria-label")
    assert page.evaluate("document.activeElement.matches('#pst-search-dialog input')")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    page.context.close()


# --- what the pages say -----------------------------------------------------------------------------------------------


def test_every_button_has_a_name(soup, page):
    def name(button):
        return button.get("aria-label") or button.get("title") or button.get_text(strip=True)

    assert not [str(b)[:80] for b in soup(page).find_all(["button", "summary"]) if not name(b)]


def test_every_table_has_headers(soup, page):
    tables = soup(page).article.find_all("table")
    assert not [str(t)[:80] for t in tables if not [th for th in t.find_all("th") if th.get_text(strip=True)]]


def test_headings_go_down_one_step_at_a_time(soup, page):
    levels = [int(h.name[1]) for h in soup(page).article.find_all(["h1", "h2", "h3", "h4", "h5", "h6"])]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))


def test_ids_are_unique(soup, page):
    ids = [tag["id"] for tag in soup(page).find_all(id=True)]
    assert not {i for i in ids if ids.count(i) > 1}
