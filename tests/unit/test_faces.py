"""The faces of the book: who sets which character, and what is cut when."""

import pytest

from genlib.course import faces


def test_what_a_page_shows_are_its_characters():
    page = "<p title='q'>a&beta;</p><script>x</script><style>y</style><!-- z --><i placeholder=\"c\">\u200b\n</i>"
    assert faces.characters(page) == set(map(ord, "aβc"))


@pytest.mark.parametrize(("text", "told"), [("abd", "U+61-62,U+64"), ("β", "U+3B2"), ("", "")])
def test_ranges_are_those_of_css(text, told):
    assert faces.ranges(map(ord, text)) == told


def test_each_character_finds_a_face():
    found, missing = faces.shares(set(map(ord, "aβ∈가\N{ROCKET}")))
    by = {face.file: face_codes for face, face_codes in found.items()}
    assert missing == {ord("\N{ROCKET}")}  # and Hangul is the reader's own
    assert ord("β") in by["book-serif-400.woff2"] and ord("β") not in by["book-serif-400-italic.woff2"]
    assert by["book-signs-400.woff2"] == {ord("∈")}
    assert ord("∈") in by["book-mono-400.woff2"] and all(ord("가") not in codes for codes in by.values())


def test_an_italic_face_borrows_what_it_lacks():
    found, _ = faces.shares({ord("β")})
    rules = faces.sheet(found, "there/").split("@font-face")
    borrowed = [r for r in rules if "italic;" in r and "there/book-serif-400.woff2" in r]
    assert len(borrowed) == 1 and "U+3B1-3BF" in borrowed[0]


def test_nothing_is_cut_twice(tmp_path, monkeypatch):
    cuts = []
    monkeypatch.setattr(faces, "cut", lambda face, codes: cuts.append(face.file) or face.file.encode())
    write = lambda text: faces.write(tmp_path / "out", set(map(ord, text)), tmp_path / "cache")
    write("a∈")
    assert len(cuts) == len(set(cuts)) == 10
    write("bβ∈")  # all of it was there already
    assert len(cuts) == 10
    write("b⊗")
    assert set(cuts[10:]) == {"book-signs-400.woff2", "book-mono-400.woff2", "book-mono-600.woff2"}
    assert (tmp_path / "out" / "book-mono-400.woff2").read_bytes() == b"book-mono-400.woff2"


def test_a_cut_is_the_same_bytes_each_time_and_small():
    face = faces.FACES[0]
    first, again = (faces.cut(face, set(map(ord, "Generative Models"))) for _ in range(2))
    assert first == again and len(first) < 10_000
