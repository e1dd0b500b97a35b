"""The book's meter: how much a chapter asks of its reader, counted from its notebook.

A chapter has two depths. The **spine** is what an open page shows above *Exercises*, and the Summary. A subsection
whose title begins with ``Further:`` is folded, up to the next heading of its own level or a higher one. Counted are
words, code and figures in sight: not folded answers and code, not tables, captions and displayed formulas (formulas
cost minutes, not words).
"""

import re
from collections import Counter
from dataclasses import dataclass

from . import notebooks, predict

# A first careful reading, as measured from the notebook: words of prose, displayed formulas, lines of code in sight.
WORDS_A_MINUTE, FORMULAS_A_MINUTE, LINES_A_MINUTE = 130, 1, 15
RULE = (
    f"{WORDS_A_MINUTE} words of prose, {FORMULAS_A_MINUTE} displayed formula or {LINES_A_MINUTE} lines of code "
    "a minute; counted is what an open page shows above the exercises, and the summary; what is folded away is not"
)
FOLDED_INPUT = {"hide-input", "hide-cell", "remove-input", "remove-cell", "grader"}
FOLDED_OUTPUT = {"hide-output", "hide-cell", "remove-output", "remove-cell"}

FURTHER = re.compile(r"Further:\s*(\S.*)?$")
FOLDED = re.compile(r"<details\b[^>]*>.*?</details>", re.DOTALL)
FORMULA = re.compile(r"\$\$.+?\$\$(?:[ \t]*\([\w:-]+\))?", re.DOTALL)
ROLE = re.compile(r"\{[\w:-]+\}`([^`<]*?)\s*(?:<[^`>]*>)?`")  # {doc}`the GAN </chapters/gan/gan>`: "the GAN"
UNSEEN = re.compile(
    r"^%.*$"  # a comment of MyST
    r"|^\([\w:-]+\)=[ \t]*$"  # a label
    r"|^[ \t]*\|.*$"  # a row of a table
    r"|^[ \t]*:[\w-]+:.*$"  # an option of a directive
    r"|<!--[\s\S]*?-->|</?[a-zA-Z][^>\n]*>"  # HTML's comments and marks
    r"|\]\([^)\s]*\)",  # where a link goes
    re.MULTILINE,
)
# Directives whose text is no prose of the page: folded, a caption, a table, a formula.
SILENT = {"solution", "figure", "image", "table", "list-table", "csv-table", "math", "dropdown", "toggle", "glossary"}
SILENT |= {"live"}  # a question with its button, beside the figure that it belongs to


@dataclass(frozen=True)
class Piece:
    """What one cell holds under one heading: the cell, the part of its source, and where that stands.

    heading: the latest ``##`` heading, "" above the first. further: the title behind ``Further:``, None in the spine.
    """

    number: int  # of the cell, from 1
    cell: dict
    source: str
    heading: str
    further: str | None

    @property
    def code(self):
        return self.cell["cell_type"] == "code"

    @property
    def spine(self):
        return self.further is None and self.heading != "Exercises"


@dataclass(frozen=True)
class Count:
    """What is in sight: words, code cells and their lines (of fenced code in the prose too), formulas, figures."""

    words: int = 0
    cells: int = 0
    lines: int = 0
    formulas: int = 0
    figures: int = 0

    @property
    def minutes(self):
        """Of a first careful reading, by RULE, whole."""
        return round(self.words / WORDS_A_MINUTE + self.formulas / FORMULAS_A_MINUTE + self.lines / LINES_A_MINUTE)


def pieces(notebook):
    """The Pieces of a notebook, in order: a markdown cell is cut before each heading, a code cell is one piece."""
    heading, further, level = "", None, 0
    for number, cell in enumerate(notebook["cells"], 1):
        source = notebooks.text(cell["source"])
        if cell["cell_type"] != "markdown":
            yield Piece(number, cell, source, heading, further)
            continue
        begun = 0
        for start, depth, title in notebooks.titles(source):
            if source[begun:start].strip():
                yield Piece(number, cell, source[begun:start], heading, further)
            begun = start
            if depth <= 2:
                heading = title if depth == 2 else ""
            if further is None or depth <= level:
                told = FURTHER.match(title) if depth > 2 else None
                further, level = ((told[1] or "").strip(), depth) if told else (None, 0)
        if source[begun:].strip():
            yield Piece(number, cell, source[begun:], heading, further)


def count(parts):
    """The Count of some Pieces."""
    total = Counter()
    for piece in parts:
        tags = set(notebooks.tags(piece.cell))
        if piece.code:
            if not tags & FOLDED_INPUT and piece.source.strip():
                total["cells"] += 1
                total["lines"] += sum(bool(line.strip()) for line in piece.source.split("\n"))
            if not tags & FOLDED_OUTPUT:
                total["figures"] += any(
                    key.startswith("image/") for o in piece.cell.get("outputs", ()) for key in o.get("data", {})
                )
        elif piece.cell["cell_type"] == "markdown" and not tags & {"hide-cell", "remove-cell"}:
            total.update(_prose(piece.source))
    return Count(**total)


def _prose(source):
    """Words, formulas, lines of fenced code and figures of a piece of markdown, as a page shows them."""
    total = Counter()
    text = _unfenced(FOLDED.sub("", source), total)
    total["formulas"] += len(FORMULA.findall(text))
    text = UNSEEN.sub("", ROLE.sub(lambda m: m[1], FORMULA.sub(" ", text)))
    text = re.sub(r"\$[^$]+\$", " x ", text)  # a formula in a line is read as one word
    total["words"] += sum(bool(re.search(r"\w", word)) for word in text.split())
    return total


def _unfenced(source, total):
    """The source without its fences: code is counted in lines; of a directive's text what a page shows is left."""
    kept, lines = [], source.split("\n")
    while lines:
        line = lines.pop(0)
        mark = notebooks.FENCE.match(line)
        if not mark:
            kept.append(line)
            continue
        body = []
        while lines and not notebooks.closes(lines[0], mark[1]):
            body.append(lines.pop(0))
        lines = lines[1:]
        name, title = mark[2], line[mark.end() :].strip()
        folded = any(re.match(r":class:.*\b(dropdown|toggle)\b", n.strip()) for n in body)
        if name is None and mark[1][0] != ":":
            total["lines"] += sum(bool(n.strip()) for n in body)
        elif name == "math":
            total["formulas"] += 1
        elif name == "figure":
            total["figures"] += 1
        elif name == "predict":
            kept += _asked("\n".join([line, *body, mark[1]]))
        elif name not in SILENT and not folded:
            kept += [title, *_unfenced("\n".join(body), total).split("\n")]
    return "\n".join(kept)


def _asked(source):
    """What a question to predict shows: the reason of an answer stands behind a click."""
    try:
        questions = predict.questions(source)
    except notebooks.CourseError:  # the rules tell what is wrong with it
        return source.partition("{predict}")[2].split("\n")
    return [line for q in questions for line in (q.title, q.text, *(answer.text for answer in q.answers))]


# --- a chapter --------------------------------------------------------------------------------------------------------


def spine(notebook):
    """The Count of what everyone reads."""
    return count(piece for piece in pieces(notebook) if piece.spine)


def furthers(notebook):
    """{title: Count} of the subsections that can be skipped, in order, without ``Further:`` in their titles."""
    found = {}
    for piece in pieces(notebook):
        if piece.further is not None:
            found.setdefault(piece.further, []).append(piece)
    return {title: count(parts) for title, parts in found.items()}


def further(notebook):
    """{title: minutes}, at least one each."""
    return {title: max(1, counted.minutes) for title, counted in furthers(notebook).items()}


def further_words(notebook):
    """Words of all Further together."""
    return sum(counted.words for counted in furthers(notebook).values())


def minutes(notebook):
    """Minutes for a first careful reading of the spine, by RULE."""
    return spine(notebook).minutes


def slides(notebook):
    """How many slides a chapter's cells make, with the last that every deck gets."""
    count = 0
    for cell in notebook["cells"]:
        kind = cell["metadata"].get("slideshow", {}).get("slide_type")
        if kind in (None, "skip", "notes"):
            continue
        text = cell["metadata"].get("genlib", {}).get("slide")
        count += (kind in ("slide", "subslide")) + (len(text) - 1 if isinstance(text, list) else 0)
    return count + bool(count)
