"""MyST as the Markdown that any Jupyter, a slide or an assignment shows: no role, directive or label is left.

A ``references.Book`` says what references become, and whether solutions are folded or left out. Formulas stay in
dollars; the labelled ones carry the number of their page.
"""

import html
import re

from . import predict
from .references import TABLES, options

FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,}|:{3,})[ \t]*(?P<rest>[^`]*)$")
DIRECTIVE = re.compile(r"^\{(?P<name>[\w:.-]+)\}[ \t]*(?P<title>.*)$")
BETWEEN = re.compile(r"^(\([\w:.-]+\)=|%.*|\+\+\+.*|:{3,}|\{[.#%][^{}]*\})\s*$")  # labels, comments, attributes
CODE = ("code", "code-block", "code-cell", "sourcecode")
LEFT_OUT = ("tableofcontents", "bibliography", "index", "raw", "comment", "solution-start", "solution-end")
BARE = ("grid", "tab-set", "div", "container", "margin", "sidebar", "glossary", "epigraph", "only", "figure", "image")
BARE += TABLES
TITLED = ("admonition", "card", "grid-item-card", "tab-item")  # their title is all that they are called
PIECES = re.compile(
    r"(?P<role>\{(?P<name>[\w:.+-]+)\}(?P<tick>`+)(?P<body>.+?)(?P=tick))"
    r"|(?P<code>(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<display>\$\$(?P<inside>.+?)\$\$(?:[ \t]*\((?P<label>[\w:.-]+)\))?)"
    r"|(?P<math>(?<![\\$])\$(?![\s$])(?:\\.|[^$\\])+?\$)"
    r"|(?P<span>\[(?P<words>[^\]\[]+)\]\{[^}\n]*\})"
    r"|(?P<anchor>(?<!!)\[(?P<linked>[^\]\[]*)\]\((?P<target>[^)\s]+)\)(?:\{[^}\n]*\})?)"
    r"|(?P<picture>(?P<image>!\[[^\]]*\]\([^)]*\))(?:\{[^}\n]*\})?)"
    r"|(?P<tag></?[A-Za-z][^<>$`{]*>|<!--.*?-->)",
    re.DOTALL,
)
QUOTES = ((r"(?<=\w)'(?=\w)", "’"), (r"(?<=\w)'(?!\w)", "’"), (r'(?<![\w"=])"(?=\S)([^"\n<>]+?)"(?!\w)', r"“\1”"))


def plain(source, book):
    """MyST as CommonMark with formulas in dollars: roles become their words, directives a paragraph with a title.

    book: a references.Book. Raises CourseError for what is cited and not there.
    """
    lines, out, chunk = source.split("\n"), [], []

    def flush():
        out.append(inline("\n".join(chunk), book))
        chunk.clear()

    at = 0
    while at < len(lines):
        fence = FENCE.match(lines[at])
        if not fence or (fence["mark"][0] == ":" and not fence["rest"]):
            if not BETWEEN.match(lines[at]):
                chunk.append(lines[at])
            at += 1
            continue
        closed = re.compile(rf"^[ \t]*{re.escape(fence['mark'][0])}{{{len(fence['mark'])},}}[ \t]*$")
        end = next((i for i in range(at + 1, len(lines)) if closed.match(lines[i])), len(lines))
        body, directive = lines[at + 1 : end], DIRECTIVE.match(fence["rest"].strip())
        flush()
        out.append(_directive(directive, body, book) if directive else "\n".join(lines[at : end + 1]))
        at = end + 1
    flush()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip()


# --- directives -------------------------------------------------------------------------------------------------------


def _directive(directive, body, book):
    name, title = directive["name"], directive["title"].strip()
    told, body = options(body)
    if name in CODE:
        return "\n".join(["", f"```{title}", *body, "```", ""])
    if name == "math":
        label = told.get("label")
        return "\n" + _display("\n".join([*filter(None, [title]), *body]), book.tag(label)) + "\n"
    if name in LEFT_OUT:
        return ""
    if name == "predict":
        return _question(predict.parse(title, told.get("label", ""), "\n".join(body)), book)
    inside = plain("\n".join(body), book)
    if name == "live":
        return f"\n*On the book's page a live figure answers:* {inside.strip()}\n"
    if name in ("solution", "dropdown"):
        if name == "dropdown":
            return fold(inline(title, book), inside) if book.folds else _paragraph(name, inline(title, book), inside)
        return fold(f"Solution to {_called(title, book)}", inside) if book.folds else ""
    if name in ("figure", "image"):
        return _figure(name, title, told, inside, book)
    if name == "exercise" and book.folds:
        number = _number(told.get("label"), "Exercise", book)
        return f"\n### {number}{f': {inline(title, book)}' * bool(title)}\n\n{inside}\n"
    return _paragraph(name.split(":")[-1], _heading(name, title, told, book), inside)


def _question(question, book):
    """A question to predict: its answers as a list, and the reasons in one fold below; a slide only asks."""
    answers = "\n".join(f"{n}. {plain(a.text, book)}" for n, a in enumerate(question.answers, 1))
    asked = f"**Predict: {inline(question.title, book)}**\n\n{plain(question.text, book)}\n\n{answers}\n"
    if not book.folds:
        return f"\n{asked}"
    reasons = "\n".join(
        f"{n}. " + plain(a.reason, book).replace("\n", "\n   ") for n, a in enumerate(question.answers, 1)
    )
    return f"\n{asked}{fold('Answer', reasons)}"


def _heading(name, title, told, book):
    if name in TITLED:
        return inline(title, book)
    if name in TABLES:
        return f"{_number(told.get('name'), 'Table', book)}: {inline(title, book)}" if title else ""
    if name in BARE:
        return ""
    kind = name.split(":")[-1].replace("-", " ").capitalize()
    if name.startswith("prf:"):
        title, kind = title.removeprefix("(").removesuffix(")"), _number(told.get("label"), kind, book)
    return f"{kind}: {inline(title, book)}" if title else kind


def _paragraph(kind, heading, inside):
    heading = [f"**{heading}**", ""] if heading else []
    return "\n".join(["", f'<div class="admonition {kind}">', "", *heading, inside, "", "</div>", ""])


def fold(summary, inside):
    """A fold of HTML, which Markdown knows everywhere; its one line is HTML and shows no emphasis."""
    summary = html.escape(
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", summary).replace("*", "").replace("`", ""), quote=False
    )
    return f"\n<details><summary>{summary}</summary>\n\n{inside}\n\n</details>\n"


def _number(label, kind, book):
    """ "Exercise 3.2" where pages are referred to, "Exercise" on a slide."""
    item = book.item(label)[0] if label and book.links else None
    return str(item or kind)


def _called(label, book):
    """An exercise by number and title, as its solution names it: "Exercise 3.1 (The floor of collapse)"."""
    item = book.item(label)[0]
    if item is None:
        return "the exercise"
    return f"{item} ({inline(item.title, book)})" if item.title else str(item)


def _figure(name, path, told, inside, book):
    """A picture of the book, as its page has it; on a slide the caption alone."""
    shown, address = [], book.addresses.picture(path)
    if book.links and address:
        shown.append(f"![{told.get('alt', '')}]({address})")
    number = _number(told.get("name") or told.get("label"), "", book) if name == "figure" else ""
    caption = f"*{number}: {inside}*" if number and inside else inside
    shown += [caption] if caption else []
    return _paragraph(name, "", "\n\n".join(shown)) if shown else ""


# --- what stands in a line --------------------------------------------------------------------------------------------


def inline(text, book):
    """Roles, labels of formulas, spans and links of one stretch of text; its code and its formulas stay as they are."""
    out, at = [], 0
    for piece in PIECES.finditer(text):
        out.append(_quotes(text[at : piece.start()]))
        at = piece.end()
        if piece["role"]:
            out.append(_role(piece["name"], " ".join(piece["body"].split()), book))
        elif piece["display"]:
            indent = re.search(r"(?:^|\n)([ \t]*)$", text[: piece.start()])
            out.append(_display(piece["inside"], book.tag(piece["label"]), indent[1] if indent else ""))
        elif piece["span"]:
            out.append(inline(piece["words"], book))
        elif piece["anchor"]:
            out.append(_link(piece["linked"], piece["target"], book))
        elif piece["picture"]:
            out.append(piece["image"])
        else:
            out.append(piece[0])
    return "".join([*out, _quotes(text[at:])])


def _display(inside, number, indent=""):
    tag = f" \\tag{{{number}}}" if number else ""
    return f"$$\n{indent}{inside.strip()}{tag}\n{indent}$$"


def _link(words, target, book):
    """A link out of the book stays one. A link inside it leads to the page, and from a slide nowhere."""
    words = inline(words, book)
    if re.match(r"(https?|mailto):", target):
        return f"[{words or target}]({target})"
    document, _, anchor = target.partition("#")
    if not document:
        return words or book.reference(anchor)
    if not book.links:
        return words or book.title(document)
    return book.link(words or book.title(document), book.document(document), anchor)


def _role(name, body, book):
    words = re.match(r"^(?P<words>.*?)\s*<(?P<target>[^<>]*)>$", body)
    own, target = (words["words"], words["target"]) if words else (None, body)
    if name in ("eq", "math:numref"):
        return book.equation(target)
    if name.startswith("cite"):
        return book.cite(target, textual=name in ("cite:t", "cite:ts", "cite:ct"))
    if name == "doc":
        return book.doc(target, own)
    if name == "term":
        return book.term(target, own)
    if name == "numref":
        return book.numbered(target, own)
    if name == "math":
        return f"${body}$"
    if name in ("code", "file", "func", "class", "mod", "meth", "py:func", "py:class"):
        return f"`{body}`"
    if name in ("abbr", "ko"):
        return re.sub(r"\s*\(.*\)$", "", body) if name == "abbr" else body
    if name in ("ref", "prf:ref"):
        return book.reference(target, own)
    return own if own is not None else body


def _quotes(text):
    """The typographer's quotes and apostrophes, as on the book's pages."""
    for pattern, to in QUOTES:
        text = re.sub(pattern, to, text)
    return text
