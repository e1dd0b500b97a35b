"""`{results-table}`: every claim recorded in the chapters, in their order, with its numbers and its verdict."""

from collections import Counter
from pathlib import Path

from chapter_card import day
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from genlib import claims
from genlib.course import notebooks, results

HEADER = ("Claim", "Ours", "Baseline", "Paper", "Verdict")


def page(rows):
    """The rows of genlib.course.results.collect as MyST text."""
    if not rows:
        return "No chapter has recorded a claim yet.\n"
    count = Counter(row["verdict"] for row in rows)
    known = [v for v in (*claims.VERDICTS, claims.NOT_JUDGED) if count[v]]
    lines = ["Of {} recorded: {}.".format(number(len(rows)), ", ".join(f"{count[v]} {v}" for v in known)), ""]
    lines += ["```{list-table}", ":header-rows: 1", ":class: results", "", *line(HEADER)]
    for row in rows:
        lines += line((claim(row), ours(row), baseline(row), paper(row), verdict(row)))
    return "\n".join([*lines, "```", ""])


def line(cells):
    """One row of a list-table; a cell may have several paragraphs."""
    text = [("* - " if i == 0 else "  - ") + cell.replace("\n", "\n    ") for i, cell in enumerate(cells)]
    return "\n".join(text).split("\n")


def number(n):
    return f"{n} claim{'s' * (n > 1)}"


def claim(row):
    run = [f"preset {row['preset']}", row["device"], row["date"] and day(row["date"])]
    run += ["older than its code"] * (row["status"] == "stale")
    title = row["title"].replace("`", "").replace("<", "‹").replace(">", "›")
    chapter = f"{{doc}}`{title} </chapters/{row['chapter']}>`"
    return f"{row['statement']}\n\n[{chapter} · {' · '.join(word for word in run if word)}]{{.run}}"


def ours(row):
    n = len(row["ours"])
    return f"**{claims.spread(row['ours'])}**\n\n[{row['unit']}{f', {n} seeds' * (n > 1)}]{{.run}}"


def baseline(row):
    return f"{claims.spread(row['baseline']['values'])}\n\n[{row['baseline']['name']}]{{.run}}"


def paper(row):
    return f"{row['paper']['value']:g}\n\n[{{cite}}`{row['paper']['key']}`, {row['paper']['where']}]{{.run}}"


def verdict(row):
    part = f"1/{round(1 / row['scale'])}" if row["scale"] < 0.5 else f"{row['scale']:.2g}"
    scale = "" if row["scale"] >= 1 else f"\n\n[{part} of the paper’s {row['scale_of']}]{{.run}}"
    name = "not judged" if row["verdict"] == claims.NOT_JUDGED else row["verdict"]
    return f"[{name}]{{.verdict .{name.replace(' ', '-')}}}{scale}"


class ResultsTable(Directive):
    def run(self):
        env = self.state.document.settings.env
        chapters = [c for c in notebooks.chapters(Path(env.srcdir)) if c.path.exists()]
        for chapter in chapters:
            env.note_dependency(str(chapter.path))
        text = page(results.collect([c.path for c in chapters]))
        box = nodes.container(classes=["results-box"])
        self.state.nested_parse(StringList(text.split("\n"), "results-table"), self.content_offset, box)
        return box.children


def outdated(app, env, added, changed, removed):
    """A chapter that joined the table of contents brings its claims along."""
    return ["book/results"] if (added or removed) and "book/results" in env.found_docs else []


def setup(app):
    app.add_directive("results-table", ResultsTable)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
