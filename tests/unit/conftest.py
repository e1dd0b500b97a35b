"""What the unit tests share: a run to train with, a cache of their own, and scripts in a process of their own."""

import contextlib
import io
import os
import subprocess
import sys

import pytest


@pytest.fixture
def own(monkeypatch, tmp_path):
    """No setting of the caller's reaches the test, and what it caches lies in its own folder (the fixture's value)."""
    for name in ("GENLIB_PRESET", "GENLIB_PUBLISH", "GENLIB_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "genlib"


@pytest.fixture
def begin(own):
    """begin(seed, **settings) -> a smoke run; the line that start prints is swallowed."""
    import genlib

    def begin(seed=0, **settings):
        with contextlib.redirect_stdout(io.StringIO()):
            return genlib.start("smoke", seed, smoke=settings, cpu=settings, gpu=settings)

    return begin


@pytest.fixture
def script(tmp_path):
    """script(source, *arguments, wait=True) -> the finished process, or a running one with wait=False.

    launch: what stands between Python and the script."""

    def script(source, *arguments, wait=True, launch=(), **environment):
        path = tmp_path / f"script-{abs(hash(source))}.py"
        path.write_text(source)
        command = [sys.executable, *launch, str(path), *map(str, arguments)]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        options["env"] = os.environ | {"OMP_NUM_THREADS": "1"} | environment
        return subprocess.run(command, timeout=300, **options) if wait else subprocess.Popen(command, **options)

    return script
