"""Tables: their cells, their text, their HTML."""

import re

import pytest
import torch

import genlib


def cells(*values, digits=3):
    return genlib.table([["a", *values]], ["", *map(str, range(len(values)))], digits=digits).cells[0][1:]


def test_numbers_have_their_significant_digits():
    assert cells(0.012345, 1.0, 12.345, 1234.5678, -0.5, 0.0) == ["0.0123", "1.00", "12.3", "1,235", "−0.500", "0.00"]
    assert cells(9.999, 99.96, 1e-7, float("nan"), 12345, True and 3) == [
        "10.0",
        "100",
        "1.00e−07",
        "nan",
        "12,345",
        "3",
    ]
    assert cells(torch.tensor(2.5), None, "n/a", digits=2) == ["2.5", "–", "n/a"]


def test_seeds_have_a_spread_and_two_a_range():
    assert cells([1.0, 2.0, 3.0]) == ["2.00 ± 1.0"]
    assert cells((1.0, 2.0), torch.tensor([5.0, 5.0, 5.0, 9.0]), [4.0]) == ["1.50 (1.00 to 2.00)", "6.00 ± 2.0", "4.00"]


def test_a_dict_of_rows_and_a_row_of_another_length():
    made = genlib.table({"VAE": 1.0, "GAN": [2.0]}, ["model", "nats"])
    assert made.cells == [["VAE", "1.00"], ["GAN", "2.00"]] and made.numeric == [False, True]
    assert genlib.table({"VAE": ([1.0, 2.0, 3.0], 4.0)}, ["m", "a", "b"]).cells == [["VAE", "2.00 ± 1.0", "4.00"]]
    with pytest.raises(ValueError, match="The row 'GAN' has 3 cells, and there are 2 columns."):
        genlib.table([["VAE", 1.0], ["GAN", 1.0, 2.0]], ["model", "nats"])


@pytest.mark.parametrize(
    "seeds, cell", [([2.0], "2.00"), ([2.0, 4.0], "3.00 (2.00 to 4.00)"), ((1.0, 2.0, 3.0), "2.00 ± 1.0")]
)
def test_numbers_by_seed_are_one_cell_whatever_their_number(seeds, cell):
    assert genlib.table({"VAE": seeds, "GAN": 1.0}, ["model", "nats"]).cells == [["VAE", cell], ["GAN", "1.00"]]
    with pytest.raises(ValueError, match=f"has {1 + len(seeds)} cells, and there are 5 columns"):
        genlib.table({"VAE": seeds}, ["model", "a", "b", "c", "d"])


def test_text_is_aligned():
    made = genlib.table({"VAE": 12.0, "a longer name": 1.0}, ["model", "bits"], caption="Test images")
    assert repr(made).splitlines() == [
        "Test images", "model          bits", "VAE            12.0", "a longer name  1.00",
    ]  # fmt: skip


def test_html_is_escaped_and_numbers_stand_on_the_right():
    made = genlib.table({"a < b & c": 1.0}, ["<model>", "x"], caption="5 > 4")._repr_html_()
    assert "a &lt; b &amp; c" in made and "&lt;model&gt;" in made and "5 &gt; 4" in made and "<model>" not in made
    sides = re.findall(r"<t[hd][^>]*text-align: (\w+)", made)
    assert sides == ["left", "right", "left", "right"] and made.startswith(
        '<div style="overflow-x: auto" tabindex="0">'
    )
