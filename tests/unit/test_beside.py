"""What lies beside a chapter: what is missing is told in a sentence, and what is there is read as it is meant."""

import pytest

from genlib.course import beside, exercises, notebooks
from genlib.course.notebooks import CourseError

GOOD_NOTES = """\
(notes-gan-wgan-gp)=
# WGAN-GP: notes for the teacher

```{chapter-facts} gan/wgan_gp
```

**Where students stumble**

- *"It is a distance."* Of what?

**Five minutes.** Two piles of sand.

**Questions**

- *Why one?* Because.

**Timing.** All of it 50 min.
"""
GOOD_ANSWERS = """\
WRONG = {"wgan-gp-1": ("x", {"half": "x / 2", "twice": "y = 2 * x\\nreturn y", "root": "math.sqrt(x)"})}
"""
NAME = "gan/wgan_gp"


@pytest.fixture
def folder(tmp_path):
    for path, text in ((beside.notes_path, GOOD_NOTES), (beside.answers_path, GOOD_ANSWERS)):
        notebooks.write(path(tmp_path, NAME), text)
    return tmp_path


def test_what_is_whole_owes_nothing(folder):
    assert beside.problems(folder, NAME, ["wgan-gp-1"]) == []


def test_every_chapter_of_the_book_has_its_notes_and_answers(root):
    for chapter in notebooks.chapters(root):
        graded = [e.name for e in exercises.graded(notebooks.read(chapter.path))]
        assert beside.problems(root, chapter.name, graded) == []


def test_nothing_lies_beside_a_chapter_that_is_not_there(root):
    known = {c.name for c in notebooks.chapters(root)}
    for folder, ending in ((beside.NOTES, ".md"), (beside.ANSWERS, ".py")):
        found = {p.relative_to(root / folder).with_suffix("").as_posix() for p in (root / folder).rglob(f"*{ending}")}
        assert found == known


def test_an_answer_is_an_expression_or_lines_that_return(folder):
    import math

    arguments, found = beside.answers(folder, NAME).wrong["wgan-gp-1"]
    made = {mistake: beside.function(arguments, source, {"math": math})(9.0) for mistake, source in found.items()}
    assert made == {"half": 4.5, "twice": 18.0, "root": 3.0}


def test_a_missing_file_is_told_with_what_writes_it(tmp_path):
    assert beside.problems(tmp_path, NAME, ["wgan-gp-1"]) == [
        "gan/wgan_gp has no notes for the teacher: book/teaching/notes/gan/wgan_gp.md is not there"
        " (genlib new gan/wgan_gp begins it).",
        "gan/wgan_gp has no answers to try its graders on: tests/chapters/answers/gan/wgan_gp.py is not there"
        " (genlib new gan/wgan_gp begins it).",
    ]


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("**Questions**", "**Quests**", "lacks the part **Questions**"),
        ("(notes-gan-wgan-gp)=", "(notes-gan-wgan)=", "does not begin with (notes-gan-wgan-gp)="),
        ("{chapter-facts} gan/wgan_gp", "{chapter-facts} gan/wgan", "does not show the chapter's facts"),
        ("Of what?", f"{beside.UNWRITTEN}what to ask.", "has 1 place of the skeleton still to write"),
    ],
)
def test_notes_that_lack_something_are_told(folder, old, new, said):
    assert old in GOOD_NOTES
    notebooks.write(beside.notes_path(folder, NAME), GOOD_NOTES.replace(old, new))
    (found,) = beside.notes_problems(folder, NAME)
    assert found.startswith("book/teaching/notes/gan/wgan_gp.md ") and said in found


@pytest.mark.parametrize(
    "old, new, said",
    [
        (', "root": "math.sqrt(x)"', "", "has 2 wrong answers to wgan-gp-1: write at least 3"),
        ("WRONG", "RIGHT", "defines no WRONG"),
        ("x / 2", "x / ", "cannot be used: SyntaxError: invalid syntax"),
        ("{", "", "cannot be used: SyntaxError"),
    ],
)
def test_answers_that_lack_something_are_told(folder, old, new, said):
    notebooks.write(beside.answers_path(folder, NAME), GOOD_ANSWERS.replace(old, new, 1))
    (found,) = beside.answers_problems(folder, NAME, ["wgan-gp-1"])
    assert found.startswith("tests/chapters/answers/gan/wgan_gp.py ") and said in found


def test_each_graded_exercise_needs_answers_and_no_other_has_any(folder):
    assert beside.answers_problems(folder, NAME, ["wgan-gp-2"]) == [
        "tests/chapters/answers/gan/wgan_gp.py has 0 wrong answers to wgan-gp-2: write at least 3",
        "tests/chapters/answers/gan/wgan_gp.py has answers to wgan-gp-1, which gan/wgan_gp does not grade",
    ]


def test_what_cannot_be_read_is_no_crash(folder):
    with pytest.raises(CourseError, match="has no notes for the teacher"):
        beside.notes(folder, "gan/gan")
