"""The order of the book, which book/systems.yml says once: ``_toc.yml`` follows from it and from the notebooks that
exist. Nobody edits ``_toc.yml``: ``make lint`` writes it, and a test holds that it is what would be written."""

from .. import beside, notebooks

HEAD = "# Written by `genlib tidy` from book/systems.yml and the notebooks that exist: not to be edited.\n"


def toc(root):
    """The text of ``_toc.yml``. Raises CourseError if a notebook or an entry has no place in the order."""
    told = notebooks.read_yaml(root / "book" / "systems.yml")
    parts, entries = told["parts"], [*told["systems"], told["closing"]]
    places = {part_key(part): part for part in parts if "family" in part}
    names = {f"{e['family']}/{e['slug']}": part_key(e) for e in entries}
    lost = [name for name, key in names.items() if key not in places]
    if lost:
        raise notebooks.CourseError(f"book/systems.yml has no part for {', '.join(lost)}: give its family and group.")
    files = sorted((root / "chapters").glob("*/*.ipynb"))
    there = {n for p in files if not p.stem.startswith(".") and ".tmp" not in p.name for n in [_name(p)]}
    if strange := sorted(there - set(names)):
        raise notebooks.CourseError(
            f"book/systems.yml does not list {', '.join(strange)}: add an entry where it belongs."
        )
    written = [name for name in names if name in there]
    lines = ["format: jb-book", "root: book/index", "parts:"]
    for part in parts:
        if "family" in part:
            inside = [f"      - file: chapters/{name}" for name in written if names[name] == part_key(part)]
            head = [f"  - caption: {_quoted(part['caption'])}", "    numbered: 1", "    chapters:"]
        else:
            inside = [line for page in part["pages"] for line in _page(page, written, root)]
            head = [f"  - caption: {_quoted(part['caption'])}", "    chapters:"]
        lines += [*head, *inside] if inside else []
    return HEAD + "\n".join(lines) + "\n"


def parts_of(root):
    """(caption, [family/slug]) of every part that has chapters, written or not, in the book's order."""
    told = notebooks.read_yaml(root / "book" / "systems.yml")
    entries = [*told["systems"], told["closing"]]
    own = lambda part: [f"{e['family']}/{e['slug']}" for e in entries if part_key(e) == part_key(part)]
    return [(part["caption"], own(part)) for part in told["parts"] if "family" in part]


def part_key(entry):
    """(family, group): what an entry of the systems and the part that it stands in have in common."""
    return entry["family"], entry.get("group")


def _page(page, written, root):
    """The lines of one page of a part; below the page of notes stand the notes on every written chapter."""
    yield f"      - file: {page}"
    noted = (
        [name for name in written if beside.notes_path(root, name).exists()] if page.endswith("/instructors") else []
    )
    if noted:
        yield "        sections:"
        yield from (f"          - file: {beside.NOTES}/{name}" for name in noted)


def _name(path):
    return f"{path.parent.name}/{path.stem}"


def _quoted(caption):
    return f'"{caption}"' if ":" in caption else caption
