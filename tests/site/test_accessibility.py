"""axe-core over the pages, in both themes and at two widths; and what it cannot judge, from the keyboard.

Chapters are of one make, and axe takes seconds for each: one stands for its family.
"""

from pathlib import Path

import axe_playwright_python
import pytest

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
ORDER = ["heading-order", "page-has-heading-one", "landmark-one-main", "landmark-unique", "region"]
ORDER += ["empty-table-header"]
GRAVE = ("serious", "critical")
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
SPACE = ["target-size", "scrollable-region-focusable"]  # what else a narrow page may break

# axe looks at every element of a formula's picture, which screen readers pass over, and of the MathML that they get
# instead, for which it has no rule.
RUN = """async ([rules, leave]) => {
    document.querySelectorAll('mjx-math[aria-hidden=true]').forEach(picture => picture.remove());
    document.querySelectorAll('mjx-assistive-mml math').forEach(math => { math.textContent = math.textContent });
    const found = await axe.run({include: ['html'], exclude: leave}, {runOnly: rules, resultTypes: ['violations']});
    return found.violations.map(v => ({
        rule: v.id, impact: v.impact, help: v.help,
        where: v.nodes.slice(0, 5).map(n => `${n.target}: ${n.html.slice(0, 120)}`),
    }));
}"""

BAD = """<!DOCTYPE html><html><head><title>A page made bad on purpose</title></head><body>
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><p style="color: #aaa; background: #fff">Pale grey on white.</p>
<button></button><a href="#">x</a><select></select></body></html>"""


def judge(page, rules, leave=()):
    page.evaluate(AXE)
    return page.evaluate(RUN, [rules, list(leave)])


def grave(violations):
    return [v for v in violations if v["impact"] in GRAVE]


def settle(page, theme):
    """Everything unfolded, nothing in motion, in one theme."""
    page.add_style_tag(content="* { transition: none !important; animation: none !important }")
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    page.wait_for_timeout(400)  # book.js marks what can be scrolled now


def test_a_page_has_no_grave_fault(open_page, judged):
    """Without the words of code, which take most of the time: test_browser measures their colours in both themes."""
    opened = open_page(judged)
    settle(opened, "light")
    assert not grave(judge(opened, {"type": "tag", "values": TAGS}, leave=[".highlight pre *"]))
    assert not judge(opened, {"type": "rule", "values": ORDER})
    opened.set_viewport_size(SIZES["phone"])
    settle(opened, "dark")
    assert not grave(judge(opened, {"type": "rule", "values": SPACE}))
    opened.context.close()


@pytest.mark.parametrize(("theme", "size"), [("light", "desktop"), ("dark", "phone")])
def test_every_rule_holds_in_both_themes_and_at_both_widths(open_page, chapters, theme, size):
    for name in ("book/index", "book/results", chapters[0], "search"):
        opened = open_page(name, viewport=SIZES[size], color_scheme=theme)
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
    page = open_page(chapters[0], viewport=SIZES["phone"])
    page.wait_for_timeout(400)
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
