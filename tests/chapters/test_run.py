"""Every chapter runs: preset smoke, by papermill, in an empty folder, against genlib's wheel, with no network."""

import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from genlib.course import export, notebooks

ROOT = Path(__file__).resolve().parents[2]
PEAK_MEMORY_MB = 1536


# --- the chapters -----------------------------------------------------------------------------------------------------


def test_smoke_run(chapter, runs, installed, record_property):
    run = runs(chapter)
    assert run.status == 0, run.words[-6000:]
    record_property("peak_memory_mb", run.probe["peak_memory_mb"])

    noise = [o.text for o in run.outputs() if o.get("name") == "stderr"]
    assert not noise, noise
    assert len(notebooks.checks(run.notebook)) >= notebooks.MIN_CHECKS
    claims = notebooks.records(run.notebook)
    assert claims
    for claim in claims:
        assert claim["verdict"].startswith("not judged"), claim
        assert (claim["preset"], claim["seed"]) == ("smoke", 1), claim
    stored = shown(notebooks.read(chapter.path))
    assert shown(run.notebook) == stored, "other cells show figures than in the stored run"
    assert run.left == [], "the chapter leaves files in its working folder"
    assert run.probe["peak_memory_mb"] <= PEAK_MEMORY_MB
    assert Path(run.probe["genlib"]).is_relative_to(installed), "the run has imported another genlib than the wheel's"
    assert os.path.samefile(run.probe["python"], sys.executable)


LATEST = {chapter.path.parent.name: chapter for chapter in notebooks.chapters(ROOT)}


@pytest.mark.parametrize("family", LATEST)
def test_an_export_runs(family, smoke, tmp_path):
    """What Colab is given runs as its chapter does, and its checks print what is stored. One chapter stands for its
    family: the code of an export is the chapter's, but for a comment."""
    (path,) = export.write(ROOT, [LATEST[family]], tmp_path)
    run = smoke(path, 1)
    assert run.status == 0, run.words[-6000:]
    assert printed(notebooks.clean(run.notebook)) == printed(notebooks.read(path))


def shown(notebook):
    """How many figures each of the notebook's own cells with code shows."""
    own = [c for c in notebooks.code_cells(notebook) if "injected-parameters" not in notebooks.tags(c)]
    words = [[notebooks.text(o.get("data", {}).get("text/plain", "")) for o in c["outputs"]] for c in own]
    return [sum(said.startswith("<Figure size ") for said in cell) for cell in words]


def printed(notebook):
    """What each cell tagged as a check printed, by the cell's number among those with code."""
    tagged = [(n, c) for n, c in enumerate(notebooks.code_cells(notebook), 1) if notebooks.CHECK in notebooks.tags(c)]
    return {n: [notebooks.text(o.get("text", "")) for o in cell["outputs"]] for n, cell in tagged}


def test_checks_print_what_is_stored(chapter, runs):
    """Whatever preset, seed and device the stored run had. nbval compares the same lines cell by cell, and runs a
    chapter for it once more: it is given one of each family."""
    run = runs(chapter)
    assert run.status == 0, "it does not run: see test_smoke_run"
    assert printed(notebooks.clean(run.notebook)) == printed(notebooks.read(chapter.path))


def test_a_check_that_prints_another_line_is_seen(root):
    stored = notebooks.read(notebooks.chapters(root)[0].path)
    other = copy.deepcopy(stored)
    last = [c for c in notebooks.code_cells(other) if notebooks.CHECK in notebooks.tags(c)][-1]
    last["outputs"][0]["text"] = notebooks.text(last["outputs"][0]["text"]).replace("✓ ", "✓ not ", 1)
    assert printed(other) != printed(stored)


def comparable(output):
    """An output with nothing in it that a clock decides."""
    timed = re.compile(r"\bin [\d.,]+ (s|min)\b")
    data = {k: timed.sub("in T", v) if isinstance(v, str) else v for k, v in output.get("data", {}).items()}
    return output.output_type, output.get("name"), timed.sub("in T", output.get("text", "")), data


SHORTEST = min(notebooks.chapters(ROOT), key=lambda chapter: chapter.path.stat().st_size)


@pytest.mark.parametrize("name", [SHORTEST.name])
def test_two_processes_same_seed_same_numbers(name, smoke, runs):
    """Bit for bit, pictures included, and the second in a fresh Python, whose hashes and generators are its own. One
    chapter stands for all: the loop and the generators are genlib's."""
    one, two = (smoke(SHORTEST.path, 1, cold=cold, painted=True) for cold in (False, True))
    assert one.status == two.status == 0, (one.words + two.words)[-6000:]
    pictures = [sum("image/png" in o.get("data", ()) for o in run.outputs()) for run in (one, two)]
    assert pictures[0] == pictures[1] == sum(shown(runs(SHORTEST).notebook)) > 0
    cells = [notebooks.clean(run.notebook).cells for run in (one, two)]  # how a stream is cut into pieces is chance
    for number, (a, b) in enumerate(zip(*cells, strict=True), 1):
        a, b = ([comparable(o) for o in c.get("outputs", ())] for c in (a, b))
        assert len(a) == len(b), f"cell {number}: {a}\n{b}"[:2000]
        for left, right in zip(a, b, strict=True):
            assert left == right, f"cell {number}: {left}\n{right}"[:2000]


# --- the walls around them --------------------------------------------------------------------------------------------

ASKS = {
    "urlopen": "import urllib.request; urllib.request.urlopen('http://example.org/', timeout=5)",
    "a name": "import socket; socket.getaddrinfo('example.org', 80)",
    "an address": "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)",
    "a datagram": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    "a data set": "import genlib; genlib.data.load('mnist')",
}


@pytest.mark.parametrize("ask", ASKS)
def test_no_network(ask, offline_environment, tmp_path):
    """Python is refused the network in the environment that the chapters run in."""
    command = [sys.executable, "-c", ASKS[ask]]
    env = {k: v for k, v in offline_environment(tmp_path).items() if not k.endswith("_proxy")}
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    if ask == "a data set":  # one sentence that names what works, not a trace of sockets
        assert re.search(r"smoke", done.stderr.splitlines()[-1]), done.stderr
    else:
        assert "no network in this test" in done.stderr, done.stderr


def test_loopback_stays_open(offline_environment, tmp_path):
    talk = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); "
        "c = socket.create_connection(s.getsockname()); s.accept()[0].sendall(b'hello'); assert c.recv(5) == b'hello'"
    )
    subprocess.run(
        [sys.executable, "-c", talk], env=offline_environment(tmp_path), cwd=tmp_path, check=True, timeout=60
    )


def test_wheel_is_genlib_whole_and_nothing_else(wheel_names, root):
    files = {p.relative_to(root).as_posix() for p in (root / "genlib").rglob("*") if p.is_file()}
    assert {f for f in files if "__pycache__" not in f} == {n for n in wheel_names if ".dist-info/" not in n}
    assert any(name.endswith("licenses/LICENSE") for name in wheel_names)


BROKEN = {
    "an exception": "raise RuntimeError('broken on purpose')",
    "a failing check": "from genlib import check\ncheck.equal('one is two', 1.0, 2.0, tol=1e-6)",
    "the network": "import urllib.request\nurllib.request.urlopen('http://example.org/')",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_chapter_is_seen(how, smoke, tmp_path):
    """The test above can fail."""
    path = tmp_path / "broken.ipynb"
    parameters = new_code_cell('preset = "auto"\nseed = 0', metadata={"tags": ["parameters"]})
    python = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=[parameters, new_code_cell(BROKEN[how])], metadata=python), path)
    run = smoke(path, 0)
    assert run.status != 0
    assert any(o.output_type == "error" for o in run.outputs())
