"""What a chapter adds is an increment between two sizes; only what grows faster than the chapters is called so."""

import importlib.util
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("growth", Path(__file__).with_name("growth.py"))
growth = importlib.util.module_from_spec(spec)
spec.loader.exec_module(growth)

SIZES = [8, 16, 60]


@pytest.mark.parametrize(
    "grows, faster",
    [(lambda n: 3.0, False), (lambda n: 5 + 2.0 * n, False), (lambda n: n**2 / 10, True), (lambda n: n**0.5, False)],
    ids=["constant", "line", "square", "root"],
)
def test_only_what_bends_upwards_grows_faster(grows, faster):
    ((name, values, added, is_faster),) = growth.growth(SIZES, [{"x": grows(n)} for n in SIZES])
    assert name == "x" and values == [grows(n) for n in SIZES] and is_faster is faster
    assert added == pytest.approx([(grows(16) - grows(8)) / 8, (grows(60) - grows(16)) / 44])


def test_a_per_cent_of_noise_is_no_growth():
    assert not growth.growth(SIZES, [{"x": v} for v in (100, 100, 101)])[0][3]


def test_efficiency_is_one_where_two_take_half_the_time():
    assert growth.efficiency(lambda n: 6.0 / n, 3) == 1 and growth.efficiency(lambda n: 6.0, 1) == 0.5


def test_a_book_of_a_given_size(tmp_path):
    growth.sixty.copy_project(tmp_path / "book")
    written = len(growth.notebooks.chapters(tmp_path / "book"))
    assert growth.sixty.fill(tmp_path / "book", written + 2) == written + 2
    assert growth.sixty.fill(tmp_path / "book", 3) == written + 2  # what is written stays
