"""The contents in the sidebar, folded: a part of the book is a line that opens, the part of the current page is open,
and parts of one family ("Adversarial networks: the game") stand inside one line. No script is needed."""

import itertools
import re

CAPTION = re.compile(r'<p[^>]*class="caption"[^>]*><span class="caption-text">(.*?)</span></p>', re.DOTALL)
LINK = r'<a class="[^"]*reference internal[^"]*"[^>]*>([^<]*)</a>'
TOGGLE = re.compile(rf'({LINK}<details[^>]*><summary)(?=><span class="toctree-toggle")')
FIRST = "Start"  # is open where no page of the contents is the current one: on the front page, in the search


def fold(html):
    """The theme's list of contents with every captioned list inside a <details>."""
    before, *rest = CAPTION.split(html)
    parts = list(zip(rest[::2], rest[1::2], strict=True))
    anywhere = current(html)
    made = [before]
    for family, group in itertools.groupby(parts, key=lambda part: part[0].partition(": ")[0]):
        group = list(group)
        inside = "".join(body for _, body in group)
        if any(": " in caption for caption, _ in group):
            inside = "".join(part(caption.partition(": ")[2], body, current(body), "group") for caption, body in group)
        made.append(part(family, inside, current(inside) or (not anywhere and family == FIRST), "part"))
    return TOGGLE.sub(r'\1 aria-label="Pages under \2"', "".join(made))  # the theme's own toggles say nothing


def part(caption, body, is_open, css):
    """One line that opens. caption, body: HTML."""
    state = " open" if is_open else ""
    summary = f'<summary class="caption"><span class="caption-text">{caption}</span></summary>'
    return f'<details class="{css}"{state}>{summary}{body}</details>\n'


def current(html):
    """Whether the current page is in a list of the theme's."""
    return any(map(is_current, html.split('class="')[1:]))


def is_current(after):
    """after: what follows class=" in the source."""
    return "current" in after.partition('"')[0].split()


def offer(app, pagename, templatename, context, doctree):
    context["fold_parts"] = fold


def setup(app):
    app.connect("html-page-context", offer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
