"""What a chapter still owes before it is published, all of it in one place: ``genlib check`` prints it, and the tests
ask for the same."""

import re

from .. import beside, exercises, export, notebooks, stamp
from . import rules, spine

STOPPED = 0.95  # of the formulas that genlib doubt broke and that change something
TERMS = 3  # of those that a spine refers to, in its Korean summary
_DIRECTIVES = r"^(`{3,}|:{3,})\{glossary\}[^\n]*\n(.*?)^\1[ \t]*$"


def owed(root, chapter):
    """{part: sentences} for each of PARTS that a Chapter still owes something of; empty if nothing."""
    if not chapter.path.is_file():
        return {"contract": ["the notebook is not there: genlib new writes a skeleton"]}
    notebook = notebooks.read(chapter.path)
    found = {part: list(ask(root, chapter.name, notebook)) for part, ask in PARTS.items()}
    return {part: sentences for part, sentences in found.items() if sentences}


# --- the parts: (root, family/slug, notebook) -> sentences ------------------------------------------------------------


def contract(root, name, notebook):
    """What storing a run asks for."""
    found = notebooks.problems(notebook, notebooks.install_source(root), name)
    idle = [sentence for sentence in found if sentence.endswith(": it was not run")]
    several = [f"{len(idle)} cells were not run: genlib run {name}"] if len(idle) > 1 else idle
    return [sentence for sentence in found if sentence not in idle] + several


def layout(root, name, notebook):
    """A fresh stamp, labels, figures, presets, lines of code."""
    return rules.broken(notebook, root)


def reading(root, name, notebook):
    """What a reader is given: the spine in its budgets, questions, exercises, the summary, the deck."""
    return spine.broken(notebook)


def teaching(root, name, notebook):
    """Beside the notebook: the teacher's notes, wrong answers for each grader."""
    return beside.problems(root, name, [e.name for e in exercises.graded(notebook)])


def references(root, name, notebook):
    """What is cited is in the bibliography."""
    path = root / "book" / "references.bib"
    known = set(re.findall(r"^@\w+\{\s*([^,\s]+)", path.read_text(encoding="utf-8") if path.is_file() else "", re.M))
    cited = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", notebooks.prose(notebook))
    keys = {key.strip() for keys in cited for key in keys.split(",")}
    for key in sorted(keys - known):
        yield f"book/references.bib has no entry {key}, which is cited"


def terms(root, name, notebook):
    """What is referred to as a term is in the glossary with its Korean word, which the Korean summary uses."""
    known = glossary(root)
    named = [m[1].strip() for m in re.finditer(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`", notebooks.prose(notebook))]
    used = {n.lower(): n for n in named}
    if not used:
        yield "no term of the glossary is referred to ({term}`...`)"
    lower = {term.lower(): korean for term, korean in known.items()}
    for term in sorted(used):
        if term not in lower:
            yield f"book/glossary.md has no entry {used[term]!r}, which is referred to"
        elif not lower[term]:
            yield f"book/glossary.md gives no Korean word for {used[term]!r}: begin its text with {{ko}}`...`"
    summary = spine.SUMMARY.search(notebooks.section(notebook, "Summary"))
    korean = {lower[term] for term in used if lower.get(term)}
    close = lambda words: re.sub(r"\s", "", words)
    told = {word for word in korean if summary and close(word) in close(summary[1])}
    if summary and len(told) < (least := min(TERMS, len(korean))):
        missing = ", ".join(sorted(korean - told)[:6])
        yield f"the Korean summary has {len(told)} of at least {least} of the glossary's words for its terms: {missing}"


def records(root, name, notebook):
    """It was rehearsed and doubted as it is, and its checks stop what was broken."""
    about, code = notebook["metadata"].get("genlib", {}), stamp.code_hash(notebook)
    for what, command in (("rehearsal", "rehearse"), ("doubt", "doubt")):
        if not about.get(what):
            yield f"there is no record of its {what}: genlib {command} {name}"
        elif about[what].get("code") != code:
            yield f"its code has changed since its {what}: genlib {command} {name}"
    doubt = about.get("doubt") or {}
    able = doubt.get("broken", 0) - doubt.get("changing_nothing", 0)
    if (survived := len(doubt.get("survived", ()))) > (1 - STOPPED) * able:
        yield f"{survived} of {able} broken formulas survived its checks, of at most {1 - STOPPED:.0%}"


def exported(root, name, notebook):
    """What other readers than the book are given has nothing of MyST left."""
    try:
        export.export(root, notebooks.find_chapter(root, name))
    except notebooks.CourseError as error:
        yield str(error)


PARTS = {
    "contract": contract,
    "layout": layout,
    "reading": reading,
    "teaching": teaching,
    "references": references,
    "terms": terms,
    "records": records,
    "export": exported,
}


def glossary(root):
    """{term: its Korean word, "" if none is given} of book/glossary.md."""
    path = root / "book" / "glossary.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = {}
    for m in re.finditer(_DIRECTIVES, text, re.MULTILINE | re.DOTALL):
        for entry in re.split(r"\n\s*\n", m[2]):
            lines = [line for line in entry.split("\n") if line.strip() and not line.startswith(":")]
            korean = next((k[1] for line in lines if (k := re.match(r"\s+\{ko\}`([^`]+)`", line))), "")
            found |= {line.strip(): korean for line in lines if not line.startswith(" ")}
    return found
