"""Every chapter's smoke run on the pretend device: all cells, evaluation and figures included. No step waits, and no
tensor lies where a GPU would not find it. That the device sees such faults: tests/unit/test_pretend.py."""

import json
import subprocess
import sys

# Faults that a chapter has today, {family/slug: ids of the cells}. Editing a chapter anew strikes its line.
KNOWN = {"ae/contractive": ("bug-check",), "ae/sparse": ("sp-bug-check",)}
SECONDS = 900  # on a machine that does other things, too


def faults(chapter, environment, home, cache):
    """The faults of a chapter's smoke run on the device, in a process of its own: torch learns of it once."""
    env = environment(home) | {"XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-m", "genlib.course.author.dry_run", str(chapter.path), "--seed", "1"]
    done = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-6000:]
    return json.loads(done.stdout)["faults"]


def test_chapter_keeps_to_the_device(chapter, offline_environment, tmp_path_factory, shared_cache):
    found = faults(chapter, offline_environment, tmp_path_factory.mktemp("home"), shared_cache)
    known = KNOWN.get(chapter.name, ())
    of = lambda fault: fault["cell"].split("(")[1].rstrip(")")
    new = [f"cell {f['cell']}, line {f['line']}: {f['kind']}: {f['what']}" for f in found if of(f) not in known]
    assert not new, "\n".join(new)
    mended = set(known) - {of(f) for f in found}
    assert not mended, f"{chapter.name} has no fault any more in {', '.join(mended)}: strike it from KNOWN"
