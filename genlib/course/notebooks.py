"""The project's chapters: where they are, how they are read and stored, and what each must hold (its contract)."""

import ast
import base64
import contextlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from .. import did_you_mean, mime
from .stamp import chapter_of

HEADINGS = (
    "Idea",
    "Derivation",
    "Model",
    "Training",
    "Results",
    "Does the claim hold?",
    "What goes wrong",
    "Exercises",
    "Summary",
)
PRESETS = ("smoke", "cpu", "gpu")  # from the smallest to the largest
CHECK = "nbval-check-output"
MAX_BYTES, MAX_PNG, MAX_LINES, MIN_CHECKS = 1_500_000, 150_000, 40, 5
PARAMETERS = 'preset = "auto"\nseed = 0'
INSTALL = """\
# On Colab: fetch genlib, leaving Colab's own torch and numpy in place.
import importlib.util
if importlib.util.find_spec("genlib") is None:
    %pip install -q "genlib @ git+{url}@{branch}\""""


class CourseError(Exception):
    """What stands in the way, in one sentence for the person at the terminal."""

    status = 2  # of the command: the call was wrong, nothing has begun


@dataclass(frozen=True)
class Chapter:
    """One notebook of the project, ``chapters/<family>/<slug>.ipynb``."""

    path: Path

    @property
    def slug(self):
        return self.path.stem

    @property
    def name(self):
        return f"{self.path.parent.name}/{self.path.stem}"


# --- the project ------------------------------------------------------------------------------------------------------


def find_root(start=None):
    """The folder with ``_toc.yml``, at or above ``start`` (default: the working directory). Raises CourseError."""
    start = Path(start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "_toc.yml").is_file():
            return folder
    raise CourseError(f"There is no _toc.yml in {start} or above it: run this inside the course's folder.")


def read_yaml(path):
    """A YAML file as Python objects. Raises CourseError if it is absent or malformed."""
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, yaml.YAMLError) as error:
        raise CourseError(f"{path.name} cannot be read: {' '.join(str(error).split())}.") from error


def chapters(root):
    """Every Chapter of ``_toc.yml``, in its order."""

    def files(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node if isinstance(node, list) else ()):
            if key == "file" and str(value).startswith("chapters/"):
                yield Chapter(root / f"{str(value).removesuffix('.ipynb')}.ipynb")
            yield from files(value)

    return list(files(read_yaml(root / "_toc.yml")))


def find_chapter(root, wanted):
    """The Chapter called ``wanted``: a slug, family/slug, or the path of a notebook. Raises CourseError."""
    known = chapters(root)
    name = wanted.removesuffix(".ipynb")
    found = [c for c in known if name in (c.slug, c.name, f"chapters/{c.name}")]
    path = Path(wanted).resolve()
    if not found and path.suffix == ".ipynb" and path.is_file():
        found = [Chapter(path)]
    if len(found) == 1:
        return found[0]
    if found:
        raise CourseError(f"{wanted!r} is the name of {' and '.join(c.name for c in found)}: give the family too.")
    new = root / "chapters" / f"{name.removeprefix('chapters/')}.ipynb"
    if new.is_file():
        raise CourseError(f"{wanted} is not in _toc.yml yet: genlib tidy, a part of make lint, puts it there.")
    hint = did_you_mean(name, [*(c.slug for c in known), *(c.name for c in known)])
    raise CourseError(f"There is no chapter {wanted!r}{hint}: genlib list shows them all.")


def install_source(root):
    """The install cell that follows from ``repository.url`` and ``.branch`` in ``_config.yml``."""
    repository = (read_yaml(root / "_config.yml") or {}).get("repository") or {}
    if not repository.get("url"):
        raise CourseError("_config.yml has no repository.url, which the install cells follow.")
    return INSTALL.format(url=repository["url"].rstrip("/"), branch=repository.get("branch", "main"))


# --- reading and storing ----------------------------------------------------------------------------------------------


def read(path):
    """A notebook as a plain dict, also if an editor has put a mark of its encoding before it. Raises CourseError."""
    try:
        source = path.read_text(encoding="utf-8-sig")
        if re.search(r"^(<{7}|>{7}) ", source, re.MULTILINE):
            raise ValueError("a merge has left its marks in it")
        notebook = json.loads(source)
        if not (isinstance(notebook, dict) and {"cells", "metadata"} <= notebook.keys()):
            raise ValueError("it has no cells")
        return notebook
    except FileNotFoundError:
        raise CourseError(f"{path} is in _toc.yml and not on the disk: genlib new writes a skeleton.") from None
    except (OSError, ValueError) as error:
        raise CourseError(f"{path} cannot be read as a notebook: {error}.") from error


@contextlib.contextmanager
def whole(path):
    """A file beside ``path`` to write to, which then takes its name: it is there whole or not at all. A link stays one,
    and who may read or write the file may do so afterwards. Raises OSError with the name of the file."""
    path = path.resolve()
    beside = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        if path.exists():
            shutil.copymode(path, beside)
        os.replace(beside, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def write(path, text):
    """Store text whole or not at all. Raises OSError with the name of the file."""
    with whole(path) as beside, open(beside, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def store(path, notebook):
    """Write a notebook, a plain dict, the way every tool writes one. Raises OSError with the name of the file."""
    write(path, json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def clean(notebook):
    """Take out, in place, what execution leaves in an nbformat notebook: papermill's cells and metadata, timings,
    empty tags. Streams that follow each other become one, execution counts run from 1."""
    notes = {"injected-parameters", "papermill-error-cell-tag"}
    notebook.cells = [c for c in notebook.cells if not notes & set(c.metadata.get("tags", []))]
    notebook.metadata.pop("papermill", None)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    count = 0
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        if cell.cell_type != "code":
            continue
        outputs = []
        for output in cell.outputs:
            last = outputs[-1] if outputs else {}
            streams = output.output_type == "stream" == last.get("output_type")
            if streams and last["name"] == output.name:
                last["text"] += output.text
            else:
                outputs.append(output)
        cell.outputs = outputs
        if cell.execution_count is not None:
            cell.execution_count = count = count + 1
            for output in outputs:
                if "execution_count" in output:
                    output.execution_count = count
    return notebook


# --- what a notebook holds --------------------------------------------------------------------------------------------


def text(lines):
    """A source or an output's text: a notebook has it as one string or as a list of lines."""
    return "".join(lines)


def tags(cell):
    return cell["metadata"].get("tags", [])


def code_cells(notebook):
    return [c for c in notebook["cells"] if c["cell_type"] == "code"]


FENCE = re.compile(r"\s*(`{3,}|~{3,}|:{3,})[ \t]*(?:\{([\w:-]+)\})?")  # a fence, of a directive or of code, begins


def closes(line, fence):
    """Whether a line ends what the given fence has begun."""
    mark = FENCE.match(line)
    return bool(mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]))


def titles(source):
    """(where it starts, its level, its title) of every heading of a markdown source, outside of fences."""
    fence, start = None, 0
    for line in source.splitlines(keepends=True):
        if fence is None and (mark := FENCE.match(line)):
            fence = mark[1]
        elif fence is not None:
            fence = None if closes(line, fence) else fence
        elif heading := re.match(r"(#{1,6})[ \t]+(.+?)[ \t#]*$", line.rstrip("\n")):
            yield start, len(heading[1]), heading[2].strip()
        start += len(line)


def headings(notebook):
    """For each cell the latest ``##`` heading at its end ("" before the first), and the list of all of them."""
    here, seen = [], []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            seen += [title for _, level, title in titles(text(cell["source"])) if level == 2]
        here.append(seen[-1] if seen else "")
    return here, seen


def role(cell):
    """What a code cell is, from its tags and outputs: "setup", "grader", "check", "plot", "table" or "code".

    The first that fits: a figure beside a table is a plot, a check that prints a table is a check. Where the cell is
    is not asked here; ``roles`` knows it. A cell that has not been run is a plot if its metadata describes a figure.
    """
    said = set(tags(cell))
    if said & {"install", "parameters"}:
        return "setup"
    if "grader" in said:
        return "grader"
    if CHECK in said:
        return "check"
    shown = [output.get("data", {}) for output in cell.get("outputs", ())]
    html = "".join(text(data.get("text/html", "")) for data in shown)
    described = cell["metadata"].get("mystnb", {})
    if (
        any(kind.startswith("image/") for data in shown for kind in data)
        or re.search(r"<(?:svg|video|canvas)\b", html)
        or (re.search(r"<img\b", html) and "<table" not in html)
        or {"figure", "image"} & set(described)
    ):
        return "plot"
    markdown = "\n".join(text(data.get("text/markdown", "")) for data in shown)
    if "<table" in html or re.search(r"^\|?[ :]*-{3,}[ :]*\|", markdown, re.MULTILINE):
        return "table"
    return "code"


def roles(notebook):
    """For each cell its ``role``; "setup" for code before the first ``##`` heading, None for what is no code."""
    return [
        None if cell["cell_type"] != "code" else role(cell) if here else "setup"
        for cell, here in zip(notebook["cells"], headings(notebook)[0], strict=True)
    ]


def prose(notebook):
    """The markdown of a whole notebook."""
    return "\n\n".join(text(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")


def section(notebook, heading):
    """The markdown under one ## heading, which may begin in the middle of a cell."""
    whole = prose(notebook)
    starts = [(start, title) for start, level, title in titles(whole) if level == 2]
    for (start, title), (end, _) in pairwise([*starts, (len(whole), "")]):
        if title == heading:
            return whole[start:end].partition("\n")[2]
    return ""


def parsed(source):
    """The syntax tree of a cell; an empty one where it is IPython's own syntax and no Python."""
    try:
        return ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE))
    except SyntaxError:
        return ast.Module([], [])


def checks(notebook):
    """The lines that the checks of a notebook printed."""
    outputs = [o for c in code_cells(notebook) if CHECK in tags(c) for o in c["outputs"]]
    return [n for o in outputs for n in text(o.get("text", "")).splitlines() if n.startswith("✓ ")]


def records(notebook, kind=mime.CLAIM):
    """The records of one kind in a notebook's outputs, by default the claims': dicts, see ``genlib.claims.Claim``."""
    return [o["data"][kind] for c in code_cells(notebook) for o in c["outputs"] if kind in o.get("data", {})]


def problems(notebook, install, name=None):
    """What keeps a notebook with its outputs from meeting the contract: sentences, none if it does.

    install: the source its install cell must have (``install_source``). name: family/slug by its path.
    """
    found = []
    cells = notebook["cells"]
    code = code_cells(notebook)
    lead = text(cells[0]["source"]) if cells and cells[0]["cell_type"] == "markdown" else ""
    if not lead.startswith("# "):
        found.append("the first cell is not a title (# ...) with its lead")
    if tuple(headings(notebook)[1]) != HEADINGS:
        found.append(f"the headings (##) are not, in this order, {', '.join(HEADINGS)}")
    chapter = chapter_of(notebook)
    missing = [k for k in ("slug", "family", "title", "paper", "year", "goals", "data") if not chapter.get(k)]
    if missing or "builds_on" not in chapter:
        found.append(f"metadata.genlib.chapter lacks {', '.join(missing or ['builds_on'])}")
    elif name and name != f"{chapter['family']}/{chapter['slug']}":
        found.append(f"metadata.genlib.chapter says {chapter['family']}/{chapter['slug']}, its path {name}")
    found += _setup_problems(code, install)
    if len(checks(notebook)) < MIN_CHECKS:
        found.append(f"{len(checks(notebook))} of at least {MIN_CHECKS} checks (✓ lines in cells tagged {CHECK})")
    if not records(notebook):
        found.append("no claim is recorded (genlib.claim as the last line of a cell)")
    if "widgets" in notebook["metadata"] or "papermill" in notebook["metadata"]:
        found.append("the notebook's metadata holds widget or papermill state")
    size = len(json.dumps(notebook, ensure_ascii=False, indent=1).encode())
    if size > MAX_BYTES:
        found.append(f"the notebook has {size / 1e6:.2f} MB, allowed are {MAX_BYTES / 1e6:g}")
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "code":
            found += [f"cell {number}: {problem}" for problem in _cell_problems(cell)]
    return found


def _setup_problems(code, install):
    if len(code) < 4:
        return ["the four setup cells (install, imports, parameters, start) are not all there"]
    found = [
        f"setup cell {n} is not tagged hide-input" for n, c in enumerate(code[:4], 1) if "hide-input" not in tags(c)
    ]
    if "install" not in tags(code[0]) or text(code[0]["source"]) != install:
        found.append("the install cell does not follow _config.yml (genlib sync-url writes it)")
    if "parameters" not in tags(code[2]) or text(code[2]["source"]) != PARAMETERS:
        found.append(f"the third code cell is not the one tagged parameters with {PARAMETERS.replace(chr(10), '; ')}")
    if "genlib.start(" not in text(code[3]["source"]):
        found.append("the fourth code cell does not call genlib.start with the three presets")
    return found


def _cell_problems(cell):
    source, outputs = text(cell["source"]), cell["outputs"]
    if source.count("\n") >= MAX_LINES:
        yield f"{source.count(chr(10)) + 1} lines of code, allowed are {MAX_LINES}"
    if cell["execution_count"] is None:
        yield "it was not run"
    if "injected-parameters" in tags(cell):
        yield "parameters were injected into the stored notebook"
    if any(t.startswith("nbval-") and t != CHECK for t in tags(cell)):
        yield f"it has another nbval tag than {CHECK}"
    for output in outputs:
        kind, data = output["output_type"], output.get("data", {})
        words = text(output.get("text", "")) + text(data.get("text/plain", ""))
        if kind == "error":
            yield f"it stores an error, {output['ename']}"
        if output.get("name") == "stderr":
            yield f"it stores text on stderr: {words.strip()[:80]!r}"
        if CHECK in tags(cell) and (data or any(not line.startswith("✓ ") for line in words.splitlines())):
            yield "a check cell has other output than its checks' lines"
        if re.search(r"(?<![\w.])/(home|root|tmp|Users|var/folders)/|[A-Z]:\\Users\\", words):
            yield "its output names a path of the machine that it ran on"
        if "image/png" in data and (size := len(base64.b64decode(text(data["image/png"])))) > MAX_PNG:
            yield f"a PNG of {size / 1000:.0f} KB, allowed are {MAX_PNG // 1000}"
    if any(key.startswith("image/") for o in outputs for key in o.get("data", {})):
        figure = cell["metadata"].get("mystnb", {})
        if not figure.get("image", {}).get("alt") or not figure.get("figure", {}).get("caption"):
            yield "its figure has no alt text or no caption (metadata mystnb.image.alt, mystnb.figure.caption)"
