"""What chapters still owe: of the stored ones nothing, and each thing that can be owed is seen (``genlib check``)."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sound import KOREAN, drop, find, more, replace, restamp, sound

from genlib.course import beside, cli, exercises, notebooks, stamp
from genlib.course.author import owed

# Chapters from before the rules of the two depths: they may owe what RELAXED says until they are edited anew, and are
# then struck from the list. Nothing else is excused.
TO_EDIT = Path(__file__).with_name("to_edit.txt").read_text(encoding="utf-8").split()
RELAXED = {"reading", "terms", "records"}


# --- the stored chapters ----------------------------------------------------------------------------------------------


def test_a_chapter_owes_nothing(chapter, root):
    found = owed.owed(root, chapter)
    if chapter.name in TO_EDIT:
        assert found, f"{chapter.name} owes nothing any more: strike it from tests/chapters/to_edit.txt"
        found = {part: sentences for part, sentences in found.items() if part not in RELAXED}
    assert not found, "\n".join(f"{part}: {n}" for part, sentences in found.items() for n in sentences)


def test_chapters_to_edit_are_there(root):
    assert set(TO_EDIT) <= {c.name for c in notebooks.chapters(root)} and len(set(TO_EDIT)) == len(TO_EDIT)


# --- each thing that can be owed is seen ------------------------------------------------------------------------------

CONFIG = "repository:\n  url: https://example.org/book\n  branch: main\n"
GLOSSARY = """\
# Glossary

```{glossary}
:sorted:

noise
  {ko}`잡음` What is added.

blur
  No Korean here.
```
"""
NOTES = """\
(notes-ae-toy)=
# Toy: notes for the teacher

```{chapter-facts} ae/toy
```

**Where students stumble** Here.

**Five minutes.** So.

**Questions** None.

**Timing.** An hour.
"""
ANSWERS = 'WRONG = {"toy-2": ("x", {"one": "x", "two": "3 * x", "three": "x**2"})}\n'


@pytest.fixture
def project(tmp_path):
    """A function that writes a project of one chapter, damaged by ``change(notebook)``; it returns what is owed."""
    texts = {
        "_config.yml": CONFIG,
        "_toc.yml": "format: jb-book\nroot: book/index\nchapters:\n  - file: chapters/ae/toy\n",
        "book/index.md": "# The book\n",
        "book/references.bib": "@article{somebody2014toy,\n  title = {Toy}}\n",
        "book/glossary.md": GLOSSARY,
        "book/teaching/notes/ae/toy.md": NOTES,
        "tests/chapters/answers/ae/toy.py": ANSWERS,
    }
    for name, text in texts.items():
        notebooks.write(tmp_path / name, text)

    def owes(change=lambda notebook: None):
        notebook = sound()
        replace(notebook, "They blur.", "They", "The {term}`noise` does it. They")
        replace(notebook, "## Summary", KOREAN % (5 * "잘 배운다. "), KOREAN % (5 * "잡음을 배운다. "))
        replace(notebook, "## Summary", "/chapters/ae/other", "/book/index")
        for what in ("rehearsal", "doubt"):
            notebook["metadata"]["genlib"][what] = {"code": stamp.code_hash(notebook)}
        change(notebook)
        restamp(notebook)
        path = tmp_path / "chapters" / "ae" / "toy.ipynb"
        notebooks.write(path, json.dumps(notebook))
        return owed.owed(tmp_path, notebooks.Chapter(path))

    owes.root = tmp_path
    return owes


def test_a_sound_chapter_owes_nothing(project, monkeypatch, capsys):
    assert project() == {}
    monkeypatch.chdir(project.root)
    assert call("check") == 0
    assert capsys.readouterr().out == "ae/toy owes nothing.\n"


def call(*args):
    with pytest.raises(SystemExit) as end:
        cli.main(list(args))
    return end.value.code


ABOUT = lambda n: n["metadata"]["genlib"]
DEBTS = {
    "contract": (lambda n: drop(n, "## Model"), "contract", "headings"),
    "layout": (lambda n: replace(n, "class Toy", "pass", "pass  # " + 81 * "x"), "layout", "than 92 columns"),
    "reading": (lambda n: drop(n, "**Find"), "reading", "Find the bug"),
    "a paper that is not in the bibliography": (
        lambda n: replace(n, "The {term}", "They", "{cite:t}`somebody2014toy,nobody2015` say so. They"),
        "references",
        "no entry nobody2015",
    ),
    "a term that is not in the glossary": (
        lambda n: replace(n, "The {term}", "They", "{term}`The grain <grain>`. They"),
        "terms",
        "no entry 'grain'",
    ),
    "a term without Korean": (
        lambda n: replace(n, "The {term}", "They", "{term}`blur`. They"),
        "terms",
        "no Korean word for 'blur'",
    ),
    "no term": (lambda n: replace(n, "The {term}", "{term}", ""), "terms", "no term of the glossary"),
    "a summary with other words": (
        lambda n: replace(n, "## Summary", "잡음", "소음"),
        "terms",
        "0 of at least 1 of the glossary's words for its terms: 잡음",
    ),
    "never rehearsed": (lambda n: ABOUT(n).pop("rehearsal"), "records", "genlib rehearse ae/toy"),
    "never doubted": (lambda n: ABOUT(n).pop("doubt"), "records", "genlib doubt ae/toy"),
    "formulas that no check holds": (
        lambda n: ABOUT(n)["doubt"].update(broken=42, changing_nothing=2, survived=[{}] * 3),
        "records",
        "3 of 40 broken formulas survived its checks, of at most 5%",
    ),
    "an export that cannot be made": (
        lambda n: replace(n, "## Summary", "/book/index", "/book/nowhere"),
        "export",
        "there is no document '/book/nowhere'",
    ),
    "doubted before a change": (lambda n: ABOUT(n)["doubt"].update(code="x"), "records", "changed since its doubt"),
}


@pytest.mark.parametrize("debt", DEBTS)
def test_what_is_owed_is_seen(project, debt, monkeypatch, capsys):
    change, part, said = DEBTS[debt]
    found = project(change)
    assert any(said in sentence for sentence in found.get(part, ())), found
    monkeypatch.chdir(project.root)
    assert call("check", "toy") == 1
    shown = capsys.readouterr().out
    assert f"ae/toy owes {sum(map(len, found.values()))}:\n" in shown and f"\n  {part} " in shown and said in shown
    assert call("check", "--json") == 1
    assert json.loads(capsys.readouterr().out) == {"ae/toy": found}


@pytest.mark.parametrize(
    "name, old, new, said",
    [
        ("book/teaching/notes/ae/toy.md", NOTES, None, "no notes for the teacher"),
        ("book/teaching/notes/ae/toy.md", "**Timing.**", "", "lacks the part **Timing.**"),
        ("book/teaching/notes/ae/toy.md", "So.", beside.UNWRITTEN + "what?", "1 place of the skeleton still to write"),
        ("tests/chapters/answers/ae/toy.py", ANSWERS, None, "no answers to try its graders on"),
        ("tests/chapters/answers/ae/toy.py", '"three": "x**2"', "", "2 wrong answers to toy-2: write at least 3"),
        ("tests/chapters/answers/ae/toy.py", "toy-2", "toy-3", "0 wrong answers to toy-2: write at least 3"),
    ],
)
def test_what_is_owed_beside_the_notebook_is_seen(project, name, old, new, said):
    path = project.root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.unlink() if new is None else path.write_text(text.replace(old, new), encoding="utf-8")
    assert any(said in sentence for sentence in project()["teaching"])


def test_a_chapter_without_a_notebook_and_a_name_that_is_none(project, monkeypatch, capsys):
    project()
    shutil.rmtree(project.root / "chapters")
    monkeypatch.chdir(project.root)
    assert call("check", "toy") == 1
    assert "the notebook is not there: genlib new" in capsys.readouterr().out
    assert call("check", "tyo") == 2
    assert "There is no chapter 'tyo' (did you mean 'toy'?)" in capsys.readouterr().err


def test_count_shows_each_section_and_what_it_may_have(project, monkeypatch, capsys):
    project(lambda n: more(n, "class Toy", {"cell_type": "markdown", "metadata": {}, "id": "x", "source": "one two"}))
    monkeypatch.chdir(project.root)
    assert call("count", "toy") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["words", "code", "cells", "lines", "formulas", "figures", "minutes"]
    by_name = {line[:30].strip(): line[30:].split() for line in lines}
    rows = {line.split("  ")[0].strip(): line.split("  ", 1)[-1].split() for line in lines[1:]}
    assert rows["Model"] == ["3", "1", "2", "0", "0", "0"], by_name
    assert rows["Further: a proof"][:3] == ["7", "1", "1"]
    assert rows["it may have"] == ["≤", "2,500", "≤", "25", "≤", "250", "6–9", "≤", "45"]
    assert call("count", "toy", "--json") == 0
    whole = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    assert int(whole["the spine"]["figures"]) == 6
    assert int(whole["the spine"]["words"]) == sum(
        int(row["words"]) for what, row in whole.items() if what in {*notebooks.HEADINGS, "title and setup"}
    )
    assert find(notebooks.read(project.root / "chapters/ae/toy.ipynb"), "## Model")


# --- a new chapter ----------------------------------------------------------------------------------------------------


def test_a_skeleton_runs_from_the_first_day_and_owes_what_its_author_writes(project, root, monkeypatch):
    """It keeps every rule that it can keep: what is left are places to write, and what only a stored run brings."""
    project()
    shutil.copy(root / "book" / "glossary.md", project.root / "book" / "glossary.md")
    systems = "systems:\n  - {family: gan, slug: two_words, title: Two Words, year: 2014, cite: [somebody2014toy]}\n"
    (project.root / "book" / "systems.yml").write_text(systems)
    (project.root / "book" / "teaching" / "plan.yml").write_text("builds_on:\n  gan/two_words: [ae/toy, ae/later]\n")
    monkeypatch.chdir(project.root)
    assert call("new", "gan/two_words") == 0
    with open("_toc.yml", "a") as toc:
        toc.write("  - file: chapters/gan/two_words\n")
    path = project.root / "chapters" / "gan" / "two_words.ipynb"
    linted = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--quiet", "--config", root / "pyproject.toml", path],
        capture_output=True,
        text=True,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr
    told = owed.owed(project.root, notebooks.Chapter(path))
    kept = ("budgets: the spine has 0 figures", "card: the Cost", "placeholders: ")
    assert told["reading"] and all(n.startswith(kept) for n in told["reading"])
    assert {n.split(":")[0] for n in told["layout"]} == {"counts", "stamped"}
    assert "22 cells were not run: genlib run gan/two_words" in told["contract"] and len(told["contract"]) == 3
    assert all("still to write" in n for n in told["teaching"]) and "references" not in told
    assert all("the Korean summary has" in n for n in told.get("terms", ()))

    assert call("run", "gan/two_words", "--preset", "smoke", "--output", "out") == 0
    shutil.copy("out/gan/two_words.ipynb", path)
    told = owed.owed(project.root, notebooks.Chapter(path))
    assert "contract" not in told and "export" not in told
    reading = [n.partition(": ") for n in told["reading"]]
    assert {rule for rule, _, _ in reading} <= {"placeholders", "card"}, reading
    assert all("smoke" in n or "not judged" in n for n in told["layout"]), told["layout"]
    card = notebooks.text(notebooks.read(path)["cells"][0]["source"])
    assert "| {doc}`/chapters/ae/toy`, ae/later (to come) |" in card and "{cite:t}`somebody2014toy`" in card
    graded = [e.name for e in exercises.graded(notebooks.read(path))]
    known = beside.answers(project.root, "gan/two_words")
    assert set(known.wrong) == set(known.right) == set(graded) == {"two-words-2"}
