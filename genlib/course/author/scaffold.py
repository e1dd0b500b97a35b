"""A skeleton for a new chapter, and what every chapter has from ``_config.yml``: install cell and links to Colab."""

import json
import re
from pathlib import Path

from .. import beside, notebooks
from ..addresses import Addresses
from . import companions

TEMPLATE = Path(__file__).with_name("skeleton.txt")
KINDS = {  # of the template's cells: their tags
    "markdown": [],
    "code": [],
    "setup": ["hide-input"],
    "plot": ["hide-input"],
    "check": ["hide-input", notebooks.CHECK],
}


def cells(template, words):
    """The cells of a template, as nbformat has them: each begins with a line ``%% kind {options}``.

    kind: one of KINDS. options, in JSON: metadata of the cell; and ``slide``, Markdown that makes it a slide of the
    deck, and ``name`` of a plot's figure. words: {name: text} to put in the place of ``@name@``.
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell

    for name, text in words.items():
        template = template.replace(f"@{name}@", text)
    found = []
    for part in re.split(r"^%% ", template, flags=re.MULTILINE)[1:]:
        head, _, source = part.partition("\n")
        kind, _, options = head.partition(" ")
        metadata = {"tags": list(KINDS[kind])} | json.loads(options or "{}")
        if slide := metadata.pop("slide", None):
            metadata |= {"slideshow": {"slide_type": "slide"}, "genlib": {"slide": slide}}
        if name := metadata.pop("name", None):
            figure = {"name": f"fig-{words['slug']}-{name}", "caption": f"{beside.UNWRITTEN}what is shown."}
            alt = f"{beside.UNWRITTEN}what it shows, for somebody who cannot see it."
            metadata["mystnb"] = {"figure": figure, "image": {"alt": alt}}
        make = new_markdown_cell if kind == "markdown" else new_code_cell
        found.append(make(source.rstrip("\n"), metadata=metadata))
    return found


def new(root, wanted, title=None):
    """Write ``chapters/<family>/<slug>.ipynb`` and what lies beside it (``companions``); returns the paths written, the
    notebook's first. Raises CourseError if all of it is there, and overwrites nothing.

    wanted: "family/slug", lower-case letters, digits and underscores. What ``book/systems.yml`` knows of the system
    (title, paper, year) is filled in.
    """
    import nbformat

    if not re.fullmatch(r"[a-z][a-z0-9]*/[a-z][a-z0-9_]*", wanted):
        raise notebooks.CourseError(f"{wanted!r} is no family/slug in lower case, such as vae/beta or gan/wgan_gp.")
    family, slug = wanted.split("/")
    path = root / "chapters" / family / f"{slug}.ipynb"
    systems = root / "book" / "systems.yml"
    listed = notebooks.read_yaml(systems).get("systems", []) if systems.exists() else []
    known = next((s for s in listed if (s["family"], s["slug"]) == (family, slug)), {})
    plan = root / "book" / "teaching" / "plan.yml"
    planned = notebooks.read_yaml(plan).get("builds_on", {}).get(wanted, []) if plan.exists() else []
    title = title or known.get("title") or slug.replace("_", " ").title()
    if path.exists():
        if missing := companions.write(root, wanted, title):
            return missing
        raise notebooks.CourseError(f"{path.relative_to(root)} exists already: it is left as it is.")
    paper = (known.get("cite") or [""])[0]
    chapter = {"slug": slug, "family": family, "title": title, "paper": paper}
    chapter |= {"year": known.get("year"), "builds_on": planned}
    chapter["goals"] = [f"{beside.UNWRITTEN}derive the loss", f"{beside.UNWRITTEN}write the training step"]
    chapter["data"] = f"{beside.UNWRITTEN}the data sets of the presets"
    words = {
        "install": notebooks.install_source(root),
        "parameters": notebooks.PARAMETERS,
        "title": title,
        "slug": slug.replace("_", "-"),
        "key": paper,
        "paper": f"{{cite:t}}`{paper}`" if paper else f"{beside.UNWRITTEN}the paper, with the role {{cite:t}}",
        "builds_on": ", ".join(linked(root, name) for name in planned) or "nothing",
        "todo": beside.UNWRITTEN,
    }
    made = cells(TEMPLATE.read_text(encoding="utf-8"), words)
    notebook = nbformat.v4.new_notebook(cells=made, metadata={"genlib": {"chapter": chapter}})
    notebooks.write(path, nbformat.writes(notebooks.clean(notebook)) + "\n")
    return [path, *companions.write(root, wanted, title)]


def linked(root, name):
    """A chapter by its link; one to come by its name, for it has no page."""
    return f"{{doc}}`/chapters/{name}`" if (root / "chapters" / f"{name}.ipynb").exists() else f"{name} (to come)"


def sync_url(root):
    """Write what follows from ``_config.yml`` into every chapter's install cell, and into the links to Colab and to the
    former repository in chapters, ``README.md`` and ``book/``. Returns the paths that changed."""
    install = notebooks.install_source(root)
    url, branch = re.search(r"git\+(\S+)@(\S+)\"", install).groups()
    place, exports = url.removeprefix("https://github.com/"), Addresses(root).exports
    found = {c.path: notebooks.read(c.path) for c in notebooks.chapters(root)}
    sources = [
        notebooks.text(c["source"]) for n in found.values() for c in n["cells"] if "install" in notebooks.tags(c)
    ]
    former = {m[1] for s in sources if (m := re.search(r"git\+(\S+)@", s))} - {url}

    def links(words):
        for old in former:
            words = re.sub(rf"{re.escape(old)}(?![\w-])", url, words)
        colab = r"(https://colab\.research\.google\.com/github/)[^/\s]+/[^/\s]+/blob/[^/\s]+/"
        return re.sub(colab, rf"\g<1>{place}/blob/{exports}/", words)

    changed = []
    for path, notebook in found.items():
        before = json.dumps(notebook)
        for cell in notebook["cells"]:
            old = notebooks.text(cell["source"])
            made = (
                install if "install" in notebooks.tags(cell) else links(old) if cell["cell_type"] == "markdown" else old
            )
            if made != old:
                cell["source"] = made.splitlines(keepends=True)
        if json.dumps(notebook) != before:
            notebooks.store(path, notebook)
            changed.append(path)
    for path in [root / "README.md", *sorted((root / "book").rglob("*.md"))]:
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        if links(old) != old:
            notebooks.write(path, links(old))
            changed.append(path)
    return changed
