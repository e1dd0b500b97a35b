"""What a stored run says about itself, and whether the code above its outputs is still the code that made them.

The author writes ``metadata.genlib.chapter`` into a notebook, the run writes ``metadata.genlib.stamp``. Notebooks are
plain dicts here, as ``json`` or ``nbformat`` reads them; nothing in this module waits for torch.
"""

import ast
import hashlib
import re
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

# What stays whole (lines of IPython magics, strings), and comments. Python reads its source in the same way, from left
# to right. The module tokenize will not do: its f-strings changed in Python 3.12, and magics are no Python.
_PIECES = re.compile(
    r'(?P<whole>^[ \t]*[%!][^\n]*|"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\''
    r'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|#[^\n]*',
    re.DOTALL | re.MULTILINE,
)


def normalise(source):
    """Python source without comments, blank lines and trailing blanks; the same text under every Python version.

    Strings are written with escapes, so that the blanks and line ends inside them stay.
    """
    escaped = lambda m: (m["whole"] or "").rstrip().encode("unicode_escape").decode()
    lines = _PIECES.sub(escaped, source.replace("\r\n", "\n")).split("\n")
    return "\n".join(line.rstrip() for line in lines if line.strip())


def code_hash(notebook, preset=None):
    """SHA-256 of the normalised code cells in order, without the one tagged ``install`` (where genlib is).

    With the preset of a run, also without what the other presets say: that run has not read it.
    """
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    sources = ["".join(c["source"]) for c in code if "install" not in c["metadata"].get("tags", [])]
    sources = [normalise(without_other_presets(s, preset) if preset else s) for s in sources]
    return _sha256(s for s in sources if s)


def without_other_presets(source, preset):
    """A source whose call of ``genlib.start``, if there is one, keeps the values of one preset alone."""
    if "genlib.start(" not in source:
        return source
    try:
        calls = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)]
    except SyntaxError:  # IPython's own syntax: all of it counts
        return source
    given = [k for c in calls if ast.unparse(c.func) == "genlib.start" for k in c.keywords]
    raw = source.encode()  # ast counts columns in bytes
    lines = [0, *accumulate(len(line) for line in raw.splitlines(keepends=True))]
    for value in reversed([k.value for k in given if k.arg not in ("preset", "seed", preset)]):
        begin, end = lines[value.lineno - 1] + value.col_offset, lines[value.end_lineno - 1] + value.end_col_offset
        raw = raw[:begin] + raw[end:]
    return raw.decode()


def genlib_hash(folder=Path(__file__).parent.parent):
    """SHA-256 of the core's modules (all but ``genlib/course``), normalised and without docstrings."""
    folder = Path(folder)
    named = sorted((m.relative_to(folder).as_posix(), m) for m in folder.rglob("*.py"))
    core = [(name, m) for name, m in named if not name.startswith("course/")]
    return _sha256(name + "\n" + normalise(_without_docstrings(m.read_text(encoding="utf-8"))) for name, m in core)


def chapter_of(notebook):
    """What the author wrote: slug, family, title, paper, year, builds_on, goals, data; or an empty dict."""
    return notebook["metadata"].get("genlib", {}).get("chapter", {})


def stamp_of(notebook):
    """What the latest published run wrote, see ``make_stamp``; or an empty dict."""
    return notebook["metadata"].get("genlib", {}).get("stamp", {})


def status(notebook):
    """ "never" run for publication, "stale" (its code cells changed since, see ``code_hash``), or "fresh".

    A change of genlib alone does not make sixty chapters stale, it is told apart: see ``genlib_changed``.
    """
    stamp = stamp_of(notebook)
    if not stamp:
        return "never"
    return "fresh" if stamp.get("code") == code_hash(notebook, stamp.get("preset")) else "stale"


def genlib_changed(notebook, now=None):
    """Whether genlib's core (``now``: its hash) is another than the stored run's; False if there is no stored run."""
    return bool(stamp_of(notebook)) and stamp_of(notebook).get("genlib") != (now or genlib_hash())


def make_stamp(notebook, *, preset, seed, seconds, device, peak_memory_mb, versions):
    """The stamp of a run that ended now: wall time in seconds, memory in MB (2**20 bytes)."""
    return {
        "code": code_hash(notebook, preset),
        "genlib": genlib_hash(),
        "preset": preset,
        "seed": seed,
        "device": device,
        "seconds": round(seconds, 1),
        "peak_memory_mb": peak_memory_mb,
        "versions": versions,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _without_docstrings(source):
    lines = source.split("\n")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
                lines[first.lineno - 1 : first.end_lineno] = [""] * (first.end_lineno - first.lineno + 1)
    return "\n".join(lines)


def _sha256(texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
