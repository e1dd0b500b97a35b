"""What a chapter refers to: the numbers that its page gives to equations, figures and exercises; titles, authors and
addresses of all the rest."""

import functools
import re
import unicodedata
from dataclasses import dataclass

from . import notebooks, stamp
from .addresses import Addresses
from .notebooks import CourseError

MISSING = "Citations need the package pybtex: pip install -e '.[course]' in the project's folder."
EQUATION = re.compile(r"\$\$[ \t]*\((?P<dollars>[\w:.-]+)\)|^[ \t]*:label:[ \t]*(?P<option>eq[\w:.-]*)", re.MULTILINE)
OPTION = re.compile(r"^[ \t]*:(?P<key>[\w-]+):[ \t]*(?P<value>.*)$")
HEADING = re.compile(r"^\((?P<label>[\w:.-]+)\)=\s*\n#+ +(?P<title>[^\n]+)", re.MULTILINE)
TABLES = ("table", "list-table", "csv-table")
UNNUMBERED = ("prf:proof",)
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml")


@dataclass(frozen=True)
class Item:
    """One thing that a page numbers: "Figure", "Table", "Exercise", "Theorem" and so on, with its number, "3.2"."""

    kind: str
    number: str
    label: str = ""
    title: str = ""

    def __str__(self):
        return f"{self.kind} {self.number}"


def options(body):
    """The options of a directive whose lines are ``body``, and its other lines."""
    found, body = {}, list(body)
    while body and (option := OPTION.match(body[0])):
        found[option["key"]] = option["value"].strip()
        body.pop(0)
    return found, body


class Shelf:
    """What the Books of one project share: each notebook is read once, however many chapters refer to it."""

    def __init__(self, root):
        self.root, self.addresses = root, Addresses(root)
        self.chapters = notebooks.chapters(root)

    @functools.cache  # noqa: B019  one Shelf lives as long as decks or notebooks are made
    def prose(self, chapter):
        return notebooks.prose(notebooks.read(chapter.path))

    @functools.cache  # noqa: B019
    def equations(self, chapter):
        """label -> number, counted as the book counts: the labelled equations of a chapter in their order."""
        return {m["dollars"] or m["option"]: n for n, m in enumerate(EQUATION.finditer(self.prose(chapter)), 1)}

    @functools.cache  # noqa: B019
    def items(self, chapter):
        """Everything that the page of a chapter numbers besides equations, in its order: cell -> list of Items."""
        written = [c.path for c in self.chapters]
        place = written.index(chapter.path) + 1 if chapter.path in written else 0
        found, counts = {}, {}

        def add(cell, kind, label="", title=""):
            counts[kind] = counts.get(kind, 0) + 1
            number = f"{place}.{counts[kind]}" if place else str(counts[kind])
            found.setdefault(cell, []).append(Item(kind, number, label, title))

        for at, cell in enumerate(notebooks.read(chapter.path)["cells"]):
            if cell["cell_type"] == "markdown":
                for name, title, told in _directives(notebooks.text(cell["source"])):
                    label, kind = told.get("label") or told.get("name", ""), name.split(":")[-1].capitalize()
                    if name == "figure" or name in TABLES and title:
                        add(at, "Figure" if name == "figure" else "Table", label, "" if name == "figure" else title)
                    numbered = name == "exercise" or name.startswith("prf:") and name not in UNNUMBERED
                    if numbered and "nonumber" not in told:
                        add(at, kind, label, title)
            figure = cell["metadata"].get("mystnb", {}).get("figure", {})
            for output in cell.get("outputs", ()) if figure.get("caption") else ():
                if any(kind in output.get("data", {}) for kind in PICTURES):
                    add(at, "Figure", figure.get("name", ""), figure["caption"])
        return found

    @functools.cache  # noqa: B019
    def labelled(self, chapter):
        """label -> (Item) of what the page of a chapter numbers, the first of a name."""
        return {item.label: item for items in reversed(self.items(chapter).values()) for item in reversed(items)}

    @functools.cache  # noqa: B019
    def sections(self, chapter):
        """label -> (document, title) of a chapter's labelled headings."""
        document = f"/chapters/{chapter.name}"
        return {m["label"]: (document, m["title"].strip()) for m in HEADING.finditer(self.prose(chapter))}

    @functools.cached_property
    def pages(self):
        """label -> (document, title) of every labelled heading of what is no chapter."""
        found = {}
        for path in sorted((self.root / "book").rglob("*.md")):
            document = f"/{path.relative_to(self.root).with_suffix('').as_posix()}"
            prose = path.read_text(encoding="utf-8")
            found |= {m["label"]: (document, m["title"].strip()) for m in HEADING.finditer(prose)}
        return found

    @functools.cache  # noqa: B019
    def title(self, document):
        """The title of a document, named by its path from the project's folder."""
        path = self.root / document.removeprefix("/")
        if path.with_suffix(".ipynb").is_file():
            return stamp.chapter_of(notebooks.read(path.with_suffix(".ipynb"))).get("title", path.stem)
        heading = re.search(r"^# +(.+)$", path.with_suffix(".md").read_text(encoding="utf-8"), re.MULTILINE)
        return heading[1].strip().replace("*", "") if heading else path.stem

    @functools.cached_property
    def works(self):
        try:
            from pybtex.database import parse_file
        except ImportError as error:
            raise CourseError(MISSING) from error
        path = self.root / "book" / "references.bib"
        return parse_file(str(path)).entries if path.is_file() else {}


class Book:
    """What references of one chapter become. Its lookups raise CourseError for what is not there.

    links: references lead to the published pages, as far as the project has an address, and name figures by their
    numbers; else they are words, for a slide. folds: solutions and answers are there, folded; else they are left out.
    shelf: one for all Books that are made in a row.
    """

    def __init__(self, root, chapter, links=False, folds=False, shelf=None):
        self.root, self.chapter, self.links, self.folds = root, chapter, links, folds
        self.shelf = shelf or Shelf(root)
        self.addresses = self.shelf.addresses

    # --- numbers ------------------------------------------------------------------------------------------------------

    def equation(self, label):
        """ "(3)", or what it is called from another chapter."""
        if label in self.shelf.equations(self.chapter):
            return f"({self.shelf.equations(self.chapter)[label]})"
        for other in self.others():
            if label in self.shelf.equations(other):
                number = f"({self.shelf.equations(other)[label]})"
                document = f"/chapters/{other.name}"
                if self.links:
                    return self.link(f"{number} of {self.title(document)}", document, f"equation-{label}")
                return f"{number} of {self.title(document)}"
        raise CourseError(f"there is no equation {label!r}.")

    def tag(self, label):
        """The number of one of the chapter's own equations, "" without a label or for another chapter's."""
        return str(self.shelf.equations(self.chapter).get(label, "")) if label else ""

    def item(self, label):
        """The Item with a label and the chapter that has it; (None, None) if there is none."""
        for chapter in (self.chapter, *self.others()):
            if label in self.shelf.labelled(chapter):
                return self.shelf.labelled(chapter)[label], chapter
        return None, None

    def numbered(self, label, words=None):
        """What ``{numref}`` shows: "Figure 3.2"; on a slide, where figures have no numbers, "the figure"."""
        if not self.links:
            return "the table" if label.startswith("t") else "the figure"
        item, chapter = self.item(label)
        if item is None:
            raise CourseError(f"there is no figure or table {label!r}.")
        words = re.sub(r"%s|\{number\}", item.number, words).replace("{name}", item.title) if words else str(item)
        if chapter == self.chapter:
            return words
        document = f"/chapters/{chapter.name}"
        return self.link(f"{words} of {self.title(document)}", document, label)

    def reference(self, label, words=None):
        """What ``{ref}`` shows, and a link to a label: the number of what it labels, or the title of its section."""
        if label in self.shelf.equations(self.chapter):
            return words or self.equation(label)
        item, chapter = self.item(label)
        if item is not None:
            words = words or (str(item) if self.links or item.kind != "Figure" else "the figure")
            return words if chapter == self.chapter else self.link(words, f"/chapters/{chapter.name}", label)
        document, title = self.sections.get(label, (None, None))
        words = words or title or label.split("-", 1)[-1].replace("-", " ")
        if document in (None, f"/chapters/{self.chapter.name}"):
            return words
        return self.link(words, document, label)

    @functools.cached_property
    def sections(self):
        """label -> (document, title) of every labelled heading of the book."""
        found = {}
        for chapter in (self.chapter, *self.others()):
            found |= self.shelf.sections(chapter)
        return found | self.shelf.pages

    def others(self):
        """The chapters of the book that are written, without the Book's own."""
        return [c for c in self.shelf.chapters if c.path.exists() and c.path != self.chapter.path]

    # --- documents, terms, works --------------------------------------------------------------------------------------

    def document(self, name):
        """The path from the book's folder of a document named as in the role doc: ``/chapters/vae/vae``, ``beta``."""
        path = self.root / name.removeprefix("/")
        if not name.startswith("/"):
            path = self.chapter.path.parent / name
        path = path.resolve()
        if path.suffix in (".md", ".ipynb"):
            path = path.with_suffix("")
        for suffix in (".ipynb", ".md"):
            if path.with_suffix(suffix).is_file() and path.is_relative_to(self.root.resolve()):
                return f"/{path.relative_to(self.root.resolve()).as_posix()}"
        raise CourseError(f"there is no document {name!r}.")

    def title(self, name):
        """The title of a document, named as in the role doc."""
        return self.shelf.title(self.document(name))

    def doc(self, name, words=None):
        words = words or self.title(name)
        return self.link(words, self.document(name)) if self.links else f"*{words}*"

    def term(self, name, words=None):
        """A term, as a link to its entry in the glossary. Sphinx makes the entry's anchor from the term."""
        plain = unicodedata.normalize("NFKD", f"term-{name}").encode("ascii", "ignore").decode()
        anchor = re.sub(r"[^a-zA-Z0-9._]+", "-", " ".join(plain.split())).strip("-")
        return self.link(words or name, "/book/glossary", anchor) if self.links else words or name

    def link(self, words, document, anchor=""):
        address = self.addresses.page(document, anchor)
        return f"[{words}]({address})" if address else words

    def cite(self, keys, textual):
        """(Kingma & Welling 2014; Rezende et al. 2014), or as part of a sentence Kingma & Welling (2014)."""
        found = []
        for key in (k.strip() for k in keys.split(",")):
            if key not in self.shelf.works:
                raise CourseError(f"{key!r} is not in book/references.bib.")
            work = self.shelf.works[key]
            names = [_surname(p) for p in work.persons.get("author", [])] or [work.fields.get("title", key)]
            who = " & ".join(names) if len(names) < 3 else f"{names[0]} et al."
            year = work.fields.get("year", "n. d.")
            words = f"{who} ({year})" if textual else f"{who} {year}"
            address = _address(work.fields) if self.links else ""
            found.append(f"[{words}]({address})" if address else words)
        return " and ".join(found) if textual else f"({'; '.join(found)})"


def _directives(source):
    """(name, title, options) of every directive of a source, in order, those inside others too."""
    for m in re.finditer(r"^[ \t]*(?:`{3,}|:{3,}|~{3,})\{([\w:.-]+)\}[ \t]*([^\n]*)\n?", source, re.MULTILINE):
        yield m[1], m[2].strip(), options(source[m.end() :].split("\n"))[0]


def _surname(person):
    from pybtex.richtext import Text

    return str(Text.from_latex(" ".join([*person.prelast_names, *person.last_names])))


def _address(fields):
    """Where a work can be read, without brackets, which would end a Markdown link."""
    address = ""
    if fields.get("eprint"):
        address = f"https://arxiv.org/abs/{fields['eprint']}"
    elif fields.get("doi"):
        address = f"https://doi.org/{fields['doi']}"
    elif fields.get("url"):
        address = fields["url"]
    return address.replace("\\_", "_").replace("(", "%28").replace(")", "%29")
