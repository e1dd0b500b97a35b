"""The copies of which the whole book is made for measuring: each is a chapter of its own, and a sound one."""

import importlib.util
from pathlib import Path

import pytest

from genlib.course import exercises, notebooks, stamp
from genlib.course.author import rules

spec = importlib.util.spec_from_file_location("sixty", Path(__file__).with_name("sixty.py"))
sixty = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sixty)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A copy of the project in which every system has a chapter."""
    folder = tmp_path_factory.mktemp("sixty") / "book"
    sixty.copy_project(folder)
    assert sixty.fill(folder) == 59
    return folder


def test_each_chapter_is_sound_and_under_its_own_name(book):
    install = notebooks.install_source(book)
    names, labels = [], []
    for number, chapter in enumerate(notebooks.chapters(book)):
        notebook = notebooks.read(chapter.path)
        if number % 5 == 0:  # they are of one make
            assert notebooks.problems(notebook, install, chapter.name) == [] and rules.broken(notebook, book) == []
        assert stamp.status(notebook) == "fresh", chapter.name
        names += [e.name for e in exercises.graded(notebook)]
        labels += [e.label for e in exercises.exercises(notebook)]
        about = [c["metadata"].get("mystnb", {}) for c in notebook["cells"]]
        labels += [told["figure"]["name"] for told in about if "figure" in told]
    assert len(names) == len(set(names)) and len(labels) == len(set(labels)) > 59 * 8


def test_a_copy_says_what_the_chapter_says(book):
    listed = notebooks.read_yaml(book / "book" / "systems.yml")["systems"]
    written = lambda system: (sixty.ROOT / "chapters" / "gan" / f"{system['slug']}.ipynb").exists()
    copied = next(s for s in listed if s["family"] == "gan" and not written(s))  # the first copy of the family's first
    first, second = (notebooks.read(book / f"chapters/gan/{slug}.ipynb") for slug in ("gan", copied["slug"]))
    slug = copied["slug"].replace("_", "-")
    assert stamp.chapter_of(second)["paper"] == copied["cite"][0]
    for a, b in zip(first["cells"], second["cells"], strict=True):
        a, b = notebooks.text(a["source"]), notebooks.text(b["source"])
        assert "eq-gan-value" not in b and a.count("\n") == b.count("\n")
        assert b.count(f"{{eq}}`eq-{slug}-gan-") == a.count("{eq}`eq-gan-")
