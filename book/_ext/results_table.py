"""`{results-table}`: every claim recorded in the chapters, in their order, with its numbers and its verdict; and
`{runs-table}`: what each stored run cost. Both come from genlib.course.results."""

from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from genlib.course import notebooks, results


class Table(Directive):
    def run(self):
        env = self.state.document.settings.env
        chapters = [c for c in notebooks.chapters(Path(env.srcdir)) if c.path.exists()]
        for chapter in chapters:
            env.note_dependency(str(chapter.path))
        box = nodes.container(classes=["results-box"])
        self.state.nested_parse(StringList(self.text(chapters).split("\n"), self.name), self.content_offset, box)
        return box.children


class ResultsTable(Table):
    def text(self, chapters):
        return results.markdown(results.collect([c.path for c in chapters]))


class RunsTable(Table):
    def text(self, chapters):
        return results.runs_markdown(results.runs(chapters))


def outdated(app, env, added, changed, removed):
    """A chapter that joined the table of contents brings its claims along."""
    return ["book/results"] if (added or removed) and "book/results" in env.found_docs else []


def setup(app):
    app.add_directive("results-table", ResultsTable)
    app.add_directive("runs-table", RunsTable)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
