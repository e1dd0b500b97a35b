"""axe-core in a page of the browser: its rules, run in one theme and at one width."""

from pathlib import Path

import axe_playwright_python

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
ORDER = ["heading-order", "page-has-heading-one", "landmark-one-main", "landmark-unique", "region"]
ORDER += ["empty-table-header"]
GRAVE = ("serious", "critical")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SPACE = ["target-size", "scrollable-region-focusable"]  # what else a narrow page may break
# What is made alike, a row for each claim or a section for each chapter: the first stand for the others.
ALIKE = ["tbody > tr:nth-child(n+9)", "#notes-for-the-teacher > section:nth-of-type(n+9)"]

# The new size is known after two frames, and 150 ms later book.js has marked what can be scrolled now.
SETTLED = """() => new Promise(done =>
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 200))))"""

# axe looks at every element of a formula's picture, which screen readers pass over, and of the MathML that they get
# instead, for which it has no rule.
RUN = """async ([rules, leave, plain]) => {
    document.querySelectorAll('mjx-math[aria-hidden=true]').forEach(picture => picture.remove());
    document.querySelectorAll(['mjx-assistive-mml math', ...plain]).forEach(e => { e.textContent = e.textContent });
    const found = await axe.run({include: ['html'], exclude: leave}, {runOnly: rules, resultTypes: ['violations']});
    return found.violations.map(v => ({
        rule: v.id, impact: v.impact, help: v.help,
        where: v.nodes.slice(0, 5).map(n => `${n.target}: ${n.html.slice(0, 120)}`),
    }));
}"""


def judge(page, rules, plain=()):
    """The violations. Of what the selectors ``plain`` find, axe is given the words alone."""
    page.evaluate(AXE)
    return page.evaluate(RUN, [rules, ALIKE, plain])


def grave(violations):
    return [v for v in violations if v["impact"] in GRAVE]


def settle(page, theme):
    """Everything unfolded, nothing in motion, in one theme."""
    page.bring_to_front()  # a page behind another has no frames, and so no word of its new size
    page.add_style_tag(content="* { transition: none !important; animation: none !important }")
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    page.evaluate(SETTLED)
