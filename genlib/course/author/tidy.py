"""The files that every chapter adds to, in an order that follows from what they hold: whoever adds an entry adds it in
its own place, and ``genlib tidy``, which is part of ``make lint``, puts right what a merge has left.

book/references.bib is sorted by key, book/glossary.md by the English term; a row of book/notation.md stands once, and
among those that belong to it; ``_toc.yml`` follows from the book's order (``order``)."""

import re
import unicodedata

from .. import notebooks
from . import order

ENTRY = re.compile(r"^@\w+\{([^,\s]+),\n.*?^\}\n", re.MULTILINE | re.DOTALL)


def tidy(root):
    """Bring every shared file into its order. Returns the paths that changed. Raises CourseError, and then changes
    nothing, for what sorting cannot mend: two different entries under one name."""
    made = {path: text for path, text in wanted(root).items() if _text(path) != text}
    for path, text in made.items():
        notebooks.write(path, text)
    return list(made)


def wanted(root):
    """path -> the text that it should have, for every shared file that is there."""
    book, made = root / "book", {}
    for name, sort in (("references.bib", bibliography), ("glossary.md", glossary), ("notation.md", notation)):
        if (book / name).exists():
            made[book / name] = sort(_text(book / name))
    made[root / "_toc.yml"] = order.toc(root)
    return made


def bibliography(text):
    """A BibTeX file, an entry a block, by key; what stands before the first entry stays, headings between go."""
    found = {}
    first = ENTRY.search(text)
    rest = ENTRY.sub("", text)
    if stray := [line for line in rest.split("\n") if line.strip() and not line.startswith("%")]:
        raise notebooks.CourseError(f"book/references.bib: {stray[0].strip()!r} is part of no entry.")
    for m in ENTRY.finditer(text):
        if "\n@" in m[0]:
            raise notebooks.CourseError(f"book/references.bib: the entry {m[1]} does not end before the next begins.")
        _add(found, m[1], m[0], "book/references.bib")
    head = text[: first.start()].strip() if first else text.strip()
    return "\n".join([head.split("\n\n")[0] + "\n", *(found[key] for key in sorted(found))])


def glossary(text):
    """The glossary's page: inside its directive a block a term, by the English term."""
    m = re.search(
        r"(?P<head>^```\{glossary\}\n(?::[^\n]*\n)*\n)(?P<body>.*?)(?P<end>^```\n)", text, re.MULTILINE | re.DOTALL
    )
    found = {}
    for block in re.split(r"\n+(?=\S)", m["body"].strip()) if m and m["body"].strip() else []:
        _add(found, block.split("\n")[0].strip(), block.rstrip(), "book/glossary.md")
    if not found:
        return text
    body = "\n\n".join(found[term] for term in sorted(found, key=letters))
    return text[: m.start("body")] + body + "\n\n" + text[m.end("body") :]


def notation(text):
    """The page of symbols: a row that stands twice in a table stands once. The order inside a table is the authors':
    symbols that belong together stand together."""
    lines, seen = [], set()
    for line in text.split("\n"):
        row = line.startswith("| ") and not line.startswith("| symbol")
        if not line.startswith("|"):
            seen = set()
        if row and line in seen:
            continue
        seen |= {line} if row else set()
        lines.append(line)
    return "\n".join(lines)


def letters(term):
    """What a term is sorted by: its letters and digits without case, accents, hyphens and spaces."""
    plain = unicodedata.normalize("NFKD", term.casefold())
    return "".join(c for c in plain if c.isalnum()), term


def _add(found, name, entry, place):
    if found.setdefault(name, entry) != entry:
        raise notebooks.CourseError(f"{place} has two different entries called {name!r}: keep one of them.")


def _text(path):
    return path.read_text(encoding="utf-8") if path.exists() else ""
