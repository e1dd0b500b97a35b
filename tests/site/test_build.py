"""The build as a gate: one broken reference fails it, and goes on failing it until it is mended."""

import shutil
import subprocess
import sys
from pathlib import Path

import build_inputs
import pytest

BROKEN = "\nSee {doc}`nowhere`, {term}`nothing`, {cite}`nobody1900`, {eq}`eq-none` and {numref}`fig-none`.\n"


@pytest.fixture
def small_book(root, tmp_path):
    """The notation and the bibliography alone, under the book's own settings."""
    shutil.copytree(root / "book", tmp_path / "book", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "_config.yml", tmp_path)
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
        assert all(name in failed.stderr for name in ("nowhere", "nothing", "nobody1900", "eq-none", "fig-none"))
        assert not build_inputs.is_current(small_book)
    page.write_text(whole, encoding="utf8")
    assert build(small_book).returncode == 0
    assert build_inputs.is_current(small_book)
    (small_book / "_toc.yml").write_text("format: jb-book\nroot: book/bibliography\n")
    assert not build_inputs.is_current(small_book)
    assert build(small_book).returncode == 0
    assert not (small_book / "_build" / "html" / "book" / "notation.html").exists()
