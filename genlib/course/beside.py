"""What lies beside a chapter's notebook, a file each under the chapter's name: the teacher's notes, and what people
answer to its graded exercises. Nothing of it is shared by two chapters, so that many can be written side by side."""

import re
from dataclasses import dataclass

from .notebooks import CourseError

NOTES, ANSWERS = "book/teaching/notes", "tests/chapters/answers"
PARTS = ("Where students stumble", "Five minutes.", "Questions", "Timing.")  # the bold heads of a chapter's notes
MIN_WRONG = 3  # answers that a grader must refuse, for each graded exercise
UNWRITTEN = "Still to write: "  # how the places of a skeleton begin


@dataclass(frozen=True)
class Answers:
    """What people answer to a chapter's graded exercises, by the exercise's name.

    wrong: (arguments, {mistake: source}); right: (arguments, [source]). A source is an expression of the arguments, or
    lines that end with a ``return``; either sees what the chapter imports. ``function`` makes one of it.
    """

    wrong: dict
    right: dict


def notes_path(root, name):
    """Where the notes on ``name`` (family/slug) are, or belong."""
    return root / NOTES / f"{name}.md"


def answers_path(root, name):
    """Where the answers to the graders of ``name`` (family/slug) are, or belong."""
    return root / ANSWERS / f"{name}.py"


def notes_label(name):
    """The label of a chapter's notes, by which other pages link to them: ``notes-gan-wgan-gp``."""
    return f"notes-{name.replace('/', '-').replace('_', '-')}"


def notes(root, name):
    """The notes for the teacher as MyST. Raises CourseError if there are none."""
    return _read(notes_path(root, name), root, f"{name} has no notes for the teacher")


def answers(root, name):
    """The Answers to a chapter's graders. Raises CourseError if the file is not there, or cannot be used."""
    path = answers_path(root, name)
    source = _read(path, root, f"{name} has no answers to try its graders on")
    said = {}
    try:
        exec(compile(source, str(path), "exec"), said)
        wrong, right = dict(said["WRONG"]), dict(said.get("ALSO_RIGHT", {}))
        for arguments, found in [*wrong.values(), *right.values()]:
            for item in found.values() if isinstance(found, dict) else found:
                compile(_definition(arguments, item), str(path), "exec")
    except KeyError:
        raise CourseError(f"{path.relative_to(root)} defines no WRONG: genlib new shows what the file holds.") from None
    except Exception as error:
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise CourseError(f"{path.relative_to(root)} cannot be used: {told}.") from error
    return Answers(wrong, right)


def function(arguments, source, names):
    """The function that an answer's source means. names: what it may use, such as the chapter's imports."""
    own = dict(names)
    exec(_definition(arguments, source), own)
    return own["answer"]


def problems(root, name, graded):
    """What a chapter still owes beside its notebook: sentences, none if nothing.

    graded: the names of its graded exercises, such as ``["gan-3"]``.
    """
    return [*notes_problems(root, name), *answers_problems(root, name, graded)]


def notes_problems(root, name):
    """What is missing in a chapter's notes for the teacher: sentences."""
    try:
        text = notes(root, name)
    except CourseError as error:
        return [str(error)]
    place = f"{NOTES}/{name}.md"
    found = [f"{place} lacks the part **{part}**" for part in PARTS if not re.search(rf"^\*\*{part}\*\*", text, re.M)]
    if not text.startswith(f"({notes_label(name)})=\n# "):
        found.append(f"{place} does not begin with ({notes_label(name)})= and its title")
    if f"{{chapter-facts}} {name}\n" not in text:
        found.append(f"{place} does not show the chapter's facts: ```{{chapter-facts}} {name}")
    if count := text.count(UNWRITTEN):
        found.append(f"{place} has {count} place{'s' * (count != 1)} of the skeleton still to write")
    return found


def answers_problems(root, name, graded):
    """What is missing in the answers to a chapter's graders: sentences. graded: the names of its exercises."""
    try:
        known = answers(root, name)
    except CourseError as error:
        return [str(error)]
    place, found = f"{ANSWERS}/{name}.py", []
    for exercise in graded:
        count = len(known.wrong.get(exercise, ("", {}))[1])
        if count < MIN_WRONG:
            found.append(f"{place} has {count} wrong answers to {exercise}: write at least {MIN_WRONG}")
    strange = sorted({*known.wrong, *known.right} - set(graded))
    found += [f"{place} has answers to {e}, which {name} does not grade" for e in strange]
    return found


def _read(path, root, absent):
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        begin = f"genlib new {path.parent.name}/{path.stem}"
        raise CourseError(f"{absent}: {path.relative_to(root)} is not there ({begin} begins it).") from None


def _definition(arguments, source):
    """An answer as the source of a function of that name."""
    lines = source.split("\n")
    body = lines if len(lines) > 1 else [f"return {source}"]
    return "\n".join([f"def answer({arguments}):", *(f"    {line}" for line in body)])
