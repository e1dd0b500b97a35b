"""What one more chapter costs, and what two workers gain over one.

    python tests/benchmarks/growth.py [--at 19,40,60] [--many]

Copies of the written chapters, as in sixty.py, make books of several sizes (the least is what is written). Each is
built, built again after a word was changed, packed by git, and its tests are collected; seconds are processor time of
all processes. For each quantity the table has its value at every size and what a chapter adds between them; a quantity
whose last increment is more than 1.25 times the one before grows faster than the chapters, and the row says so. What
the tests of a chapter cost is told by ``make test`` itself, in its last lines.

The site grew faster than its chapters until two lists were made once for all: the exports read every notebook for every
chapter (9.6 s at 32 chapters and 26.8 s at 59; then 1.4 and 2.7), and the theme makes the sidebar's list of contents
anew for each page (the pages' contexts cost 4.2 and 11.9 s; then 1.3 and 1.9). A build at 32 went from 51 to 35 s of
processor time, and 27 copies add 0.65 s each, without their pictures, which they share with what they are copies of.

--many measures two workers against one, in turns in one run: steps of the VAE's cpu preset by ``accelerate launch``
with the same total batch, and the smoke runs of four chapters by ``genlib run --jobs`` (Dask). Efficiency is the
seconds of one over twice those of two.
"""

import argparse
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from genlib.course import notebooks

spec = importlib.util.spec_from_file_location("sixty", Path(__file__).with_name("sixty.py"))
sixty = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sixty)

ROOT = sixty.ROOT
FASTER = 1.25
ONE_MODEL = """
import contextlib, io, json, sys, time
sys.path.insert(0, sys.argv[1])
import torch, bench, genlib
torch.set_num_threads(1)
run = genlib.start("cpu", 0, smoke={}, cpu={}, gpu={})
size = run.ranks.size if run.ranks else 1
split, (step, state) = genlib.data.load("digits").train, bench.make_step(run.device)
times = []
for _ in range(4):  # the first one warms up
    begun = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        run.fit(step, split, steps=60, batch=256 // size, state=state)
    times.append(time.perf_counter() - begun)
if not run.ranks or run.ranks.rank == 0:
    print(json.dumps(sorted(times[1:])[1]))
"""
LAUNCH = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
LAUNCH += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]


def spent(command, folder):
    """Processor seconds of a command and of all that it started. Its failure ends everything."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed in {folder}:\n{(done.stderr or done.stdout)[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def megabytes(folder, pattern="*"):
    return sum(p.stat().st_size for p in folder.rglob(pattern) if p.is_file()) / 1e6


def book(count):
    """{quantity: value} of a book of ``count`` chapters, and how many it has."""
    with tempfile.TemporaryDirectory(prefix="growth-") as place:
        folder = Path(place).resolve() / "book"
        sixty.copy_project(folder)
        made = sixty.fill(folder, count)
        python = Path(sys.executable)
        build = (python.with_name("jupyter-book"), "build", ".", "-W", "-n", "--keep-going", "--quiet")
        found = {"site, built anew (s)": spent(build, folder)}
        path = notebooks.chapters(folder)[-1].path
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("## Summary", "## Summary\\n\\nOnce more.", 1), "utf-8")
        found["site, a chapter changed (s)"] = spent(build, folder)
        path.write_text(text, "utf-8")
        found["site (MB)"] = megabytes(folder / "_build" / "html")
        pages = [p.stat().st_size / 1e6 for p in (folder / "_build" / "html" / "chapters").rglob("*.html")]
        found["a page, the median (MB)"] = statistics.median(pages)
        shutil.rmtree(folder / "_build")
        git = ("git", "-c", "user.name=growth", "-c", "user.email=growth@localhost")
        for words in (("add", "--all"), ("commit", "--quiet", "-m", "all"), ("gc", "--quiet")):
            spent((*git, *words), folder)
        found["repository, packed (MB)"] = megabytes(folder / ".git" / "objects", "*.pack")
        collect = (python, "-m", "pytest", "--collect-only", "-q", "-n", "0", "tests")
        found["tests, collected (s)"] = spent(collect, folder)
        found["genlib list (s)"] = spent((python, "-m", "genlib.course.cli", "list"), folder)
        found["import genlib (s)"] = spent((python, "-c", "import genlib"), folder)
    return made, found


def growth(sizes, found):
    """[(quantity, values, increments per chapter, whether it grows faster than the chapters)]."""
    rows = []
    for name in found[0]:
        values = [of[name] for of in found]
        added = [(b - a) / (n - m) for a, b, m, n in zip(values, values[1:], sizes, sizes[1:], strict=False)]
        noise = 0.02 * values[0] / (sizes[-1] - sizes[-2])  # what a hundredth or two of the whole would seem to add
        rows.append((name, values, added, len(added) > 1 and added[-1] > FASTER * added[-2] + noise))
    return rows


def one_model(processes):
    launch = LAUNCH if processes == 2 else []
    command = [sys.executable, *launch, str(SCRIPT), str(ROOT / "tests" / "benchmarks")]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def many_chapters(jobs):
    chapters = [c.name for c in notebooks.chapters(ROOT)][:4]
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "genlib.course.cli", "run", *chapters, "--preset", "smoke", "--output", out]
        begun = time.monotonic()
        done = subprocess.run([*command, "--jobs", str(jobs)], cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout)[-2000:]}")
        return time.monotonic() - begun


def efficiency(measure, rounds):
    """Median over rounds of (seconds with one) / (2 × seconds with two), each round measured one after the other."""
    return statistics.median(measure(1) / (2 * measure(2)) for _ in range(rounds))


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Measure what one more chapter costs, and what two workers gain.")
    parser.add_argument("--at", default="0,40,60", help="how many chapters, rising  [default: those written, 40, 60]")
    parser.add_argument("--many", action="store_true", help="two workers against one instead")
    given = parser.parse_args(arguments)
    if given.many:
        print(f"accelerate, two processes: {efficiency(one_model, 3):.2f} of twice the speed of one", flush=True)
        print(f"Dask, two workers: {efficiency(many_chapters, 1):.2f} of twice the speed of one")
        return 0
    made = [book(int(n)) for n in given.at.split(",")]
    sizes = [n for n, _ in made]
    print(f"{'':<30}" + "".join(f"{f'at {n}':>10}" for n in sizes) + "   a chapter adds")
    for name, values, added, faster in growth(sizes, [of for _, of in made]):
        told = ", ".join(f"{a:.3g}" for a in added) + ("   GROWS FASTER THAN THE CHAPTERS" if faster else "")
        print(f"{name:<30}" + "".join(f"{v:>10.3g}" for v in values) + f"   {told}")
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        SCRIPT = Path(scratch) / "one_model.py"
        SCRIPT.write_text(ONE_MODEL, encoding="utf-8")
        sys.exit(main())
