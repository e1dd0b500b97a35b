"""The two depths of a page, its folds, questions and previews: a small book with all of it, in a real browser."""

import json
import shutil
import subprocess
import sys
from base64 import b64encode
from io import BytesIO
from pathlib import Path

import pytest
from axe import DESKTOP, ORDER, PHONE, TAGS, grave, judge, settle
from bs4 import BeautifulSoup
from PIL import Image

PATIENCE = 120_000  # milliseconds
PAGE = "chapters/two_depths"
MATHJAX_READY = "() => MathJax.startup.promise.then(() => true)"
PREDICT = """\
```{predict} Which way $x$ goes
:label: predict-way

$f'(x) < 0$. Where does a small step uphill on $f$ lead?

- To the right. | No. There $f$ falls, by {eq}`eq-depths-idea`.
- To the **left**. | Yes. The slope is negative.

  It is $f'$ that `step(x)` follows.
- Nowhere. | That holds where $f'(x) = 0$ | and nowhere else.
```"""
WRONG = """\
**Find the bug.**

<details><summary>What is wrong & why</summary>

The *sign*, by {eq}`eq-depths-idea`:

- $-f$ for $f$;
- `x += step`.

```python
x -= step
```
</details>

Text after it.

<details>
<summary>한국어 요약</summary>

생성자는 $f$를 따라 **움직인다**.

</details>"""


def picture(colour):
    file = BytesIO()
    Image.new("RGB", (300, 120), colour).save(file, "PNG")
    return {"image/png": b64encode(file.getvalue()).decode(), "text/plain": "<Figure>"}


def text(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source, *tags, data=None, stdout=None, figure=None):
    outputs = [{"output_type": "stream", "name": "stdout", "text": stdout}] if stdout else []
    if data:
        outputs.append({"output_type": "display_data", "metadata": {}, "data": data})
    told = {"figure": {"caption": f"A {figure}.", "name": figure}, "image": {"alt": f"Alt of {figure}."}}
    metadata = {"tags": [*tags], **({"mystnb": told} if figure else {})}
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": outputs, "execution_count": 1}


CELLS = [
    text("# Two depths\n\nA page that uses all of it."),
    code("import torch", "hide-input", "install"),
    code("seed = 0", "hide-input", "parameters", stdout="preset cpu"),
    text(f"## Idea\n\nThe {{term}}`critic`.\n\n$$\nf(x) = -x^2\n$$ (eq-depths-idea)\n\n{PREDICT}"),
    code("plot(1)", "hide-input", data=picture("navy"), figure="fig-depths-first"),
    text(
        "## Derivation\n\nWords.\n\n### A step\n\nMore words.\n\n### Further: why $f$ falls\n\nHidden words: pelican."
    ),
    text("$$\nf'(x) = -2x\n$$ (eq-depths-further)\n\n(depths-label)=\n#### Deeper\n\nA list:\n\n- one;\n- two."),
    code("plot(2)", "hide-input", data=picture("maroon"), figure="fig-depths-further"),
    code("check(1)", "hide-input", "nbval-check-output", stdout="✓ one = 1"),
    text("(depths-second)=\n### Further: a second one\n\nShort."),
    code("table()", "hide-input", data={"text/html": "<table><tr><th>a</th></tr><tr><td>1</td></tr></table>"}),
    text("### Furthermore\n\nIs none."),
    code("helper = 1", "hide-input"),
    code("grade()", "hide-input", "grader"),
    text("## Model\n\n$$\ng(x) = x\n$$ (eq-depths-last)"),
    code("plot(3)", "hide-input", data=picture("olive"), figure="fig-depths-last"),
    text(f"## What goes wrong\n\n{WRONG}"),
    text(
        "## Summary\n\nSee {eq}`eq-depths-further`, {numref}`fig-depths-further`, {ref}`predict-way`, "
        "{ref}`the question <predict-way>`, {ref}`depths-label` and {ref}`depths-second`; {eq}`eq-depths-last`, "
        "{numref}`fig-depths-last`."
    ),
    text("\n\n".join(["A paragraph of some length."] * 30)),
]
OTHER = "# Another page\n\nSee {eq}`eq-depths-idea`, {numref}`fig-depths-first` and {term}`decoder`.\n"


def write(folder, cells=CELLS):
    """The book's own settings and pages around the notebook."""
    told = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    told["language_info"] = {"name": "python"}
    notebook = {"cells": cells, "metadata": told, "nbformat": 4, "nbformat_minor": 4}
    (folder / "chapters").mkdir(exist_ok=True)
    (folder / f"{PAGE}.ipynb").write_text(json.dumps(notebook), encoding="utf8")


@pytest.fixture(scope="module")
def folder(root, tmp_path_factory):
    made = tmp_path_factory.mktemp("depths")
    shutil.copytree(root / "book", made / "book", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_config.yml", "pyproject.toml", "CHANGELOG.md"):  # the edition stands in the last two
        shutil.copy(root / name, made)
    (made / "book" / "other.md").write_text(OTHER, encoding="utf8")
    pages = ("book/other", "book/glossary", "book/bibliography")
    toc = ["format: jb-book", "root: book/notation", "chapters:", f"  - file: {PAGE}"]
    (made / "_toc.yml").write_text("\n".join([*toc, *(f"  - file: {page}" for page in pages)]))
    write(made)
    return made


def build(folder):
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", ".", "-W", "-n", "--keep-going"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def small_site(folder):
    built = build(folder)
    assert built.returncode == 0, built.stderr
    return folder / "_build" / "html"


@pytest.fixture(scope="module")
def article(small_site):
    return BeautifulSoup((small_site / f"{PAGE}.html").read_text(encoding="utf8"), "html.parser").article


@pytest.fixture(scope="module")
def address(small_site, serve):
    return serve(small_site)


@pytest.fixture
def visit(browser, address):
    """A function: what follows the page's name in the address -> the page, its formulas set."""
    made = []

    def go(after="", name=PAGE, **context):
        made.append(browser.new_context(**{"viewport": DESKTOP, **context}))
        page = made[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("requestfailed", lambda request: page.errors.append(request.url))
        page.goto(f"{address}{name}.html{after}")
        page.wait_for_function(MATHJAX_READY)
        return page

    yield go
    for context in made:
        context.close()


def opened(page, selector="details.further"):
    return page.locator(selector).evaluate_all("all => all.map(fold => fold.open)")


def in_sight(page, selector):
    """Waits until the element is on the screen, below the bar at the top."""
    page.wait_for_function(
        """selector => {
            const element = document.querySelector(selector), top = element.getBoundingClientRect().top;
            return element.checkVisibility() && top > 0 && top < innerHeight;
        }""",
        arg=selector,
    )


# --- what is written --------------------------------------------------------------------------------------------------


def test_a_further_section_is_one_fold_with_all_of_its_cells(article):
    folds = article.select("section.further > details.further")
    assert [fold.summary.h3.get_text().rstrip("#") for fold in folds] == [
        "Further: why \\(f\\) falls",
        "Further: a second one",
    ]
    assert [fold.summary.select_one(".minutes").get_text() for fold in folds] == ["1 min", "1 min"]
    first = folds[0]
    assert first.select_one("#equation-eq-depths-further") and first.select_one("figure#fig-depths-further")
    assert first.select_one("#deeper h4") and "✓ one = 1" in first.get_text()
    assert folds[1].find("table") and not article.select_one("#furthermore details.further")


def test_a_fold_changes_no_number(article):
    numbers = [e.find(string=True) for e in article.select(".eqno")]
    figures = [e.get_text(strip=True) for e in article.select("figcaption .caption-number")]
    assert numbers == ["(1)", "(2)", "(3)"] and figures == ["Figure 1", "Figure 2", "Figure 3"]
    assert [a.get_text() for a in article.select("#summary p a.internal")][:2] == ["(2)", "Figure 2"]


def test_folded_code_says_what_is_inside(article):
    assert [fold.summary.get_text() for fold in article.select("details.hide")] == [
        "Show the plot",
        "Show the plot",
        "Show the check",
        "Show the table",
        "Show the code",
        "Show the grader",
        "Show the plot",
    ]
    assert article.select_one("details.setup > summary").find(string=True) == "Show the setup"
    assert not article.select("details.hide figure, details.hide table, details.hide .cell_output")
    assert not article.select("summary p, summary[aria-label]")


def test_a_question_is_a_list_of_folded_answers(article):
    (question,) = article.select("div.predict#predict-way")
    answers = question.select("ul.answers > li > details.answer")
    assert [a.summary.get_text(strip=True) for a in answers] == ["To the right.", "To theleft.", "Nowhere."]
    assert answers[1].summary.strong and not any(a.has_attr("open") for a in answers)
    assert [[n for n in ("right", "wrong") if n in a["class"]] for a in answers] == [["wrong"], ["right"], ["wrong"]]
    signs = [a.select_one(".reason > [role=img]")["aria-label"] for a in answers]
    assert signs == ["wrong", "right", "wrong"]
    assert answers[0].select_one(".reason a.internal")["href"] == "#equation-eq-depths-idea"
    assert len(answers[1].select(".reason > p")) == 2 and answers[1].select_one(".reason code")
    assert answers[2].select_one(".reason").get_text().strip().endswith("| and nowhere else.")


def test_a_question_can_be_referred_to(article):
    links = [a for a in article.select("#summary a.internal") if a["href"] == "#predict-way"]
    assert [a.get_text() for a in links] == ["Which way f'(x)"[:9] + " x goes", "the question"]


def test_details_in_a_text_hold_what_markdown_says(article):
    wrong, korean = article.select("details.aside")
    assert wrong.summary.get_text() == "What is wrong & why" and not wrong.has_attr("lang")
    assert wrong.find("em") and len(wrong.select("ul > li")) == 2 and wrong.select_one("li .math")
    assert wrong.select_one(".highlight pre").get_text().strip() == "x -= step"
    assert wrong.select_one("a.internal")["href"] == "#equation-eq-depths-idea"
    assert korean["lang"] == "ko" and korean.summary.get_text() == "한국어 요약" and korean.find("strong")
    assert "Text after it." not in wrong.get_text() + korean.get_text()


BAD_PREDICT = {
    "2 answers: write 3 or 4": PREDICT[: PREDICT.index("- Nowhere")] + "```",
    "an answer without a reason, 'Nowhere.'": PREDICT[: PREDICT.index(" | That holds")] + "\n```",
    "has no label": PREDICT.replace(":label: predict-way\n", ""),
}
BAD_TEXT = {
    **BAD_PREDICT,
    "The fold 'Open' has no end": "<details><summary>Open</summary>\n\nWords.\n\n## Next",
    "A fold is written <details><summary>Title</summary>": "<details><summary>T</summary>\nA.\n\n</details>",
}


def test_what_is_malformed_fails_the_build_in_a_clear_sentence(folder, small_site, tmp_path):
    """All at once, each on a page of its own: a build takes seconds."""
    shutil.copytree(folder, tmp_path / "book", ignore=shutil.ignore_patterns("_build"))
    where = tmp_path / "book"
    for number, source in enumerate(BAD_TEXT.values()):
        (where / f"bad_{number}.md").write_text(f"# Bad {number}\n\nWords.\n\n## Part\n\n{source}\n", encoding="utf8")
    toc = ["format: jb-book", "root: book/bibliography", "chapters:"]
    (where / "_toc.yml").write_text("\n".join([*toc, *(f"  - file: bad_{n}" for n in range(len(BAD_TEXT)))]))
    config = (where / "_config.yml").read_text().replace('"*.md"', '"README.md"')
    (where / "_config.yml").write_text(config)
    failed = build(where)
    assert failed.returncode != 0
    said = " ".join(failed.stderr.split())
    for number, sentence in enumerate(BAD_TEXT):
        assert sentence in said and f"bad_{number}.md" in said


# --- in the browser: further ------------------------------------------------------------------------------------------


def test_further_opens_on_a_click_and_from_the_keyboard(visit):
    page = visit()
    assert opened(page) == [False, False] and not page.locator("#fig-depths-further img").is_visible()
    page.locator("details.further > summary").first.click()
    assert opened(page) == [True, False] and page.locator("#fig-depths-further img").is_visible()
    summary = page.locator("details.further > summary").nth(1)
    summary.focus()
    for key, state in (("Enter", True), ("Space", False)):
        page.keyboard.press(key)
        assert opened(page) == [True, state]
    assert not page.errors


@pytest.mark.parametrize(
    ("anchor", "first"),
    [
        ("#equation-eq-depths-further", True),
        ("#fig-depths-further", True),
        ("#deeper", True),
        ("#depths-label", True),
        ("#further-why-f-falls", True),
        ("#depths-second", False),
        ("#further-a-second-one", False),
    ],
)
def test_further_opens_for_an_address_that_leads_into_it(visit, anchor, first):
    page = visit(anchor)
    page.wait_for_function("n => document.querySelectorAll('details.further')[n].open", arg=0 if first else 1)
    assert opened(page) == [first, not first]
    in_sight(page, anchor)
    assert not page.errors


def test_further_opens_from_the_contents_of_the_page_and_from_links(visit):
    page = visit()
    entry = page.locator(".bd-sidebar-secondary a", has_text="a second one")
    for _ in range(2):  # a second click on the same entry changes nothing in the address
        entry.click()
        page.wait_for_function("() => document.querySelectorAll('details.further')[1].open")
        in_sight(page, "#further-a-second-one")
        page.locator("details.further > summary").nth(1).click()
        assert opened(page) == [False, False]
    page.locator("#summary a[href='#fig-depths-further']").click()
    page.wait_for_function("() => document.querySelectorAll('details.further')[0].open")
    in_sight(page, "#fig-depths-further img")


def test_further_opens_for_the_words_of_a_search(visit):
    page = visit("?highlight=pelican")
    page.wait_for_function("() => document.querySelectorAll('details.further')[0].open")
    in_sight(page, "span.highlighted")
    assert opened(page) == [True, False] and not any(opened(page, "details.answer"))


def test_an_address_without_an_anchor_opens_nothing(visit):
    page = visit()
    page.wait_for_timeout(100)
    assert not any(opened(page, "article details")) and not page.errors


def test_on_paper_everything_is_open(visit):
    page = visit()
    page.emulate_media(media="print")
    hidden = page.evaluate("""() => [...document.querySelectorAll(
        'details.further > .further-content > *, details.answer > .reason, details.aside > p')]
        .filter(e => !e.checkVisibility() || !e.getBoundingClientRect().height).map(e => e.outerHTML.slice(0, 80))""")
    assert not [html for html in hidden if not html.startswith("<span")]  # what a label leaves behind


# --- in the browser: questions, asides, code --------------------------------------------------------------------------


def test_an_answer_shows_its_reason_without_a_script(visit):
    page = visit()
    for key in ("Enter", "Space"):
        summary = page.locator("details.answer > summary").nth(0 if key == "Enter" else 1)
        summary.focus()
        page.keyboard.press(key)
    assert opened(page, "details.answer") == [True, True, False]
    assert page.locator(".reason").evaluate_all("all => all.map(e => e.checkVisibility())") == [True, True, False]
    colours = page.locator(".sign").evaluate_all("all => all.map(e => getComputedStyle(e).color)")
    assert colours[0] == colours[2] != colours[1]


def test_answers_open_where_scripts_are_off(browser, address):
    context = browser.new_context(java_script_enabled=False, viewport=DESKTOP)
    page = context.new_page()
    page.goto(f"{address}{PAGE}.html")
    page.locator("details.answer > summary").nth(2).click()
    assert page.locator(".reason").nth(2).is_visible() and not page.locator(".reason").nth(0).is_visible()
    context.close()


def test_folded_code_opens_from_the_keyboard_and_tells_its_state(visit):
    page = visit()
    for summary in page.locator("details.hide:visible > summary, details.aside > summary").all():
        summary.focus()
        page.keyboard.press("Enter")
        assert summary.evaluate("s => s.parentElement.open")
        assert summary.evaluate("s => getComputedStyle(s).outlineStyle") != "none"


@pytest.mark.parametrize(("theme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["light-desktop", "dark-phone"])
def test_nothing_is_amiss_in_either_theme_at_either_width(visit, theme, size):
    page = visit(viewport=size, color_scheme=theme)
    for _ in range(2):  # folded, and then with everything open
        assert not grave(judge(page, {"type": "tag", "values": TAGS}))
        assert not judge(page, {"type": "rule", "values": ORDER})
        assert page.evaluate("document.scrollingElement.scrollWidth") == size["width"]
        settle(page, theme)
    narrow = page.evaluate("""() => [...document.querySelectorAll('summary')].filter(s => s.checkVisibility() &&
        s.getBoundingClientRect().height < 24).map(s => s.textContent)""")
    assert not narrow  # a target for a finger


# --- in the browser: previews -----------------------------------------------------------------------------------------

SEEN = {  # a reference in the article -> what the window over it holds
    "a.internal[href='#equation-eq-depths-further']": "mjx-container",
    "#summary a.internal[href='#fig-depths-further']": "img[alt='Alt of fig-depths-further.']",
    "a.internal[href*='#term-critic']": "dd mjx-container",
}


@pytest.mark.parametrize("selector", SEEN)
def test_a_reference_shows_what_it_points_to_on_hover(visit, selector):
    page = visit()
    page.locator(f"article {selector}").last.hover()
    page.locator(f"#preview {SEEN[selector]}").first.wait_for()
    link = page.locator(f"article {selector}").last
    assert link.get_attribute("aria-describedby") == "preview"
    assert page.locator("#preview").get_attribute("role") == "tooltip"
    assert not page.locator("#preview a, #preview [id]").count()
    page.locator("#preview").hover()  # the pointer may go there
    page.wait_for_timeout(400)
    assert page.locator("#preview").is_visible()
    page.keyboard.press("Escape")
    page.locator("#preview").wait_for(state="hidden")
    assert link.get_attribute("aria-describedby") is None and not page.errors


def test_references_to_another_page_show_what_is_there(visit):
    page = visit(name="book/other")
    for target, inside in (
        ("two_depths.html#equation", "mjx-container"),
        ("two_depths.html#fig", "img"),
        ("term", "dd"),
    ):
        page.locator(f"article a.internal[href*='{target}']").hover()
        page.locator(f"#preview {inside}").first.wait_for()
    page.locator("article a.internal[href*='#fig']").hover()
    page.wait_for_function("() => document.querySelector('#preview img')?.naturalWidth === 300")
    assert not page.errors


def test_references_show_what_they_point_to_from_the_keyboard(visit):
    page = visit(name="book/other")
    page.locator("article a.internal[href*='#equation']").focus()
    page.keyboard.press("Tab")
    page.locator("#preview img").wait_for()
    page.keyboard.press("Escape")
    page.locator("#preview").wait_for(state="hidden")
    page.keyboard.press("Tab")
    page.locator("#preview dd").wait_for()
    assert not grave(judge(page, {"type": "tag", "values": TAGS}))
    page.keyboard.press("Tab")
    page.locator("#preview").wait_for(state="hidden")


def test_a_tap_on_a_reference_follows_it(visit):
    page = visit(name="book/other", viewport=PHONE, has_touch=True, is_mobile=True)
    page.locator("article a.internal[href*='#term']").tap()
    page.wait_for_url("**/book/glossary.html#term-decoder")


def test_previews_work_from_a_folder(browser, small_site):
    page = browser.new_context(viewport=DESKTOP).new_page()
    page.goto((small_site / "book" / "other.html").as_uri())
    page.locator("article a.internal[href*='#term']").hover()
    page.locator("#preview dd").wait_for()
    page.context.close()
