"""The map of the book's systems by family and year, drawn from book/systems.yml.

`{systems-map}` becomes one table: a row a year, a column a family, a link a system. A system whose chapter is in the
table of contents leads to it; any other leads to its paper in the bibliography. Below the width of a tablet the same
table reads as a list (book.css). `{systems-count}` is a role that writes a number in words: of `systems`, `chapters`,
`written` chapters, `papers`, or chapters with two papers, `shared`; with a capital where a sentence begins.
"""

from html import escape
from pathlib import Path

import yaml
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.errors import ExtensionError
from sphinx.util import logging

FIELDS = {"family", "slug", "title", "year", "cite"}
MORE = {"also", "group"}
logger = logging.getLogger(__name__)


class Systems:
    """systems.yml, checked. Raises ExtensionError that names the entry at fault."""

    def __init__(self, path):
        data = yaml.safe_load(Path(path).read_text(encoding="utf8"))
        self.families, self.entries, self.closing = data["families"], data["systems"], data["closing"]
        seen = set()
        for entry in self.entries:
            name = entry.get("slug", entry)
            if not FIELDS <= set(entry) <= FIELDS | MORE or entry["family"] not in self.families:
                raise ExtensionError(f"book/systems.yml: the entry {name} needs {sorted(FIELDS)} and a known family")
            if doc(entry) in seen:
                raise ExtensionError(f"book/systems.yml: {name} is listed twice")
            seen.add(doc(entry))

    def counts(self, found_docs):
        return {
            "systems": len(self.entries),
            "chapters": len(self.entries) + 1,
            "written": sum(doc(entry) in found_docs for entry in [*self.entries, self.closing]),
            "papers": len({key for entry in self.entries for key in entry["cite"]}),
            "shared": sum(len(entry["cite"]) > 1 for entry in self.entries),
        }


def doc(entry):
    return f"chapters/{entry['family']}/{entry['slug']}"


class SystemsMap(nodes.General, nodes.Element):
    """Drawn when the page is written, when every chapter and every citation is known."""


class MapDirective(Directive):
    def run(self):
        env = self.state.document.settings.env
        env.note_dependency(str(Path(env.srcdir, "book", "systems.yml")))
        return [SystemsMap()]


def count_role(name, rawtext, text, lineno, inliner, options=None, content=None):
    env = inliner.document.settings.env
    env.note_dependency(str(Path(env.srcdir, "book", "systems.yml")))
    env.note_dependency(str(Path(env.srcdir, "_toc.yml")))
    counts = Systems(Path(env.srcdir, "book", "systems.yml")).counts(env.found_docs)
    if text.lower() not in counts:
        return [], [inliner.reporter.error(f"systems-count knows {sorted(counts)}, not {text!r}", line=lineno)]
    words = in_words(counts[text.lower()])
    return [nodes.Text(words.capitalize() if text[0].isupper() else words)], []


def in_words(n):
    ones = "no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
    ones += "seventeen eighteen nineteen".split()
    tens = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
    if n < 20:
        return ones[n]
    return tens[n // 10] + (f"-{ones[n % 10]}" if n % 10 else "")


def paper_links(env):
    """key -> (docname, anchor, 'Kingma and Welling, Auto-encoding variational Bayes')."""
    links = {}
    for citation in env.get_domain("cite").citations:
        entry = citation.entry
        names = [" ".join([*p.prelast_names, *p.last_names]).strip("{}") for p in entry.persons["author"]]
        names = names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else f"{names[0]} et al."
        title = entry.fields["title"].strip("{}")
        links[citation.key] = (citation.bibliography_key.docname, citation.citation_id, f"{names}: {title}")
    return links


def visit_map(self, node):
    env, builder = self.builder.env, self.builder
    systems = Systems(Path(env.srcdir, "book", "systems.yml"))
    links, here, page = paper_links(env), builder.current_docname, []

    def item(entry):
        missing = [key for key in entry["cite"] if key not in links]
        if missing:
            logger.warning("systems.yml: %s cites %s, not in references.bib", entry["slug"], ", ".join(missing))
            return ""
        docname, anchor, paper = links[entry["cite"][0]]
        written = doc(entry) in env.found_docs
        href = builder.get_relative_uri(here, doc(entry) if written else docname) + ("" if written else f"#{anchor}")
        state = "written" if written else "to come"
        also = f" With {escape(', '.join(entry['also']))}." if entry.get("also") else ""
        return (
            f'<li class="{"written" if written else "coming"}"><a href="{href}">{escape(entry["title"])}'
            f'<span class="tip">{escape(paper)}.{also} <em>{state}</em></span></a></li>'
        )

    span = {f: [e["year"] for e in systems.entries if e["family"] == f] for f in systems.families}
    counts = systems.counts(env.found_docs)
    page.append('<figure class="systems-map"><div class="systems-box"><table>')
    page.append("<caption>The systems of the book by family and year of the first paper</caption><thead><tr><td></td>")
    for family, title in systems.families.items():
        page.append(f'<th scope="col" class="{family}">{escape(title)} <small>{len(span[family])}</small></th>')
    page.append("</tr></thead><tbody>")
    for year in sorted({entry["year"] for entry in systems.entries}):
        page.append(f'<tr><th scope="row">{year}</th>')
        for family, title in systems.families.items():
            here_now = [e for e in systems.entries if e["family"] == family and e["year"] == year]
            classes = [family]
            if min(span[family]) <= year <= max(span[family]):
                classes += ["alive"] + ["first"] * (year == min(span[family])) + ["last"] * (year == max(span[family]))
            classes += [] if here_now else ["none"]
            rows = (len(here_now) + 1) // 2  # of two columns, where the style sheet makes two
            content = f'<ul style="--rows: {rows}">{"".join(map(item, here_now))}</ul>' if here_now else ""
            page.append(f'<td class="{" ".join(classes)}" data-family="{escape(title)}">{content}</td>')
        page.append("</tr>")
    closing = systems.closing
    written = doc(closing) in env.found_docs
    label = escape(closing["title"])
    if written:
        label = f'<a href="{builder.get_relative_uri(here, doc(closing))}">{label}</a>'
    page.append(
        f'</tbody><tfoot><tr><th scope="row">Last</th><td colspan="{len(systems.families)}" class="closing">'
        f'<ul><li class="{"written" if written else "coming"}">{label}</li></ul></td></tr></tfoot></table></div>'
    )
    page.append(
        '<figcaption><span class="written">written: opens the chapter</span>'
        '<span class="coming">to come: opens the paper’s entry in the bibliography</span>'
        f"<span>{counts['written']} of {counts['chapters']} chapters written</span></figcaption></figure>\n"
    )
    self.body.append("".join(page))
    raise nodes.SkipNode


def skip(self, node):
    raise nodes.SkipNode


def redraw(app, env):
    """Which chapters exist and what they cite may have changed without the map's own page changing."""
    return [name for name in env.found_docs if name == app.config.root_doc]


def setup(app):
    app.add_node(SystemsMap, html=(visit_map, None), latex=(skip, None), text=(skip, None))
    app.add_directive("systems-map", MapDirective)
    app.add_role("systems-count", count_role)
    app.connect("env-updated", redraw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
