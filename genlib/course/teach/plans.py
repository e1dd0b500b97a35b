"""What a teacher asks of a chapter, from its notebook alone; and the plans of book/teaching/plan.yml, checked."""

from collections import Counter
from dataclasses import dataclass

from .. import meter, notebooks, stamp
from ..notebooks import CourseError


def facts(chapter):
    """A written chapter's facts as a dict: what its author, its run and its cells say.

    ``goals``, ``builds_on``, ``title``, ``year``, ``data`` from the metadata; ``reading`` of the spine and ``further``,
    of all that can be skipped, in minutes by meter.RULE; ``seconds``, ``preset``, ``device`` of the stored run, None
    without one; ``exercises``: the graded ones as a list of (name, points); ``slides``: how many the deck has, 0
    without a deck.
    """
    notebook = notebooks.read(chapter.path)
    about, run = stamp.chapter_of(notebook), stamp.stamp_of(notebook)
    own = [c["metadata"].get("genlib", {}) for c in notebook["cells"]]
    return {
        "name": chapter.name,
        **{k: about.get(k) for k in ("title", "year", "data")},
        "goals": about.get("goals", []),
        "builds_on": about.get("builds_on", []),
        "reading": meter.minutes(notebook),
        "further": sum(meter.further(notebook).values()),
        **{k: run.get(k) for k in ("seconds", "preset", "device")},
        "exercises": [(a["exercise"], a.get("points", 1)) for a in own if a.get("exercise")],
        "slides": meter.slides(notebook),
    }


# --- the plans -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Week:
    """One week of a syllabus: what is taught, and what may be read beside it; names are family/slug."""

    title: str
    question: str
    core: list
    options: list


class Plan:
    """book/teaching/plan.yml beside the written chapters. Raises CourseError that names what does not fit."""

    def __init__(self, root):
        systems = notebooks.read_yaml(root / "book" / "systems.yml")
        entries = [*systems["systems"], systems["closing"]]
        self.families = systems["families"]
        self.titles = {f"{e['family']}/{e['slug']}": e["title"] for e in entries}
        self.papers = {f"{e['family']}/{e['slug']}": (e.get("cite") or [None])[0] for e in entries}
        self.written = {c.name: c for c in notebooks.chapters(root) if c.path.exists()}
        self.facts = {name: facts(chapter) for name, chapter in self.written.items()}
        plan = notebooks.read_yaml(root / "book" / "teaching" / "plan.yml")
        self.planned = {name: plan["builds_on"].get(name, []) for name in self.titles}
        self.syllabi = {weeks: [_week(w) for w in rows] for weeks, rows in plan["syllabi"].items()}
        self._check(plan)

    def builds_on(self, name):
        """What a chapter says that it builds on; for one to come, what is planned."""
        return self.facts[name]["builds_on"] if name in self.facts else self.planned.get(name, [])

    def state(self, week):
        """ "ready", "partly" or "to come": how much of a week's core is written."""
        written = sum(name in self.written for name in week.core)
        return "ready" if written == len(week.core) else "partly" if written else "to come"

    def _check(self, plan):
        known = {*self.titles, *self.written}
        strange = {*plan["builds_on"], *(n for names in plan["builds_on"].values() for n in names)} - known
        if strange:
            raise CourseError(f"plan.yml, builds_on: {', '.join(sorted(strange))} not in systems.yml.")
        for number, weeks in self.syllabi.items():
            told = f"plan.yml, {number} weeks"
            if len(weeks) != number:
                raise CourseError(f"{told}: {len(weeks)} weeks are planned.")
            order = [name for week in weeks for name in (*week.core, *week.options)]
            problems = [f"{n} is unknown" for n in order if n not in known]
            problems += [f"{n} is there {k} times" for n, k in Counter(order).items() if k > 1]
            problems += [f"{n} is not there" for n in self.titles if n not in order]
            place = {name: i for i, name in enumerate(order)}
            problems += [
                f"{name} comes before {needed}, on which it builds"
                for name in order
                for needed in self.builds_on(name)
                if place.get(needed, -1) > place[name]
            ]
            if problems:
                raise CourseError(f"{told}: {'; '.join(problems)}.")


def _week(row):
    return Week(row["title"], row["question"], row.get("core", []), row.get("options", []))
