"""The generated parts of book/teaching: what the chapters' own metadata, runs and cells say, in the plans of plan.yml.

`{teaching-facts}` is a table of all written chapters, `{chapter-facts} vae/vae` the goals and the costs of one,
`{notes-index}` links every chapter's notes for the teacher, `{syllabus} 12` the weeks of a plan, `{prerequisites}` the
graph of what builds on what, as one tree a family.
"""

import functools
from pathlib import Path

from chapter_card import duration
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.errors import ExtensionError

from genlib.course import meter
from genlib.course.beside import NOTES, notes_label
from genlib.course.notebooks import CourseError
from genlib.course.teach import plans

FOLDER = "book/teaching/"
STATES = {"ready": "can be taught", "partly": "in part", "to come": "to come"}


@functools.lru_cache(maxsize=1)
def read_plan(root, state):
    """The Plan, made once for each state of its files: every directive asks for it."""
    try:
        return plans.Plan(root)
    except CourseError as error:
        raise ExtensionError(str(error)) from error


def plan_of(env):
    root = Path(env.srcdir)
    sources = [root / "_toc.yml", root / "book" / "systems.yml", root / "book" / "teaching" / "plan.yml"]
    sources += sorted((root / "chapters").glob("*/*.ipynb"))
    return read_plan(root, tuple((path, path.stat().st_mtime_ns) for path in sources if path.exists()))


class Generated(Directive):
    """MyST text made from the plan, in a box of its own."""

    css = ""

    def run(self):
        env = self.state.document.settings.env
        box = nodes.container(classes=["teaching", *self.css.split()])
        lines = self.lines(plan_of(env))
        self.state.nested_parse(StringList(lines, self.name), self.content_offset, box)
        return [box]


# --- chapters ---------------------------------------------------------------------------------------------------------


class Facts(Generated):
    def lines(self, plan):
        env = self.state.document.settings.env
        noted = {name for name in plan.facts if f"{NOTES}/{name}" in env.found_docs}
        rows = [("Chapter", "Builds on", "Reading", "Run", "Graded exercises", "Slides")]
        for name, fact in plan.facts.items():
            more = f"\n\n[{{ref}}`notes for the teacher <{notes_label(name)}>`]{{.run}}" if name in noted else ""
            rows.append(
                (
                    link(plan, name) + more,
                    ", ".join(short(plan, n) for n in fact["builds_on"]) or "–",
                    reading(fact),
                    run(fact),
                    exercises(fact) or "–",
                    f"{fact['slides']}" if fact["slides"] else "–",
                )
            )
        return table(rows, "facts")


class ChapterFacts(Generated):
    required_arguments = 1
    css = "chapter-facts"

    def lines(self, plan):
        (name,) = self.arguments
        if name not in plan.facts:
            raise self.error(f"{name} is no written chapter")
        fact = plan.facts[name]
        deck = f"deck of {fact['slides']} slides: `genlib slides {name}`" if fact["slides"] else ""
        graded = exercises(fact)
        costs = [f"reading {reading(fact)}", f"run {run(fact)}", f"graded {graded}" if graded else "", deck]
        after = ", ".join(short(plan, n) for n in fact["builds_on"])
        costs.insert(0, f"after {after}" if after else "nothing goes before it")
        goals = [f"A student who has worked through {link(plan, name)} can", ""]
        return [*goals, *(f"- {goal}" for goal in fact["goals"]), "", f"[{' · '.join(filter(None, costs))}]{{.run}}"]


class NotesIndex(Generated):
    """The notes of every written chapter, a family after the other."""

    def lines(self, plan):
        env = self.state.document.settings.env
        lines = []
        for family, title in {**plan.families, "closing": "Closing"}.items():
            own = [name for name in plan.facts if name.startswith(f"{family}/") and f"{NOTES}/{name}" in env.found_docs]
            links = [f"- {{ref}}`{short(plan, name)} <{notes_label(name)}>`" for name in own]
            lines += [f"**{title}**", "", *links, ""] if own else []
        return lines


# --- syllabi ----------------------------------------------------------------------------------------------------------


class Syllabus(Generated):
    required_arguments = 1
    css = "syllabus"

    def lines(self, plan):
        weeks = plan.syllabi.get(int(self.arguments[0]))
        if weeks is None:
            raise self.error(f"plan.yml has no syllabus of {self.arguments[0]} weeks")
        states = [plan.state(week) for week in weeks]
        ready, partly = states.count("ready"), states.count("partly")
        also = f", {partly} more in part" if partly else ""
        said = f"With the chapters written so far, **{ready} of {len(weeks)} weeks** can be taught as planned{also}."
        rows = [("Week", "Chapters", "Costs")]
        for number, (week, state) in enumerate(zip(weeks, states, strict=True), 1):
            badge = f"[{STATES[state]}]{{.state .{state.replace(' ', '-')}}}"
            about = f"**{number}. {week.title}**\n\n{week.question}\n\n{badge}"
            core = "\n\n".join(link(plan, name) for name in week.core)
            beside = ", ".join(link(plan, name) for name in week.options)
            chapters = core + (f"\n\n[Beside it: {beside}]{{.run}}" if beside else "")
            costs = [cost for name in week.core if name in plan.facts for cost in self.costs(plan, name)]
            rows.append((about, chapters, "\n\n".join(costs) or "–"))
        return [said, "", *table(rows, "weeks")]

    def costs(self, plan, name):
        fact = plan.facts[name]
        graded = exercises(fact)
        own = [f"reading {reading(fact)}", f"run {run(fact)}"] + [f"graded {graded}"] * bool(graded)
        yield f"{short(plan, name)}: {', '.join(own)}"
        if fact["slides"]:
            yield f"`genlib slides {name}`"
        if graded:
            yield f"`genlib assignment {name}`"


# --- prerequisites ----------------------------------------------------------------------------------------------------


class Prerequisites(Generated):
    css = "prerequisites"

    def lines(self, plan):
        lines = []
        for family, title in {**plan.families, "closing": "Closing"}.items():
            own = [name for name in plan.titles if name.startswith(f"{family}/")]
            lines += [f":::{{container}} tree {family}", f"**{title}**", ""]
            roots = [name for name in own if not self.parent(plan, name)]
            lines += [line for name in roots for line in self.branch(plan, own, name, 0)] + [":::", ""]
        return lines

    def parent(self, plan, name):
        """The first prerequisite in the chapter's own family, under which it stands."""
        family = name.split("/")[0]
        return next((n for n in plan.builds_on(name) if n.startswith(f"{family}/")), None)

    def branch(self, plan, own, name, depth):
        others = [n for n in plan.builds_on(name) if n != self.parent(plan, name)]
        also = f" [after {' and '.join(short(plan, n) for n in others)}]{{.run}}" if others else ""
        yield f"{'  ' * depth}- {link(plan, name)}{also}"
        for child in own:
            if self.parent(plan, child) == name:
                yield from self.branch(plan, own, child, depth + 1)


# --- words ------------------------------------------------------------------------------------------------------------


def link(plan, name):
    """A written chapter by its link; one to come by its name, marked as such."""
    if name in plan.written:
        return f"{{doc}}`{short(plan, name)} </chapters/{name}>`"
    return f"[{short(plan, name)}]{{.coming}}"


def short(plan, name):
    """The name on the map, without what would be read as markup."""
    return plan.titles.get(name, name).replace("<", "‹").replace(">", "›").replace("`", "")


def reading(fact):
    """Minutes of the spine, and apart from them those of what can be skipped."""
    return f"{fact['reading']} min" + (f" (Further {fact['further']} min)" if fact["further"] else "")


def run(fact):
    return f"{duration(fact['seconds'])} ({fact['preset']})" if fact["seconds"] else "not yet"


def exercises(fact):
    return ", ".join(f"{name} ({points} point{'s' * (points != 1)})" for name, points in fact["exercises"])


def table(rows, css):
    lines = ["```{list-table}", ":header-rows: 1", f":class: {css}", ""]
    for row in rows:
        for i, cell in enumerate(row):
            lines += (("* - " if i == 0 else "  - ") + cell.replace("\n", "\n    ")).split("\n")
    return [*lines, "```"]


def reading_rule(name, rawtext, text, lineno, inliner, options=None, content=None):
    """The rule by which minutes of reading are counted, in words."""
    return [nodes.Text(meter.RULE)], []


def outdated(app, env, added, changed, removed):
    """Every page of this part, when the chapters, or a plan, say something else than at the latest build. Most changes
    of a chapter are none that these pages tell."""
    plan = plan_of(env)
    noted = {name for name in env.found_docs if name.startswith(NOTES)}
    now = (plan.facts, plan.titles, plan.families, plan.planned, plan.syllabi, noted)
    before, env.teaching_told = getattr(env, "teaching_told", None), now
    return [name for name in env.found_docs if name.startswith(FOLDER)] if now != before else []


def setup(app):
    app.add_directive("teaching-facts", Facts)
    app.add_directive("chapter-facts", ChapterFacts)
    app.add_directive("notes-index", NotesIndex)
    app.add_directive("syllabus", Syllabus)
    app.add_directive("prerequisites", Prerequisites)
    app.add_role("reading-rule", reading_rule)
    app.connect("env-get-outdated", outdated)
    app.add_css_file("teaching.css")  # on every page: a build of a few pages packs the sheets that they name
    return {"parallel_read_safe": True, "parallel_write_safe": True}
