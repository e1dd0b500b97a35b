"""What a code cell is on the page, from its tags, its outputs and where it stands."""

import pytest

from genlib.course import notebooks

PNG = {"output_type": "display_data", "data": {"image/png": "iVBOR", "text/plain": "<Figure>"}, "metadata": {}}
TABLE = {"output_type": "execute_result", "data": {"text/html": ["<table>", "<tr><td>1</td></tr></table>"]}}
MARKDOWN = {"output_type": "display_data", "data": {"text/markdown": ["| a | b |\n", "|---|---|\n", "| 1 | 2 |"]}}
PRINTED = {"output_type": "stream", "name": "stdout", "text": "✓ one = 1\n"}
PICTURES = {"output_type": "display_data", "data": {"text/html": "<table><tr><td><img src='data:'></td></tr></table>"}}
FIGURE = {"mystnb": {"figure": {"caption": "A dot.", "name": "fig-dot"}, "image": {"alt": "A dot."}}}


def cell(*outputs, tags=(), **metadata):
    return {"cell_type": "code", "source": "1", "metadata": {"tags": [*tags], **metadata}, "outputs": [*outputs]}


@pytest.mark.parametrize(
    ("made", "role"),
    [
        (cell(), "code"),
        (cell(PRINTED), "code"),
        ({"cell_type": "code", "source": "", "metadata": {}}, "code"),
        (cell(PRINTED, tags=["nbval-check-output"]), "check"),
        (cell(TABLE, tags=["nbval-check-output"]), "check"),
        (cell(PRINTED, tags=["grader", "nbval-check-output"]), "grader"),
        (cell(PNG, tags=["parameters", "grader"]), "setup"),
        (cell(tags=["install"]), "setup"),
        (cell(PNG), "plot"),
        (cell(PRINTED, PNG), "plot"),
        (cell(TABLE, PNG), "plot"),
        (cell(**FIGURE), "plot"),  # not yet run
        (cell({"output_type": "display_data", "data": {"text/html": "<div><svg></svg></div>"}}), "plot"),
        (cell(TABLE), "table"),
        (cell(PRINTED, MARKDOWN), "table"),
        (cell(PICTURES), "table"),
        (cell({"output_type": "display_data", "data": {"text/markdown": "A line.\n\n---\n"}}), "code"),
    ],
)
def test_the_role_of_a_cell(made, role):
    assert notebooks.role(made) == role


def test_what_stands_before_the_first_part_is_setup():
    text = lambda source: {"cell_type": "markdown", "source": source, "metadata": {}}
    book = {"cells": [text("# T"), cell(PNG), text("More.\n\n## Idea"), cell(PNG), cell(tags=["grader"])]}
    assert notebooks.roles(book) == [None, "setup", None, "plot", "grader"]
