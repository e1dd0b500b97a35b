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
        env.note_dependency(str(Path(env.srcdir, "_toc.yml")))
        box = nodes.container(classes=["results-box"])
        lines = env.results_told[self.name].split("\n")
        self.state.nested_parse(StringList(lines, self.name), self.content_offset, box)
        return box.children


def outdated(app, env, added, changed, removed):
    """The page, when the records of the chapters say something else than at the latest build."""
    chapters = [c for c in notebooks.chapters(Path(env.srcdir)) if c.path.exists()]
    claims, runs = results.collect([c.path for c in chapters]), results.runs(chapters)
    now = {"results-table": results.markdown(claims), "runs-table": results.runs_markdown(runs)}
    before, env.results_told = getattr(env, "results_told", None), now
    return ["book/results"] if now != before and "book/results" in env.found_docs else []


def setup(app):
    app.add_directive("results-table", Table)
    app.add_directive("runs-table", Table)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
