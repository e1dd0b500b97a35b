"""Hashes of notebooks and of genlib, and the state of a chapter that follows from them."""

import copy
import io
import json
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from genlib.course import stamp

CORE = Path(stamp.__file__).parent.parent


def notebook(*sources, tags=()):
    cells = [{"cell_type": "code", "metadata": {}, "source": s, "outputs": [], "execution_count": 1} for s in sources]
    for cell, names in zip(cells, tags, strict=False):
        cell["metadata"]["tags"] = list(names)
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


SOURCE = '''x = 1  # the first
%matplotlib inline

def f(a):
    """A doc # no comment

    with a blank line"""
    return "#" + a % 2

y = f'{x:#>3} it''s'   \t
'''


def test_what_remains_of_a_source():
    assert stamp.normalise(SOURCE).split("\n") == [
        "x = 1",
        "%matplotlib inline",
        "def f(a):",
        r'    """A doc # no comment\n\n    with a blank line"""',
        '    return "#" + a % 2',
        "y = f'{x:#>3} it''s'",
    ]


@pytest.mark.parametrize(
    "edited",
    [
        SOURCE.replace("# the first", "# number one"),
        SOURCE.replace("  # the first", ""),
        SOURCE.replace("\n", "\r\n"),
        "\n\n# what follows\n" + SOURCE + "\n# end",
        SOURCE.replace("return", "# why\n    return"),
        SOURCE.replace("inline\n", "inline   \n\n\n"),
    ],
)
def test_comments_and_blanks_do_not_change_the_hash(edited):
    assert stamp.code_hash(notebook(edited)) == stamp.code_hash(notebook(SOURCE))


@pytest.mark.parametrize(
    "old, new",
    [
        ("x = 1", "x = 2"),
        ("inline", "widget"),
        ("# no comment", "# not one"),
        ("\n\n    with a blank", "\n    with a blank"),
        ("{x:#>3}", "{x:#>4}"),
        ("    return", "return"),
        ('"#"', '"# "'),
    ],
)
def test_code_strings_and_magics_change_the_hash(old, new):
    assert old in SOURCE
    assert stamp.code_hash(notebook(SOURCE.replace(old, new))) != stamp.code_hash(notebook(SOURCE))


def test_a_string_with_a_line_end_is_not_the_one_with_its_escape():
    assert stamp.normalise('"""a\nb"""') != stamp.normalise(r'"""a\nb"""')


def test_cells_count_in_order_prose_outputs_and_the_install_cell_do_not():
    a = notebook("x = 1", "y = 2")
    assert stamp.code_hash(a) != stamp.code_hash(notebook("y = 2", "x = 1"))
    assert stamp.code_hash(a) != stamp.code_hash(notebook("x = 1\ny = 2"))
    b = copy.deepcopy(a)
    b["cells"].insert(0, {"cell_type": "markdown", "metadata": {}, "source": "# Prose"})
    b["cells"].insert(1, notebook("%pip install genlib", tags=[["install", "hide-input"]])["cells"][0])
    b["cells"].append(notebook("# a comment only")["cells"][0])
    b["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "1"}]
    b["cells"][2]["source"] = ["x = ", "1"]
    assert stamp.code_hash(a) == stamp.code_hash(b)


START = """run = genlib.start(
    preset,
    seed,
    smoke=dict(data="digits", steps=60, name="β"),  # seconds
    cpu=dict(data="mnist", steps=3000, name="β"),
    gpu=dict(data="mnist", steps=20_000, name="β"),
)
s = run.settings"""


def test_what_other_presets_say_does_not_count_for_a_run():
    n = notebook("import genlib", START, "print(s.steps)")
    cpu = stamp.code_hash(n, "cpu")
    for old, new, same in [
        ("steps=60", "steps=30", True),
        ('20_000, name="β")', "20_000,\n             name='ββ', width=3)", True),
        ("steps=3000", "steps=300", False),
        ("seed,", "seed + 1,", False),
        ("run.settings", "run.settings  # all", True),
    ]:
        assert old in START
        edited = notebook("import genlib", START.replace(old, new), "print(s.steps)")
        assert (stamp.code_hash(edited, "cpu") == cpu) == same, old
        assert stamp.code_hash(edited) != stamp.code_hash(n) or "#" in new
    assert len({stamp.code_hash(n, preset) for preset in ("smoke", "cpu", "gpu", None)}) == 4
    for source in ("x = 1", "y = 1  # in place of genlib.start(preset, seed, cpu=1)", "%time genlib.start(gpu=dict())"):
        assert stamp.without_other_presets(source, "cpu") == source


def test_a_run_stays_fresh_when_another_preset_is_tuned():
    n = notebook(START)
    told = {"seed": 0, "seconds": 1.0, "device": "a cpu", "peak_memory_mb": 7, "versions": {}}
    n["metadata"]["genlib"] = {"stamp": stamp.make_stamp(n, preset="cpu", **told)}
    assert stamp.status(n) == "fresh"
    n["cells"][0]["source"] = START.replace("steps=60", "steps=30")
    assert stamp.status(n) == "fresh"
    n["cells"][0]["source"] = START.replace("steps=3000", "steps=30")
    assert stamp.status(n) == "stale"


def test_comments_are_what_tokenize_finds_in_all_of_genlib():
    for path in sorted(CORE.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        found = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.COMMENT]
        lines = source.split("\n")
        for token in found:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
        assert stamp.normalise(source) == stamp.normalise("\n".join(lines)), path
        assert len(found) == sum(m["whole"] is None for m in stamp._PIECES.finditer(source)), path


def test_every_python_here_computes_the_same_hash(tmp_path):
    shutil.copytree(CORE, tmp_path / "genlib", ignore=shutil.ignore_patterns("__pycache__"))
    pythons = [p for v in ("3.11", "3.12", "3.13") for p in Path("/").glob(f"usr/bin/python{v}")]
    pythons += sorted(Path.home().glob(".pyenv/versions/3.1[1-9]*/bin/python"))
    code = "import json, sys; sys.path.append('genlib/course'); import stamp; n = json.load(sys.stdin); "
    code += "print(stamp.code_hash(n), stamp.genlib_hash('genlib'))"
    expected = f"{stamp.code_hash(notebook(SOURCE))} {stamp.genlib_hash(tmp_path / 'genlib')}"
    for python in pythons or [sys.executable]:
        options = {"input": json.dumps(notebook(SOURCE)), "cwd": tmp_path, "text": True, "capture_output": True}
        assert subprocess.run([python, "-c", code], check=True, **options).stdout.strip() == expected, python


def test_genlib_hash_sees_code_and_neither_docstrings_nor_comments_nor_the_course(tmp_path):
    def write(source, name="a.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
        return stamp.genlib_hash(tmp_path)

    bare = 'class A:\n    def f(self):\n        return "x"\n'
    documented = bare.replace(":\n    def", ':\n    """One."""\n    def').replace(
        "        ret", '        """Two\n    lines."""\n        ret'
    )
    first = write('"""Doc."""\n\n' + documented)
    assert write('class A:\n    def f(self):  # comment\n        """Other."""\n        return "x"\n') == first
    assert write("import click\n", "course/cli.py") == first
    assert write(bare.replace("x", "y")) != first
    assert write(bare) == first
    assert write("", "b.py") != first


def test_states_of_a_chapter():
    n = notebook("x = 1")
    assert stamp.status(n) == "never" and not stamp.genlib_changed(n) and stamp.stamp_of(n) == {}
    made = stamp.make_stamp(n, preset="cpu", seed=3, seconds=12.345, device="a cpu", peak_memory_mb=7, versions={})
    assert made["seconds"] == 12.3 and made["seed"] == 3 and len(made["code"]) == 64
    n["metadata"]["genlib"] = {"stamp": made, "chapter": {"slug": "x"}}
    assert stamp.status(n) == "fresh" and not stamp.genlib_changed(n) and stamp.chapter_of(n) == {"slug": "x"}
    n["cells"][0]["source"] = "x = 1  # one"
    assert stamp.status(n) == "fresh"
    n["cells"][0]["source"] = "x = 2"
    assert stamp.status(n) == "stale"
    n["cells"][0]["source"] = "x = 1"
    made["genlib"] = "another"
    assert stamp.status(n) == "fresh" and stamp.genlib_changed(n)
