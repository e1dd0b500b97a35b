"""The questions to predict: what a ``{predict}`` directive holds, for the page, the export, the slides and the rules.

::

    ```{predict} Two densities that do not overlap
    :label: predict-lsgan-disjoint

    What is the gradient of the generator's loss at a generated point?

    - It grows with the distance to the data. | No. The best discriminator is constant there.
    - It is zero. | Yes. Where it is constant, its slope is zero.
    - It is $a - c$. | That is the derivative with respect to $D(x)$.
    ```

The answers are the list that ends the directive. A bar with a space on either side parts an answer from its reason;
bars in formulas and in code part nothing. The reason of a right answer begins with ``Yes.``, and no other does.
"""

import re
from dataclasses import dataclass

from .notebooks import CourseError

LEAST, MOST = 3, 4  # answers
_BLOCK = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{predict\}[ \t]*(?P<title>[^\n]*)\n(?P<body>.*?)^(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_FENCED = re.compile(r"^(?P<fence>`{3,}|~{3,}|:{3,}).*?^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)
_OPTION = re.compile(r":([\w-]+):[ \t]*(.*)$")
_APART = re.compile(r"(?P<code>(?P<tick>`+).+?(?P=tick))|\$\$.+?\$\$|(?<!\\)\$.+?(?<!\\)\$|(?P<bar>\s\|\s)", re.DOTALL)


class PredictError(CourseError):
    """What is wrong with a question, in one sentence that says what to do."""


@dataclass(frozen=True)
class Answer:
    """One answer and the reason why it is right or wrong: MyST sources."""

    text: str
    reason: str

    @property
    def right(self):
        return self.reason.startswith("Yes.")


@dataclass(frozen=True)
class Question:
    """One question: its title, the label that a reference names, the MyST source of what it asks, its answers."""

    title: str
    label: str
    text: str
    answers: tuple[Answer, ...]


def parse(title, label, body):
    """The Question of a directive's argument, its option ``label`` and the source below its options.

    Raises PredictError if it has no title, label or question, not three or four answers, an answer without a reason,
    or answers that are all right or all wrong.
    """
    where = f"The question {label or title or 'without a label'!r}"
    if not label:
        raise PredictError(f"{where} has no label: write :label: predict-... on the line below {{predict}}.")
    if not title:
        raise PredictError(f"{where} has no title: write it behind {{predict}}.")
    text, items = _parts(body)
    if not LEAST <= len(items) <= MOST:
        raise PredictError(f"{where} has {len(items)} answers: write {LEAST} or {MOST}, as a list at its end.")
    if not text:
        raise PredictError(f"{where} asks nothing: write the question above its answers.")
    answers = tuple(_answer(item, where) for item in items)
    if len({a.right for a in answers}) == 1:
        kind = "right" if answers[0].right else "wrong"
        raise PredictError(
            f"{where} has only {kind} answers: the reason of each right one begins with 'Yes.', of no other."
        )
    return Question(title, label, text, answers)


def questions(source):
    """Every Question of a markdown source, in its order. Raises PredictError."""
    return [question for _, question in find(source)]


def find(source):
    """``((start, end), Question)`` of every question in a markdown source: where it stands, to put another form in its
    place. A directive that is only shown, inside another fence, is none. Raises PredictError."""
    found, end = [], 0
    for fenced in _FENCED.finditer(source):
        m = _BLOCK.match(source, fenced.start())
        if m and m.start() >= end:
            options, body = _options(m["body"])
            found.append((m.span(), parse(m["title"].strip(), options.get("label", ""), body)))
            end = m.end()
    return found


def _options(body):
    """A directive's body as its options and the rest."""
    lines, options = body.split("\n"), {}
    while lines and (m := _OPTION.match(lines[0])):
        options[m[1]] = m[2].strip()
        lines.pop(0)
    return options, "\n".join(lines)


def _parts(body):
    """The question, and the sources of the items of the list that ends the body."""
    lines, start, blank = body.strip().split("\n"), None, True
    for number, line in enumerate(lines):
        if re.match(r"[-*] ", line):
            start = number if start is None else start
        elif blank and line.strip() and not line.startswith("  "):
            start = None  # the list was a part of the question
        blank = not line.strip()
    if start is None:
        return body.strip(), []
    items = []
    for line in lines[start:]:
        if re.match(r"[-*] ", line):
            items.append([line[2:]])
        else:
            items[-1].append(line.removeprefix("  "))
    return "\n".join(lines[:start]).strip(), ["\n".join(item).strip() for item in items]


def _answer(item, where):
    bar = next((m for m in _APART.finditer(item) if m["bar"]), None)
    text, reason = (item[: bar.start()].strip(), item[bar.end() :].strip()) if bar else (item.rstrip(" |"), "")
    short = " ".join(text.split())[:60]
    if not text or not reason:
        raise PredictError(f"{where} has an answer without a reason, {short!r}: write '- answer | reason'.")
    if re.match(r"yes\b(?!\.)|yes\.", reason, re.IGNORECASE) and not reason.startswith("Yes."):
        raise PredictError(f"{where} has a reason that begins like a right one, at {short!r}: write 'Yes.' if it is.")
    return Answer(text, reason)
