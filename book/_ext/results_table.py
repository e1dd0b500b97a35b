"""`{results-table}`: every claim recorded in the chapters, in their order, with its numbers and its verdict;
`{side-by-side}`: the tables that several chapters fill with a row each; `{runs-table}`: what each stored run cost. All
come from genlib.course.results."""

from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from genlib.course import notebooks, results
from genlib.course.author import order


class Table(Directive):
    """The text that was made for it; where it has parts, a section for each, so that the page has a way in."""

    def run(self):
        env = self.state.document.settings.env
        env.note_dependency(str(Path(env.srcdir, "_toc.yml")))
        lead, *parts = env.results_told[self.name]
        made = self.parsed(lead)
        for caption, body in parts:
            name = "results-" + nodes.make_id(caption)
            section = nodes.section("", nodes.title(caption, caption), ids=[name], names=[name])
            section += self.parsed(body)
            made.append(section)
        return made

    def parsed(self, text):
        box = nodes.container()
        self.state.nested_parse(StringList(text.split("\n"), self.name), self.content_offset, box)
        return box.children


def outdated(app, env, added, changed, removed):
    """The page, when the records of the chapters say something else than at the latest build."""
    chapters = [c for c in notebooks.chapters(Path(env.srcdir)) if c.path.exists()]
    claims, runs = results.collect([c.path for c in chapters]), results.runs(chapters)
    now = {"results-table": told(Path(env.srcdir), claims), "runs-table": [results.runs_markdown(runs)]}
    tables = results.side_by_side([c.path for c in chapters])
    now["side-by-side"] = ["" if tables else "No chapter has recorded a row yet."]
    now["side-by-side"] += [(name, results.side_by_side_markdown(name, parts)) for name, parts in tables.items()]
    before, env.results_told = getattr(env, "results_told", None), now
    return ["book/results"] if now != before and "book/results" in env.found_docs else []


def told(root, claims):
    """What the table of claims says: a sentence, then (caption, table) of every part of the book that has claims."""
    if not claims:
        return [results.markdown(claims)]
    parts = [(caption, [row for row in claims if row["chapter"] in names]) for caption, names in order.parts_of(root)]
    return [results.counted(claims), *((caption, results.claims_table(rows)) for caption, rows in parts if rows)]


def setup(app):
    app.add_directive("results-table", Table)
    app.add_directive("side-by-side", Table)
    app.add_directive("runs-table", Table)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
