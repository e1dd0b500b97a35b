"""That nbval, as `make test` calls it, compares what checks print, and nothing else. The chapters themselves are its
arguments there, beside this folder."""

import os
import re
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

CASES = {
    "the same line": ("print('✓ a = b')", "✓ a = b\n", 0),
    "another line": ("print('✓ a = c')", "✓ a = b\n", 1),
    "a line too many": ("print('✓ a = b')\nprint('✓ a = c')", "✓ a = b\n", 1),
    "an exception": ("print('✓ a = b')\nassert 1 == 2", "✓ a = b\n", 1),
    "noise on stderr": ("import sys\nprint('✓ a = b')\nprint('hm', file=sys.stderr)", "✓ a = b\n", 1),
    "the preset": ("import os\nprint('✓', os.environ['GENLIB_PRESET'])", "✓ smoke\n", 0),
}


@pytest.fixture(scope="module")
def told(root, tmp_path_factory):
    """What nbval says, in the options of the Makefile, of one notebook with the cases as its cells."""
    cells = []
    for count, (source, stored, _) in enumerate(CASES.values(), 1):
        output = new_output("stream", name="stdout", text=stored)
        tags = {"tags": ["nbval-check-output"]}
        cells.append(new_code_cell(source, outputs=[output], execution_count=count, metadata=tags))
    untagged = new_output("stream", name="stdout", text="loss 0.1 on cuda\n")
    cells.append(new_code_cell("print('loss 0.3 on cpu')", outputs=[untagged], execution_count=len(cells) + 1))
    path = tmp_path_factory.mktemp("nbval") / "cases.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    options = re.findall(r"--nbval\S+", (root / "Makefile").read_text())
    assert "--nbval-lax" in options
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "--color=no", *options, str(path)]
    env = {**os.environ, "GENLIB_PRESET": "smoke"}
    done = subprocess.run(command, cwd=path.parent, env=env, capture_output=True, text=True, timeout=300)
    return {
        cell: verdict for verdict, cell in re.findall(r"^(PASSED|FAILED) .*::(Cell \d+)", done.stdout, re.MULTILINE)
    }


@pytest.mark.parametrize("case", CASES)
def test_nbval_compares_checks(case, told):
    number = list(CASES).index(case)
    assert told[f"Cell {number}"] == ("FAILED" if CASES[case][2] else "PASSED")


def test_nbval_lets_other_outputs_differ(told):
    """A stored run on a GPU must pass on a CPU."""
    assert told[f"Cell {len(CASES)}"] == "PASSED"
