"""The teaching pages' facts and plans: counted by hand on a small notebook, and held against the project's own."""

import json
import shutil

import pytest

from genlib.course import meter, notebooks, stamp
from genlib.course.notebooks import CourseError
from genlib.course.teach import plans


def cell(kind, source, *tags, **metadata):
    metadata |= {"tags": list(tags)} if tags else {}
    return {"cell_type": kind, "source": source, "metadata": metadata, "outputs": []}


def notebook(*cells):
    return {"cells": list(cells), "metadata": {}}


@pytest.fixture(scope="module")
def plan(root):
    return plans.Plan(root)


# --- counting ---------------------------------------------------------------------------------------------------------


def test_minutes_are_counted_by_the_rule():
    prose = " ".join(["word"] * (20 * meter.WORDS_A_MINUTE))
    formula = "\n\n$$\na b c d e f\n$$ (eq-x)\n\n"
    code = "x = 1\n\n" * (10 * meter.LINES_A_MINUTE)
    assert meter.minutes(notebook(cell("markdown", prose))) == 20
    assert meter.minutes(notebook(cell("markdown", prose + formula * 5 * meter.FORMULAS_A_MINUTE))) == 25
    assert meter.minutes(notebook(cell("markdown", prose), cell("code", code))) == 30
    hidden = cell("code", code, "hide-input"), cell("code", code, "grader")
    folded = f"````{{solution}} ex-1\n:class: dropdown\n\n{prose}\n```python\n{code}```\n````\n"
    assert meter.minutes(notebook(cell("markdown", prose), cell("markdown", folded), *hidden)) == 20


ANSWERS = "- It falls. | No.\n- It\n  grows. | Yes. It does,\n  as you see.\n- It $a | b$ stays. | No.\n"


@pytest.mark.parametrize(
    "source, words",
    [
        ("One two, three.", 3),
        ("- a first line\n- and a second - with a dash", 9),
        ("The loss $a + b = c$ is small.", 5),
        ("Since\n\n$$\na = b + c\n$$ (eq-x)\n\nit holds.", 3),
        ("{doc}`the GAN </chapters/gan/gan>` and {eq}`eq-x`, {numref}`fig-x`", 5),
        ("[two words](https://example.org/a/long/address) here", 3),
        ("(a-label)=\n% a comment of eight words that nobody ever sees\nText.", 1),
        ("A table:\n\n| a | b |\n|---|---|\n| c d e | f |\n\nand after it", 5),
        ("Open.\n\n<details><summary>What is wrong</summary>\n\nMany words behind a click.\n\n</details>\n\nOpen.", 2),
        ("```{note} A title\n:class: tip\nthree words here\n```", 5),
        ("```{note} A title\n:class: tip dropdown\nthree words here\n```", 0),
        ("```{figure} a.png\n:name: fig-x\nA caption of some words\n```", 0),
        ("```python\nx = 1  # no prose\n```\nthree words here", 3),
        ("````{note} Outer\n```python\nx = 1\n```\ninner words\n````\nafter it", 5),
        ("```{predict} A title\n:label: p-x\n\nWhat now?\n\n" + ANSWERS + "```", 11),
        ("```{predict} A title\n:label: p-x\n\nAnswers are missing.\n```", 5),
    ],
)  # fmt: skip
def test_words_are_those_an_open_page_shows(source, words):
    assert meter.spine(notebook(cell("markdown", source))).words == words


def test_code_figures_and_formulas_are_counted_where_they_are_in_sight():
    def picture(*tags):
        return cell("code", "plot()", *tags) | {"outputs": [{"data": {"image/png": "…", "text/plain": "…"}}]}

    counted = meter.spine(
        notebook(
            cell("markdown", "$$ a $$ (eq-x)\n\n```{math}\nb\n```\n\n```python\nx = 1\n\ny = 2\n```"),
            cell("code", "a = 1\n\n\nb = 2"),
            cell("code", "c = 3", "remove-cell"),
            picture("hide-input"),
            picture("hide-cell"),
        )
    )
    assert (counted.cells, counted.lines, counted.formulas, counted.figures) == (1, 4, 2, 1)


def test_further_runs_to_the_next_heading_of_its_level_and_exercises_are_no_spine():
    image = {"outputs": [{"data": {"image/png": "…"}}]}
    told = notebook(
        cell("markdown", "# Toy\n\nin the lead"),
        cell("markdown", "## Derivation\n\nspine\n\n### Further: a proof\n\nskipped " + "word " * 260),
        cell("code", "x = 1") | image,
        cell("markdown", "#### a part of it\n\n```python\n### Further: no heading\n```"),
        cell("code", "y = 1", "hide-input"),
        cell("markdown", "still skipped\n\n### Back again\n\nspine"),
        cell("code", "z = 1"),
        cell("markdown", "### Further: an aside\n\none"),
        cell("markdown", "## Exercises\n\nnot counted"),
        cell("code", "stub()"),
        cell(
            "markdown",
            "## Summary\n\nlast\n\n<details><summary>한국어 요약</summary>\n\n낱말.\n\n</details>",
        ),
    )
    counted = meter.spine(told)
    assert counted.words == len("Toy in the lead Derivation spine Back again spine Summary last".split())
    assert (counted.cells, counted.lines, counted.figures) == (1, 1, 0)
    assert meter.further(told) == {"a proof": 2, "an aside": 1}
    aside = meter.furthers(told)["a proof"]
    assert (aside.cells, aside.lines, aside.figures) == (1, 2, 1)
    assert meter.further_words(told) == 4 + 260 + 4 + 2 + 4  # with the words of their headings
    assert [p.further for p in meter.pieces(told) if p.number == 6] == ["a proof", None]


def test_slides_are_counted_as_the_deck_makes_them():
    mark = lambda kind: {"slideshow": {"slide_type": kind}}
    cells = [
        cell("markdown", "x"),
        cell("markdown", "x", **mark("slide")),
        cell("markdown", "x", **mark("-")),
        cell("markdown", "x", **mark("notes")),
        cell("markdown", "x", **mark("subslide"), genlib={"slide": ["## a", "## b", "## c"]}),
        cell("markdown", "x", **mark("skip")),
    ]
    assert meter.slides(notebook(*cells)) == 5


def test_facts_are_the_chapters_own(root, plan):
    for chapter in notebooks.chapters(root):
        stored, fact = notebooks.read(chapter.path), plan.facts[chapter.name]
        about, run = stamp.chapter_of(stored), stamp.stamp_of(stored)
        assert fact["goals"] == about["goals"] and fact["builds_on"] == about["builds_on"]
        assert fact["seconds"] == run.get("seconds") and fact["preset"] == run.get("preset")
        graded = [c["metadata"]["genlib"] for c in stored["cells"] if c["metadata"].get("genlib", {}).get("exercise")]
        assert fact["exercises"] == [(g["exercise"], g.get("points", 1)) for g in graded]
        assert 20 <= fact["reading"] <= 240 and fact["reading"] == meter.minutes(stored)
        assert fact["further"] == sum(meter.further(stored).values())


# --- the plans --------------------------------------------------------------------------------------------------------


def test_every_chapter_stands_once_in_every_syllabus_after_what_it_needs(plan):
    assert set(plan.syllabi) == {6, 12, 14}
    for weeks in plan.syllabi.values():
        order = [name for week in weeks for name in (*week.core, *week.options)]
        assert sorted(order) == sorted(plan.titles) and set(plan.written) <= set(order)
        for name in order:
            assert all(order.index(needed) < order.index(name) for needed in plan.builds_on(name))
        assert all(week.core and week.title and week.question.endswith("?") for week in weeks)


def test_what_a_written_chapter_says_replaces_what_was_planned(plan):
    for name, fact in plan.facts.items():
        assert plan.builds_on(name) == fact["builds_on"]
    coming = set(plan.titles) - set(plan.written)
    assert all(plan.builds_on(name) for name in coming), "a chapter to come has no planned prerequisite"


def test_a_week_is_ready_when_its_core_is_written(plan):
    week = lambda *core: plans.Week("t", "q?", list(core), [])
    assert plan.state(week("vae/vae")) == "ready"
    assert plan.state(week("vae/vae", "closing/nothing")) == "partly"
    assert plan.state(week("closing/nothing")) == "to come"


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("core: [ae/autoencoder]", "core: [ae/autoencoderr]", "6 weeks: ae/autoencoderr is unknown; ae/autoencode"),
        ("core: [ae/autoencoder]", "core: [ae/autoencoder, vae/vae]", "vae/vae is there 2 times"),
        ("core: [vae/vae]", "core: []", "6 weeks: vae/vae is not there"),
        ("options: [ae/denoising,", "options: [gan/gan, ae/denoising,", "gan/gan is there 2 times"),
        ("options: [ae/denoising, ae/sparse, ae/contractive]", "options: [ae/contractive, ae/sparse, ae/denoising]",
         "ae/contractive comes before ae/denoising, on which it builds"),
        ("ae/sparse: [ae/autoencoder]", "ae/sparse: [ae/nothing]", "builds_on: ae/nothing not in systems.yml"),
        ("  12:\n", "  13:\n", "13 weeks: 12 weeks are planned"),
    ],
)  # fmt: skip
def test_a_plan_that_does_not_fit_is_refused(root, tmp_path, old, new, said):
    shutil.copytree(root / "book" / "teaching", tmp_path / "book" / "teaching")
    shutil.copy(root / "book" / "systems.yml", tmp_path / "book")
    shutil.copy(root / "_toc.yml", tmp_path)
    for chapter in notebooks.chapters(root):
        copy = tmp_path / chapter.path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(json.dumps(notebooks.read(chapter.path) | {"cells": []}))
    path = tmp_path / "book" / "teaching" / "plan.yml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CourseError) as error:
        plans.Plan(tmp_path)
    assert said in str(error.value)
