"""The build as a gate: one broken reference fails it, and goes on failing it until it is mended."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import build_inputs
import pytest
import results_table
import teaching_pages

BROKEN = "\nSee {doc}`nowhere`, {term}`nothing`, {cite}`nobody1900`, {eq}`eq-none` and {numref}`fig-none`.\n"
BROKEN += "\nNo face of the book has this: \N{ROCKET}.\n"


@pytest.fixture
def small_book(root, tmp_path):
    """The notation and the bibliography alone, under the book's own settings."""
    shutil.copytree(root / "book", tmp_path / "book", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_config.yml", "pyproject.toml", "CHANGELOG.md"):  # the edition stands in the last two
        shutil.copy(root / name, tmp_path)
    toc = "format: jb-book\nroot: book/bibliography\nchapters:\n  - file: book/notation\n"
    (tmp_path / "_toc.yml").write_text(toc)
    return tmp_path


def build(folder):
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", ".", "-W", "-n", "--keep-going"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_a_broken_reference_fails_the_build_until_it_is_mended(small_book):
    page = small_book / "book" / "notation.md"
    whole = page.read_text(encoding="utf8")
    page.write_text(whole + BROKEN, encoding="utf8")
    for _ in range(2):  # the second time Sphinx would not read the page again by itself
        failed = build(small_book)
        assert failed.returncode != 0
        assert all(
            name in failed.stderr for name in ("nowhere", "nothing", "nobody1900", "eq-none", "fig-none", "U+1F680")
        )
        assert not build_inputs.is_current(small_book)
    page.write_text(whole, encoding="utf8")
    assert build(small_book).returncode == 0
    assert build_inputs.is_current(small_book)
    (small_book / "_toc.yml").write_text("format: jb-book\nroot: book/bibliography\n")
    assert not build_inputs.is_current(small_book)
    assert build(small_book).returncode == 0
    assert not (small_book / "_build" / "html" / "book" / "notation.html").exists()


def test_a_change_of_what_makes_the_pages_makes_them_anew(root, small_book, monkeypatch):
    """Of a module of genlib that an extension imports; and what has not changed is not read again."""
    shutil.copytree(root / "genlib", small_book / "genlib", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(small_book))
    with open(small_book / "book" / "notation.md", "a", encoding="utf8") as page:
        page.write("\n```{live} game\nWhat if it is dragged?\n```\n")
    assert build(small_book).returncode == 0
    again = build(small_book)
    assert again.returncode == 0 and "0 added, 0 changed, 0 removed" in again.stdout
    made = small_book / "_build" / "html" / "book" / "notation.html"
    assert "Try it</button>" in made.read_text(encoding="utf8")
    maker = small_book / "genlib" / "course" / "live_page.py"
    maker.write_text(maker.read_text(encoding="utf8").replace("Try it</button>", "Open it</button>"), encoding="utf8")
    assert build(small_book).returncode == 0
    assert "Open it</button>" in made.read_text(encoding="utf8")


def test_pages_about_the_chapters_follow_what_they_tell_and_nothing_else(root, tmp_path):
    """Every build asks which pages are to be read again, though none of their own files has changed."""
    for name in ("book", "chapters/vae"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "_static"))
    shutil.copy(root / "_config.yml", tmp_path)
    toc = (root / "_toc.yml").read_text(encoding="utf8")
    toc = re.sub(r" *- file: chapters/(?!vae/vae\n|vae/beta\n).*\n", "", toc)  # two chapters are enough
    (tmp_path / "_toc.yml").write_text(toc, encoding="utf8")
    pages = ["book/results", "book/teaching/index", "book/teaching/syllabus_6"]
    env = SimpleNamespace(srcdir=str(tmp_path), found_docs={*pages, "book/index", "chapters/vae/vae"})
    path = tmp_path / "chapters" / "vae" / "vae.ipynb"

    def outdated(change=lambda notebook: None):
        notebook = json.loads(path.read_text(encoding="utf8"))
        change(notebook)
        path.write_text(json.dumps(notebook), encoding="utf8")
        found = [f(None, env, (), (), ()) for f in (results_table.outdated, teaching_pages.outdated)]
        return sorted(name for names in found for name in names)

    assert outdated() == pages and outdated() == []
    assert outdated(lambda n: n["cells"][-1]["source"].append(" And so on.")) == []
    assert outdated(lambda n: n["metadata"]["genlib"]["chapter"]["goals"].append("say so")) == pages[1:]
    assert outdated(lambda n: n["metadata"]["genlib"]["stamp"].update(seconds=1)) == pages
    assert outdated(lambda n: n["cells"][4]["source"].append("\nx = 1")) == pages[:1]  # "older than its code"
    (tmp_path / "_toc.yml").write_text(re.sub(r" *- file: chapters/vae/vae\n", "", toc), encoding="utf8")
    assert outdated() == pages
