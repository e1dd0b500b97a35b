"""The contents in the sidebar, folded: a part of the book is a line that opens, the part of the current page is open,
and parts of one family ("Adversarial networks: the game") stand inside one line. No script is needed.

The theme makes the list anew for every page, in which its time grows as the square of the book: here it is made once,
and then marked for each page as the theme would."""

import itertools
import posixpath
import re

from bs4 import BeautifulSoup

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


class Contents:
    """The theme's list of contents, as HTML that it made for ``page``, and the same list for any other page."""

    def __init__(self, html, page):
        self.soup = BeautifulSoup(html, "html.parser")
        self._mark(*self.soup.find_all("a", class_="current"), off=True)
        address = lambda href: posixpath.normpath(posixpath.join(posixpath.dirname(page), href))
        links = [(a, a["href"]) for a in self.soup.find_all("a")]
        self.links = [(a, f"{page}.html" if h == "#" else address(h)) for a, h in links if "://" not in h]

    def on(self, page):
        for a, target in self.links:
            a["href"] = posixpath.relpath(target, posixpath.dirname(page) or ".")
        here = [a for a, target in self.links if target == f"{page}.html"]
        self._mark(*here)
        html = str(self.soup)
        self._mark(*here, off=True)
        return html

    def _mark(self, *here, off=False):
        """The links of the current page, and all that they stand in; off: unmarked."""
        for a in here:
            a["href"] = "#"
            for tag in (a, *a.parents):
                marks = {"a": ["current"], "ul": ["current"], "li": ["current", "active"]}.get(tag.name, [])
                if tag.name == "li" and (below := tag.find("details", recursive=False)):
                    below.attrs.pop("open", None)
                    below.attrs |= {} if off else {"open": "open"}
                kept = [name for name in tag.get("class", []) if name not in marks]
                at = 1 if tag.name == "li" else 0  # where the theme has them
                if marks and not off:
                    kept[at:at] = marks
                if kept:
                    tag["class"] = kept
                else:
                    tag.attrs.pop("class", None)


def begin(app):
    app.contents = None


def offer(app, pagename, templatename, context, doctree):
    def contents(make, **options):
        if app.contents is None:
            app.contents = Contents(str(make(**options)), pagename)
        return fold(app.contents.on(pagename))

    context["folded_contents"] = contents


def setup(app):
    app.connect("builder-inited", begin)
    app.connect("html-page-context", offer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
