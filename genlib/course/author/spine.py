"""The rules of what a reader is given, beyond the layout (``rules``): a spine within its budgets and what is Further
apart, questions to predict, a step that is checked, a bug to find, exercises with their minutes, a summary in two
languages, folded code, a deck.

Each rule is a function from a notebook (a dict, with its outputs) to sentences that say what to do, none if it holds.
"""

import ast
import re

from ... import mime
from .. import meter, notebooks, predict, stamp
from ..beside import UNWRITTEN
from ..notebooks import parsed, section, tags, text

# What a spine may hold, by the names of meter.Count; Further in words, all of it together.
MOST = {"words": 2500, "cells": 25, "lines": 250, "minutes": 45}
FURTHER_WORDS = 1500
FIGURES, SLIDES, QUESTIONS, EXERCISES, SENTENCES = (6, 9), (12, 20), (2, 3), (3, 5), (5, 8)
BULLETS, NOTES = 5, 5  # of the summary at most; of the deck's slides with notes at least
UNITS = {"words": "words", "cells": "code cells in sight", "lines": "lines of code in sight", "minutes": "minutes"}
CARD = ("Paper", "Builds on", "Data", "Cost", "You will be able to")
MARKS = re.compile(r"\((•{1,3}), (\d+) min(?:utes?)?\)")
SUMMARY = re.compile(r"<details>\s*<summary>\s*한국어 요약\s*</summary>(.*?)</details>", re.DOTALL)


def budgets(notebook):
    """Words, code in sight, minutes and figures of the spine; words of all that is Further."""
    spine = meter.spine(notebook)
    for what, most in MOST.items():
        if (count := getattr(spine, what)) > most:
            yield f"the spine has {count:,} {UNITS[what]}, of at most {most:,} (genlib count shows where)"
    least, most = FIGURES
    if not least <= spine.figures <= most:
        yield f"the spine has {spine.figures} figures, not {least} to {most}"
    if (count := meter.further_words(notebook)) > FURTHER_WORDS:
        yield f"what is Further has {count:,} words, of at most {FURTHER_WORDS:,}"


def counts(notebook):
    """What the budgets are held against, as rows for a table: each section of the spine, all of it, what it may have,
    and each subsection that is Further. A list of dicts of the same keys."""

    def row(what, count):
        return {"what": what} | {
            k: f"{getattr(count, k):,}" for k in (*list(MOST)[:3], "formulas", "figures", "minutes")
        }

    parts = [p for p in meter.pieces(notebook) if p.spine]
    names = dict.fromkeys(p.heading for p in parts)
    rows = [row(n or "title and setup", meter.count(p for p in parts if p.heading == n)) for n in names]
    most = {k: f"≤ {n:,}" for k, n in MOST.items()} | {"figures": "{}–{}".format(*FIGURES)}
    rows += [row("the spine", meter.spine(notebook)), {k: most.get(k, "") for k in rows[0]} | {"what": "it may have"}]
    rows += [row(f"Further: {title}", count) for title, count in meter.furthers(notebook).items()]
    if meter.furthers(notebook):
        most = {"what": "all Further may have", "words": f"≤ {FURTHER_WORDS:,}"}
        rows.append({k: most.get(k, "") for k in rows[0]})
    return rows


def further(notebook):
    """Further: begins the title of a subsection (###), each with a title of its own, and nothing leans on it."""
    titles = []
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] != "markdown":
            continue
        source = text(cell["source"])
        found = [(level, title) for _, level, title in notebooks.titles(source)]
        titles += [title for level, title in found if level > 2 and title.startswith("Further")]
        if any(level <= 2 and title.startswith("Further") for level, title in found) or re.search(
            r"^\W{0,3}Further:", re.sub(r"^#+ .*$", "", source, flags=re.MULTILINE), re.MULTILINE
        ):
            yield f"cell {number}: 'Further:' stands elsewhere than in the title of a subsection (### Further: ...)"
    for title in titles:
        if not re.match(r"Further: \S", title):
            yield f"the subsection {title!r} is not named '### Further: ...' with a title of its own"
        elif titles.count(title) > 1:
            yield f"two subsections are named {title!r}"
    if lost := _only_further(notebook):
        yield f"code outside of Further uses what is defined in Further alone: {', '.join(lost)}"


def _only_further(notebook):
    """Names that code of the spine or of the exercises uses and that only code in Further defines."""
    defined, used = {True: set(), False: set()}, set()
    for piece in meter.pieces(notebook):
        for node in ast.walk(parsed(piece.source)) if piece.code else ():
            aside, names = piece.further is not None, defined[piece.further is not None]
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.alias):
                names.add((node.asname or node.name).split(".")[0])
            elif isinstance(node, ast.arg):
                names.add(node.arg)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Name) and not aside:
                used.add(node.id)
    return sorted(used & (defined[True] - defined[False]))


def questions(notebook):
    """Two or three to predict, in the spine, before the summary."""
    found = 0
    for piece in meter.pieces(notebook):
        try:
            asked = [] if piece.code else predict.questions(piece.source)
        except notebooks.CourseError as error:
            yield f"cell {piece.number}: {error}"
            continue
        if asked and (piece.further is not None or piece.heading in ("", "Exercises", "Summary")):
            yield f"cell {piece.number}: a question to predict stands under {piece.further or piece.heading!r}"
        else:
            found += len(asked)
    least, most = QUESTIONS
    if not least <= found <= most:
        yield f"the spine has {found} questions to predict ({{predict}}), not {least} or {most}"


def promise(notebook):
    """The Idea shows the best of the chapter's own pictures: a display that a later cell fills."""
    shows = fills = 0
    handles = set()  # names that the Idea gives to its displays: handle = display(..., display_id=...)
    for piece in meter.pieces(notebook):
        for node in ast.walk(parsed(piece.source)) if piece.code else ():
            if isinstance(node, ast.Assign) and piece.heading == "Idea" and "display_id" in ast.unparse(node.value):
                handles |= {ast.unparse(target) for target in node.targets}
            if not isinstance(node, ast.Call):
                continue
            named, called = {k.arg for k in node.keywords}, ast.unparse(node.func)
            if piece.heading == "Idea":
                shows += "display_id" in named
            elif called.endswith(".update") and called.removesuffix(".update") in handles:
                fills += 1
            elif "display_id" in named and ("update" in named or called.split(".")[-1] == "update_display"):
                fills += 1
    if not shows:
        yield "the Idea has no picture of the results as a promise: display(..., display_id=...)"
    elif not fills:
        yield "no later cell fills the display of the Idea: update_display(..., display_id=...)"


def checked_step(notebook):
    """A check cell in Training calls check.step: what trains is what was derived."""
    for piece in meter.pieces(notebook):
        if piece.code and piece.heading == "Training" and piece.further is None:
            calls = (n for n in ast.walk(parsed(piece.source)) if isinstance(n, ast.Call))
            if notebooks.CHECK in tags(piece.cell) and any(ast.unparse(c.func) == "check.step" for c in calls):
                return
    yield f"no check cell in Training holds the step against the formula (check.step, tagged {notebooks.CHECK})"


def bug(notebook):
    """Find the bug, in What goes wrong: a fence of Python, a folded answer, and the check that exposes it."""
    parts = [p for p in meter.pieces(notebook) if p.heading == "What goes wrong" and p.further is None]
    told = "\n\n".join(p.source for p in parts if not p.code)
    begins = re.search(r"^\W*Find the bug", told, re.MULTILINE)
    if not begins:
        yield "What goes wrong has no 'Find the bug'"
        return
    after = told[begins.end() :]
    fence = re.search(r"^```python\n.*?^```[ \t]*$", after, re.MULTILINE | re.DOTALL)
    if not fence:
        yield "Find the bug shows no code (```python)"
    elif not re.search(r"<details>\s*<summary>.+?</summary>.*\w.*</details>", after[fence.end() :], re.DOTALL):
        yield "Find the bug has no folded answer behind its code (<details><summary>What is wrong</summary>)"
    last = max((i for i, p in enumerate(parts) if not p.code and "Find the bug" in p.source), default=0)
    if not any(p.code and notebooks.CHECK in tags(p.cell) for p in parts[last:]):
        yield "no check behind Find the bug exposes it"


def marks(notebook):
    """Three to five exercises, each beginning with its difficulty and minutes: (••, 15 minutes)."""
    told = section(notebook, "Exercises")
    least, most = EXERCISES
    bodies = re.findall(r"^(`{3,}|:{3,})\{exercise\}[^\n]*\n(.*?)^\1[ \t]*$", told, re.MULTILINE | re.DOTALL)
    if len(bodies) > most:
        yield f"{len(bodies)} exercises, of at most {most}"
    bare = []
    for _, body in bodies:
        lines = [n.strip() for n in body.splitlines() if n.strip()]
        label = next((n.removeprefix(":label:").strip() for n in lines if n.startswith(":label:")), "without a label")
        first = next((n for n in lines if not re.match(r":[\w-]+:", n)), "")
        if not MARKS.match(first):
            bare.append(label)
    if bare:
        yield f"not begun with difficulty and minutes, as in (••, 15 minutes): {', '.join(bare)}"


def summary(notebook):
    """Five bullets at most, a link to what comes next, and the folded Korean summary of five to eight sentences."""
    told = section(notebook, "Summary")
    korean = SUMMARY.search(told)
    english = SUMMARY.sub("", told)
    bullets = len(re.findall(r"^[-*] ", english, re.MULTILINE))
    if not 1 <= bullets <= BULLETS:
        yield f"the summary has {bullets} bullets, not 1 to {BULLETS}"
    if not re.search(r"\{doc\}`|\]\(", english):
        yield "the summary does not say with a link where to go next"
    if not korean:
        yield "the summary has no folded Korean one (<details><summary>한국어 요약</summary>)"
        return
    sentences = [n for n in korean_sentences(korean[1]) if re.search(r"[가-힣]", n)]
    least, most = SENTENCES
    if not least <= len(sentences) <= most:
        yield f"the Korean summary has {len(sentences)} sentences, not {least} to {most}"


def korean_sentences(source):
    """The sentences of a Korean text, formulas left out."""
    plain = re.sub(r"\$[^$]+\$", "x", source)
    return [n.strip() for n in re.split(r"(?<=[.?!])[\"'’”)]*(?=\s|$)", plain) if n.strip()]


def folded(notebook):
    """The code of checks, plots and tables is folded; what the chapter is about stays in sight."""
    seen = []
    for number, (cell, role) in enumerate(zip(notebook["cells"], notebooks.roles(notebook), strict=True), 1):
        claims = any(mime.CLAIM in o.get("data", {}) for o in cell.get("outputs", ()))
        if role in ("check", "plot", "table") and not meter.FOLDED_INPUT & set(tags(cell)) and not claims:
            seen.append(f"{number} ({role})")
    if seen:
        yield f"code that is to be folded is in sight, tag it hide-input: cell {', '.join(seen)}"


def card(notebook):
    """The fact card under the lead: its five rows, links to what the chapter builds on, the measured cost."""
    first = text(notebook["cells"][0]["source"])
    rows = dict(re.findall(r"^\| \*\*(.+?)\*\* \| (.*?) \|$", first, re.MULTILINE))
    rows["Paper"] = rows.pop("Papers", rows.get("Paper"))
    if lacking := [row for row in CARD if not rows.get(row)]:
        yield f"the fact card lacks {', '.join(lacking)}"
        return
    for name in stamp.chapter_of(notebook).get("builds_on", ()):
        if name not in rows["Builds on"]:  # one that is not written yet has no page to link: it is named
            yield f"the fact card does not link {name}, on which the chapter builds: {{doc}}`/chapters/{name}`"
    cost = rows["Cost"]
    told = re.match(r"(?:about )?(?:(\d+) min)?(?:\s*(\d+) s)?", cost)
    told = 60 * int(told[1] or 0) + int(told[2] or 0)
    took = stamp.stamp_of(notebook).get("seconds")
    if not told:
        yield "the Cost of the fact card does not begin with what the stored run took, as in 4 min 10 s"
    elif took and abs(told - took) > max(5, 0.1 * took):
        yield f"the Cost of the fact card says {told} s, and the stored run took {took:.0f} s"
    if not all(word in cost for word in ("T4", "laptop")):
        yield "the Cost of the fact card does not say what a T4 and a laptop take (genlib rehearse)"


def deck(notebook):
    """12 to 20 slides, with the last that every deck gets, some with notes for the speaker."""
    least, most = SLIDES
    if not least <= (count := meter.slides(notebook)) <= most:
        yield f"the deck has {count} slides, not {least} to {most} (slide_type in the cells' metadata)"
    about = [c["metadata"] for c in notebook["cells"]]
    noted = sum(bool(a.get("genlib", {}).get("notes")) for a in about)
    noted += sum(a.get("slideshow", {}).get("slide_type") == "notes" for a in about)
    if noted < NOTES:
        yield f"{noted} of its slides have notes for the speaker, of at least {NOTES}"


def placeholders(notebook):
    """Nothing of the skeleton is left to write."""
    told = [text(c["source"]) + str(c["metadata"]) for c in notebook["cells"]]
    left = [str(number) for number, words in enumerate(told, 1) if UNWRITTEN in words]
    if left:
        yield f"places of the skeleton are still to write ({UNWRITTEN.strip()}), in cell {', '.join(left)}"
    if any("def squared_length(" in words for words in told):
        yield "the graded exercise is the skeleton's: put one of the chapter's own in its place"
    if UNWRITTEN in str(stamp.chapter_of(notebook)):
        yield "goals or data in metadata.genlib.chapter are still to write"


RULES = (
    budgets, further, questions, promise, checked_step, bug, marks, summary, folded, card, deck, placeholders,
)  # fmt: skip


def broken(notebook):
    """Every rule that a chapter breaks, in sentences."""
    return [f"{rule.__name__}: {sentence}" for rule in RULES for sentence in rule(notebook)]
