"""The site in a real browser, with every other host out of reach: what a reader sees and can do."""

import axe
import pytest
from axe import DESKTOP, PHONE

READABLE = 4.5  # WCAG AA, text of normal size
MAX_PAGE = 1_500_000  # bytes of the files; a server that packs sends less

MATHEMATICS = """() => ({
    sources: document.querySelectorAll('.math').length,
    rendered: document.querySelectorAll('.math mjx-container').length,
    spoken: document.querySelectorAll('.math mjx-assistive-mml math').length,
    errors: [...document.querySelectorAll('mjx-merror, .MathJax_Error')].map(e => e.textContent),
    raw: (document.querySelector('article').innerText.match(/\\\\\\(|\\\\\\[|\\\\mathbb|\\\\frac/g) || []).length,
})"""

# Contrast of the text that is seen, element by element, against the colours beneath it, as the browser paints them.
CONTRAST = """() => {
    const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
    const pen = canvas.getContext('2d', {willReadFrequently: true}), seen = new Map();
    const rgba = colour => {
        if (!seen.has(colour)) {
            pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
            seen.set(colour, [...pen.getImageData(0, 0, 1, 1).data].map((v, i) => i < 3 ? v : v / 255));
        }
        return seen.get(colour);
    };
    const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
    const ground = element => {
        const layers = [];
        for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
        return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
    };
    const luminance = c => c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const poor = [];
    const read = '.bd-article *, .bd-sidebar *, .prev-next-area *, .bd-footer-content *';
    const unread = 'mjx-container, script, style, noscript, .headerlink, .tip';
    for (const e of document.querySelectorAll(read)) {
        const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        if (!own || e.closest(unread) || !e.checkVisibility({visibilityProperty: true})) continue;
        const below = ground(e), text = over(rgba(getComputedStyle(e).color), below);
        const [a, b] = [luminance(text), luminance(below)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
        if (ratio >= LEAST) continue;
        poor.push(`${ratio.toFixed(2)} <${e.tagName} class="${e.className}"> ${e.textContent.trim().slice(0, 40)}`);
    }
    const cards = [...document.querySelectorAll('.cell_output img')].map(e => luminance(ground(e)));
    return {poor: [...new Set(poor)].slice(0, 12), cards};
}""".replace("LEAST", str(READABLE))

# Bytes of everything that a first visit loads, as the files are.
WEIGHT = """() => Object.fromEntries(['navigation', 'resource'].flatMap(kind =>
    performance.getEntriesByType(kind).map(e => [e.name, e.decodedBodySize])))"""

SIDEWAYS = """() => {
    const page = document.scrollingElement;
    page.scrollLeft = 1000;
    const moved = page.scrollLeft;
    page.scrollLeft = 0;
    const boxes = 'pre, mjx-container, .pst-scrollable-table-container, .text_html, .bd-sidebar, .bd-sidebar-secondary';
    const wide = [...document.querySelectorAll('main *')].filter(e =>
        e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(boxes));
    return {moved, width: page.scrollWidth, wide: wide.slice(0, 5).map(e => e.outerHTML.slice(0, 120))};
}"""

# Code and formulas of which a part is cut off, on a desk.
CUT = """() => [...document.querySelectorAll('article :is(.cell_input pre, mjx-container[display])')]
    .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map(e => e.innerText.slice(0, 60))"""

SEEN = "e => e.checkVisibility({visibilityProperty: true}) && e.getBoundingClientRect().height > 0"

# Everything that is folded away is clicked on; for each, whether it was seen before and after.
UNFOLD = """() => {
    const seen = SEEN;
    const click = (button, content) => {
        const before = seen(content);
        button.click();
        return [before, seen(content)];
    };
    const all = selector => [...document.querySelectorAll(selector)], summary = d => d.querySelector('summary');
    const rocket = document.querySelector('.dropdown-launch-buttons button');
    const links = all('.dropdown-launch-buttons a').filter(a => a.textContent.includes('Colab'));
    return {
        solutions: all('details.solution').map(d => click(summary(d), summary(d).nextElementSibling)),
        setup: all('details.setup').map(d => click(summary(d), d.querySelector('.cell_input'))),
        colab: links.map(a => [...click(rocket, a), a.href]),
    };
}""".replace("SEEN", SEEN)

# On paper: what is seen of the page around the text, and what is cut off.
PAPER = """() => {
    const seen = SEEN, all = selector => [...document.querySelectorAll(selector)];
    const cut = e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible';
    return {
        title: all('article h1').some(seen),
        apart: all('.bd-sidebar-primary, .bd-header-article, .prev-next-footer, details.setup').filter(seen).length,
        solutions: all('details.solution > :not(summary)').map(seen),
        cut: all('article pre').filter(e => seen(e) && cut(e)).map(e => e.innerText.slice(0, 60)),
    };
}""".replace("SEEN", SEEN)


@pytest.fixture(scope="module")
def visit(open_page, browser, judged_pages):
    """A function: the name of a document -> what was measured there, in one visit, with everything unfolded; and, of
    those that are judged, the page as it was left."""
    made, together = {}, browser.new_context(viewport=DESKTOP)

    def look(name):
        if name not in made:
            page = open_page(name, within=together)
            found = {"mathematics": page.evaluate(MATHEMATICS), "unfolded": page.evaluate(UNFOLD)}
            page.wait_for_load_state("networkidle")
            found |= {"weight": page.evaluate(WEIGHT), "cut": page.evaluate(CUT)}
            page.set_viewport_size(PHONE)
            found["phone"] = page.evaluate(SIDEWAYS)
            made[name] = found | page.log | {"page": page}
            if name not in judged_pages:
                page.close()
        return made[name]

    yield look
    together.close()


# --- every page -----------------------------------------------------------------------------------------------------


def test_mathematics_is_rendered(visit, page):
    found = visit(page)["mathematics"]
    assert found["rendered"] == found["spoken"] == found["sources"]
    assert not found["errors"] and not found["raw"]


def test_a_phone_needs_no_sideways_scroll(visit, page):
    found = visit(page)["phone"]
    assert found["moved"] == 0 and found["width"] == PHONE["width"]
    assert not found["wide"]


def test_nothing_is_asked_of_another_host_and_nothing_fails(visit, page):
    found = visit(page)
    assert not found["elsewhere"] and not found["failed"] and not found["errors"]


def test_a_page_keeps_to_its_budget(visit, page):
    weight = visit(page)["weight"]
    heaviest = sorted(weight.items(), key=lambda item: -item[1])[:5]
    assert 0 < sum(weight.values()) <= MAX_PAGE, f"{sum(weight.values()):,} bytes, of which {heaviest}"


# --- pages of each make ---------------------------------------------------------------------------------------------


def painted(page, theme):
    """CONTRAST on a desk, in one theme."""
    page.set_viewport_size(DESKTOP)
    axe.settle(page, theme)
    return page.evaluate(CONTRAST)


def test_text_is_legible_in_the_light(visit, judged):
    assert not painted(visit(judged)["page"], "light")["poor"]


def test_text_and_figures_are_legible_in_the_dark(visit, judged):
    """A chapter's colours come from the style sheets alone (test_html sees to it), so that one stands for a family."""
    found = painted(visit(judged)["page"], "dark")
    assert not found["poor"]
    assert all(luminance > 0.8 for luminance in found["cards"]), "a figure drawn on white paper lies on the dark ground"


def test_a_page_has_no_grave_fault(visit, judged):
    """On a phone in the dark, then on a desk in the light. Code is plain words here, for each coloured one costs axe
    some time: their colours are measured above, in both themes."""
    page = visit(judged)["page"]
    page.set_viewport_size(PHONE)
    axe.settle(page, "dark")
    assert not axe.grave(axe.judge(page, {"type": "rule", "values": axe.SPACE}, plain=[".highlight pre"]))
    page.set_viewport_size(DESKTOP)
    axe.settle(page, "light")
    assert not axe.grave(axe.judge(page, {"type": "tag", "values": axe.TAGS}))
    assert not axe.judge(page, {"type": "rule", "values": axe.ORDER})
    page.close()


# --- chapters -------------------------------------------------------------------------------------------------------


def test_solutions_and_setup_open_on_a_click(visit, chapter):
    found = visit(chapter)["unfolded"]
    assert len(found["solutions"]) >= 3 and all(seen == [False, True] for seen in found["solutions"])
    assert found["setup"] == [[False, True]]


def test_code_and_formulas_are_seen_in_their_whole_width(visit, chapter):
    assert not visit(chapter)["cut"]


def test_the_rocket_leads_to_colab(visit, chapter, config):
    repository = config["repository"]["url"].removeprefix("https://github.com/")
    branch = config["sphinx"]["config"]["html_theme_options"]["repository_branch"]  # that of the exports
    wanted = f"https://colab.research.google.com/github/{repository}/blob/{branch}/{chapter}.ipynb"
    assert visit(chapter)["unfolded"]["colab"] == [[False, True, wanted]]


# --- the book -------------------------------------------------------------------------------------------------------


def test_search_finds_elbo_in_the_vae_chapter(open_page):
    page = open_page("book/index")
    page.keyboard.press("Control+k")
    page.locator("#pst-search-dialog input[type=search]").fill("ELBO")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=ELBO*")
    page.locator("#search-results li a[href^='chapters/vae/vae.html']").first.wait_for()
    assert not page.log["elsewhere"] and not page.log["failed"]
    page.context.close()


def test_every_button_shows_its_icon(open_page, chapters):
    page = open_page(chapters[0])
    icons = page.locator(".header-article-items :is(i, span):is(.fas, .fab, .fa-solid):visible")
    assert icons.count() >= 6
    drawn = "i => getComputedStyle(i).maskImage.startsWith('url(\"data:') && i.offsetWidth > 10"
    assert all(icon.evaluate(drawn) for icon in icons.all())
    page.context.close()


def test_on_paper_there_is_the_text_alone_and_nothing_folded(open_page, chapters):
    page = open_page(chapters[0])
    page.emulate_media(media="print")
    found = page.evaluate(PAPER)
    assert found["title"] and not found["apart"] and not found["cut"]
    assert found["solutions"] and all(found["solutions"])
    page.context.close()


def test_the_theme_switch_leads_to_the_dark_and_back(open_page):
    page = open_page("book/index", color_scheme="light")
    theme = lambda: page.evaluate("document.documentElement.dataset.theme")
    seen = [theme()]
    for _ in range(3):
        page.locator(".bd-header-article .theme-switch-button").click()
        seen.append(theme())
    assert seen[0] == "light" and "dark" in seen
    page.context.close()


def test_the_reader_who_prefers_the_dark_gets_it(open_page):
    page = open_page("book/index", color_scheme="dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    shown = page.locator(".navbar-brand img:visible")
    assert shown.count() == 1 and "dark" in shown.get_attribute("src")
    page.context.close()


def test_the_map_works_from_the_keyboard(open_page):
    page = open_page("book/index")
    links = page.locator(".systems-map li a")
    links.first.focus()
    reached = []
    for _ in range(links.count()):
        reached.append(page.evaluate("document.activeElement.getAttribute('href')"))
        assert page.evaluate("getComputedStyle(document.activeElement.querySelector('.tip')).display") == "block"
        page.keyboard.press("Tab")
    assert reached == links.evaluate_all("links => links.map(a => a.getAttribute('href'))")
    page.context.close()


def test_the_map_becomes_a_list_on_a_phone(open_page):
    page = open_page("book/index", viewport=PHONE)
    map_ = page.locator(".systems-map")
    assert map_.locator("tbody tr").first.evaluate("row => getComputedStyle(row).display") == "grid"
    assert map_.locator("tbody li a:visible").count() == map_.locator("tbody li a").count() >= 59
    page.context.close()


def test_the_menu_opens_on_a_phone(open_page):
    page = open_page("book/index", viewport=PHONE)
    entry = page.locator(".bd-sidebar-primary a", has_text="Notation")
    assert not entry.is_visible()
    page.locator(".bd-header-article .primary-toggle").click()
    entry.click()
    page.wait_for_url("**/book/notation.html")
    page.context.close()
