"""Chapters as they stand in _toc.yml, and their smoke runs: papermill, genlib's wheel, an empty folder, no network."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

from genlib.course import notebooks

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))  # sound.py, the notebook that breaks no rule
OFFLINE = Path(__file__).parent / "offline"
WARM = Path(__file__).with_name("warm.py")
TIMEOUT = 300  # seconds for one smoke run; its budget is 20 on two quiet cores
UNPAINTED = """  # for IPython: a figure is not painted when a cell ends (pyplot asks its canvas), nor to be shown
from matplotlib.backend_bases import FigureCanvasBase
FigureCanvasBase.draw_idle = lambda canvas: None
c.InlineBackend.figure_formats = set()
"""
PROBE = """
import json as _json, os as _os, re as _re, sys as _sys
import genlib as _genlib
_peak = int(_re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) // 1024
_peak += int(_os.environ.get("WARM_MB", 0))  # what a cold start would have added, see warm.py
print(_json.dumps({"python": _sys.executable, "genlib": _genlib.__file__, "peak_memory_mb": _peak}))
"""


def pytest_generate_tests(metafunc):
    """Every test that asks for ``chapter`` runs for each chapter of _toc.yml."""
    if "chapter" in metafunc.fixturenames:
        known = notebooks.chapters(ROOT)
        metafunc.parametrize("chapter", known, ids=[c.name for c in known])


@dataclass
class SmokeRun:
    """One execution: papermill's exit status and words, the executed notebook (without the probe), and what it took."""

    status: int
    words: str
    notebook: nbformat.NotebookNode | None
    probe: dict = field(default_factory=dict)
    seconds: float = 0.0
    left: list = field(default_factory=list)  # files the chapter left in its working folder

    def outputs(self):
        return [o for c in notebooks.code_cells(self.notebook) for o in c.outputs]


def once_per_session(tmp_path_factory, name, make):
    """A folder that ``make(folder)`` fills once, however many workers ask for it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = base / name
    with FileLock(base / f"{name}.lock"):
        if not (base / f"{name}.done").exists():
            folder.mkdir()
            make(folder)
            (base / f"{name}.done").touch()
    return folder


def build_and_unpack_wheel(folder):
    """Build genlib's wheel from a copy of its sources, without a network, and install it into ``folder``/site."""
    source, out, site = folder / "source", folder / "out", folder / "site"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "genlib", source / "genlib", ignore=shutil.ignore_patterns("__pycache__"))
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(out)!r})"
    for command in (
        [sys.executable, "-c", build],
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(site), "WHEEL"],
    ):
        command = [str(next(out.glob("*.whl"))) if word == "WHEEL" else word for word in command]
        done = subprocess.run(command, cwd=source, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A folder with genlib installed from its wheel, apart from the project."""
    return once_per_session(tmp_path_factory, "wheel", build_and_unpack_wheel) / "site"


@pytest.fixture(scope="session")
def wheel_names(installed):
    """The files in the wheel."""
    return zipfile.ZipFile(next((installed.parent / "out").glob("*.whl"))).namelist()


@pytest.fixture(scope="session")
def offline_environment(installed, tmp_path_factory):
    """home -> the environment of a process that has genlib from the wheel, nothing in its caches and no network."""
    shared = once_per_session(tmp_path_factory, "matplotlib", lambda folder: None)  # its list of fonts, made once

    def environment(home):
        foreign = re.compile(r"^(GENLIB_|PYTHON|JUPYTER|IPYTHON|XDG_|.*_proxy$)", re.IGNORECASE)
        env = {k: v for k, v in os.environ.items() if not foreign.match(k)}
        nowhere = "http://127.0.0.1:9"  # for programs that are not Python: nothing listens there
        env |= {"http_proxy": nowhere, "https_proxy": nowhere, "all_proxy": nowhere, "no_proxy": "127.0.0.1,localhost"}
        env |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "MPLCONFIGDIR": str(shared)}
        env |= {"PYTHONPATH": os.pathsep.join([str(OFFLINE), str(installed)]), "JUPYTER_PREFER_ENV_PATH": "1"}
        env |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        return env

    return environment


@pytest.fixture(scope="session")
def warm(offline_environment, tmp_path_factory):
    """The words before a module's name that start it warm (see warm.py), and the kernel that starts like this."""
    home = tmp_path_factory.mktemp("warm")
    start = [sys.executable, "-IS", str(WARM), "run", str(home / "socket")]
    spec = {"argv": [*start, "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "warm"}
    (home / "kernels" / "warm").mkdir(parents=True)
    (home / "kernels" / "warm" / "kernel.json").write_text(json.dumps(spec | {"language": "python"}))
    serve = [sys.executable, str(WARM), "serve", str(home / "socket")]
    with subprocess.Popen(
        serve, env=offline_environment(home), cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout.readline() == b"warm\n"
        yield start, home
        server.stdin.close()


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """The cache that all runs of a session share: features are trained once."""
    return once_per_session(tmp_path_factory, "cache", lambda folder: None)


@pytest.fixture(scope="session")
def smoke(offline_environment, tmp_path_factory, warm, shared_cache):
    """(path, seed) -> SmokeRun of the notebook there, executed anew at every call; ``cold``, by a fresh Python and with
    nothing in its cache. The others share one, in which they find the features that the first to need them trained.

    Figures are made, and shown by their sizes; ``painted``, as pictures, which takes a third of a run's time. nbval
    paints those of the latest chapter of each family, and the weekly run in Colab's image those of all.
    """
    shared = shared_cache

    def run(path, seed, cold=False, painted=False):
        home = tmp_path_factory.mktemp("home")
        here, profile = home / "empty", home / ".ipython" / "profile_default"
        here.mkdir()
        profile.mkdir(parents=True)
        (profile / "ipython_config.py").write_text("" if painted else UNPAINTED)
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell(PROBE, metadata={"tags": ["probe"]}))
        before, after = home / "before.ipynb", home / "after.ipynb"
        nbformat.write(notebook, before)
        start, kernel, env = [sys.executable, "-m"], "python3", offline_environment(home)
        if not cold:
            (start, kernels), kernel = warm, "warm"
            env |= {"JUPYTER_PATH": str(kernels), "XDG_CACHE_HOME": str(shared)}
        command = [*start, "papermill", str(before), str(after), "-k", kernel]
        command += ["-p", "preset", "smoke", "-p", "seed", str(seed), "--cwd", str(here)]
        command += ["--no-progress-bar", "--no-request-save-on-cell-execute"]  # it would be written twice a cell
        begun = time.monotonic()
        try:
            done = subprocess.run(command, env=env, cwd=here, capture_output=True, text=True, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return SmokeRun(-1, f"{path.name} took longer than {TIMEOUT} s", None)
        result = SmokeRun(done.returncode, done.stdout + done.stderr, None, seconds=time.monotonic() - begun)
        result.left = sorted(p.name for p in here.iterdir())
        if after.exists():
            result.notebook = nbformat.read(after, as_version=4)
            probe = result.notebook.cells.pop()
            if probe.outputs and not result.status:
                result.probe = json.loads(probe.outputs[0].text)
        return result

    return run


@pytest.fixture(scope="session")
def runs(smoke):
    """chapter -> its one smoke run of this session, with seed 1 (nbval executes the stored notebook with seed 0)."""
    made = {}

    def run(chapter):
        if chapter not in made:
            made[chapter] = smoke(chapter.path, 1)
        return made[chapter]

    return run
