"""Running chapters: each in a fresh kernel, on a copy; the stored notebook is replaced when everything held.

``execute`` is one run: text of a notebook in, Result out, nothing left behind. ``run_all`` hands such runs to worker
processes and settles each chapter as its results come in.
"""

import json
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

from . import notebooks, stamp

PRESETS = ("smoke", "cpu", "gpu")
_MEASURE = "genlib-measure"


@dataclass
class Result:
    """One run: the executed notebook as text, why it failed ("" if not), seconds, and what was measured."""

    notebook: str
    error: str = ""
    seconds: float = 0.0
    measured: dict = field(default_factory=dict)


@dataclass
class Outcome:
    """What became of one chapter: "stored", "passed" (nothing was to be stored) or "failed", and a note."""

    chapter: notebooks.Chapter
    what: str
    note: str
    seconds: float = 0.0


# --- one run ----------------------------------------------------------------------------------------------------------


def execute(source, preset, seed, *, timeout=None, env=None, progress=None):
    """Run a notebook's text with a preset and a seed in a kernel of this interpreter, and return the Result.

    timeout: seconds for the whole chapter. env: more environment variables for the kernel. progress: a path that is
    rewritten with "cell, cells, heading" as the run goes on. An error in the notebook is part of the Result.
    """
    import nbformat
    import papermill
    from traitlets.config import Config

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it would warn of is in the Result
    notebook = nbformat.reads(source, as_version=4)
    here, _ = notebooks.headings(notebook)
    total = len(notebook.cells)
    parameters = next((i for i, c in enumerate(notebook.cells) if "parameters" in notebooks.tags(c)), -1)
    ask = "from genlib.course.measure import measure\nprint(measure(globals().get('run')))"
    notebook.cells.append(nbformat.v4.new_code_cell(ask, metadata={"tags": [_MEASURE]}))
    begun, at, error = time.monotonic(), 0, ""
    first = last = None  # when the first cell began, and the latest

    def on_cell_start(cell, cell_index):
        nonlocal at, first, last
        last = time.monotonic()
        first = first or last
        if _MEASURE not in notebooks.tags(cell):
            at = cell_index - (parameters < cell_index)  # the injected cell stands behind the parameters
            if progress:
                Path(progress).write_text(f"{at + 1}\t{total}\t{here[at]}", encoding="utf-8")

    with tempfile.TemporaryDirectory(prefix="genlib-run-") as scratch:
        scratch = Path(scratch)
        before, after, empty = scratch / "in.ipynb", scratch / "out.ipynb", scratch / "empty"
        empty.mkdir()
        before.write_text(nbformat.writes(notebook), encoding="utf-8")
        kernel_env = {"GENLIB_PUBLISH": "1", "GENLIB_PRESET": "", "IPYTHONDIR": str(scratch / "ipython"), **(env or {})}
        try:
            papermill.execute_notebook(
                before,
                after,
                parameters={"preset": preset, "seed": seed},
                kernel_name="python3",
                language="python",
                progress_bar=False,
                cwd=empty,
                timeout_func=lambda cell: max(1, round(begun + timeout - time.monotonic())) if timeout else None,
                on_cell_start=on_cell_start,
                kernel_manager_class=_this_interpreter(kernel_env),
                # Kernels encrypt if they can and say nothing if they cannot.
                config=Config({"KernelManager": {"transport_encryption": "auto"}}),
            )
        except Exception as failure:  # the notebook's own, a timeout, a dead kernel: all are this run's result
            last = time.monotonic()
            error = f"cell {at + 1} of {total}{f' ({here[at]})' if here[at] else ''}: {_sentence(failure, timeout)}"
        executed = nbformat.read(after, as_version=4) if after.exists() else notebook
    told = next((c for c in executed.cells if _MEASURE in notebooks.tags(c)), None)
    executed.cells = [c for c in executed.cells if c is not told]
    measured = json.loads(told.outputs[0].text) if told is not None and told.outputs and not error else {}
    text = nbformat.writes(notebooks.clean(executed)) + "\n"
    return Result(text, error, (last or begun) - (first or begun), measured)


def _this_interpreter(env):
    """A kernel manager for this very Python, whatever kernels are installed under the name python3."""
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    package = Path(stamp.__file__).parent.parent
    if package.name not in ("site-packages", "dist-packages"):  # the genlib that runs is the genlib that is hashed
        env = {**env, "PYTHONPATH": os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))}
    spec = get_kernel_dict()  # of sys.executable
    spec["argv"].append("--log-level=CRITICAL")  # what a kernel says of itself as it is ended is nobody's business

    class ThisInterpreter(AsyncKernelManager):
        @property
        def kernel_spec(self):
            return KernelSpec(env=env, **spec)

    return ThisInterpreter


def _sentence(failure, timeout):
    kind = type(failure).__name__
    if kind == "PapermillExecutionError":
        return f"{failure.ename}: {(failure.evalue.strip() or '(no message)').splitlines()[0]}"
    if kind == "CellTimeoutError":
        return f"the chapter took longer than {timeout:g} s"
    if kind == "DeadKernelError":
        return "the kernel died, perhaps for want of memory"
    return f"{kind}: {(str(failure).strip() or '(no message)').splitlines()[0]}"


# --- many runs --------------------------------------------------------------------------------------------------------


def done(notebook, preset, seeds=None):
    """Whether the stored run of a notebook (a dict) is what ``run`` with this preset and these seeds would bring:
    its code is unchanged, its preset is the same or a larger one (smoke < cpu < gpu), and it has all the seeds."""
    stored = stamp.stamp_of(notebook)
    if stamp.status(notebook) != "fresh" or PRESETS.index(stored["preset"]) < PRESETS.index(preset):
        return False
    others = notebook["metadata"]["genlib"].get("seeds", [])
    return set(seeds or ()) <= {stored["seed"], *(o["seed"] for o in others)}


def run_all(chapters, preset, seeds, *, root, jobs=1, timeout=None, output=None, show=None):
    """Run chapters, each with every seed, and return their Outcomes. A chapter that fails does not stop the others.

    chapters: list of Chapters. preset: smoke, cpu or gpu. output: a folder for the results in place of ``chapters/``;
    without it smoke runs are not stored. show: an object with ``update(running)`` and ``say(outcome)``. On
    KeyboardInterrupt the kernels end and nothing more is stored.
    """
    install = notebooks.install_source(root)
    texts = {c: c.path.read_text(encoding="utf-8") for c in chapters}
    waiting = [(c, seed) for c in chapters for seed in seeds]
    results, outcomes = {}, {}
    env = {"OMP_NUM_THREADS": "1"} if jobs > 1 else {}
    with tempfile.TemporaryDirectory(prefix="genlib-progress-") as folder:
        alone = False
        while waiting:
            pool = ProcessPoolExecutor(
                1 if alone else min(jobs, len(waiting)), multiprocessing.get_context("spawn"), _in_worker
            )
            batch = waiting[:1] if alone else waiting
            futures = {}
            for chapter, seed in batch:
                progress = Path(folder) / f"{chapter.name.replace('/', '-')}-{seed}"
                future = pool.submit(_work, texts[chapter], preset, seed, timeout, env, str(progress))
                futures[future] = (chapter, seed, progress)
            pending = set(futures)
            try:
                while pending:
                    ended, pending = wait(pending, timeout=0.3, return_when=FIRST_COMPLETED)
                    if show:
                        show.update([(c, s, _read_progress(p)) for f, (c, s, p) in futures.items() if f in pending])
                    for future in ended:
                        chapter, seed, _ = futures[future]
                        try:
                            results[chapter, seed] = future.result()
                        except BrokenProcessPool:
                            if not alone:
                                continue  # it, or another in this pool, lost its worker: each gets a try of its own
                            results[chapter, seed] = Result(texts[chapter], "the process that ran it was killed")
                        waiting.remove((chapter, seed))
                        if all((chapter, s) in results for s in seeds):
                            runs = {s: results.pop((chapter, s)) for s in seeds}
                            outcomes[chapter] = settle(chapter, runs, preset, root, install, texts[chapter], output)
                            if show:
                                show.say(outcomes[chapter])
            except BaseException:
                for worker in multiprocessing.active_children():
                    worker.terminate()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
            alone = True
    return [outcomes[c] for c in chapters]


def settle(chapter, runs, preset, root, install, text, output):
    """Check the runs of one chapter (seed -> Result), stamp the first, store it. text: the notebook that was run."""
    import nbformat

    seeds = list(runs)
    seconds = sum(r.seconds for r in runs.values())
    made = {}
    for seed, result in runs.items():
        made[seed] = nbformat.reads(result.notebook, as_version=4)
        kept = root / ".genlib" / "failed" / f"{chapter.slug}-{preset}-{seed}.ipynb"
        faults = [result.error] if result.error else _faults(made[seed], result, preset, install, chapter)
        if faults:
            notebooks.write(kept.parent.parent / ".gitignore", "*\n")
            notebooks.write(kept, result.notebook)
            broken = "" if result.error else "breaks the contract: "
            more = f" (and {len(faults) - 4} more)" if len(faults) > 4 else ""
            note = f"{broken}{'; '.join(faults[:4])}{more} [kept: {kept.relative_to(root)}]"
            return Outcome(chapter, "failed", note, seconds)
        kept.unlink(missing_ok=True)
    first, result = made[seeds[0]], runs[seeds[0]]
    told = {k: result.measured[k] for k in ("device", "peak_memory_mb", "versions")}
    about = first.metadata.setdefault("genlib", nbformat.NotebookNode())
    about.pop("seeds", None)
    if seeds[1:]:
        about["seeds"] = [{"seed": s, "records": notebooks.records(made[s])} for s in seeds[1:]]
    about["stamp"] = stamp.make_stamp(first, preset=preset, seed=seeds[0], seconds=result.seconds, **told)
    if output is None and preset == "smoke":
        return Outcome(chapter, "passed", "nothing stored: smoke is for trying (--output DIR keeps it)", seconds)
    target = chapter.path if output is None else Path(output) / f"{chapter.name}.ipynb"
    if output is None and (not chapter.path.exists() or chapter.path.read_text(encoding="utf-8") != text):
        return Outcome(chapter, "failed", "it was edited while it ran, and is left as it is: run it again", seconds)
    notebooks.write(target, nbformat.writes(first) + "\n")
    verdicts = ", ".join(r["verdict"] for r in notebooks.records(first))
    return Outcome(chapter, "stored", f"{target if output else target.relative_to(root)}: {verdicts}", seconds)


def _faults(notebook, result, preset, install, chapter):
    import warnings

    import nbformat

    faults = notebooks.problems(notebook, install, chapter.name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing or a double cell id is only warned of
        try:
            nbformat.validate(notebook)
        except Exception as error:
            faults.append(f"it is no valid notebook: {str(error).splitlines()[0]}")
    if result.measured.get("preset") not in (None, preset):
        faults.append(f"it was asked to run {preset}, and ran {result.measured['preset']}")
    return faults


def _read_progress(path):
    """(cell, cells, heading) of a run, (0, 0, "") before its first cell."""
    try:
        at, total, heading = path.read_text(encoding="utf-8").split("\t")
        return int(at), int(total), heading
    except (OSError, ValueError):
        return 0, 0, ""


def _work(text, preset, seed, timeout, env, progress):
    try:
        return execute(text, preset, seed, timeout=timeout, env=env, progress=progress)
    except KeyboardInterrupt:  # a worker that is told to end is no Ctrl-C
        return Result(text, "the process that ran it was told to end")
    except Exception as error:
        return Result(text, f"it cannot be run: {_sentence(error, timeout)}")


def _in_worker():
    """Ctrl-C is the parent's to handle. It ends a worker with SIGTERM, and so does its own end: the kernel goes too."""

    def interrupt(*_):
        raise KeyboardInterrupt

    def follow_parent():
        multiprocessing.parent_process().join()
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, interrupt)
    threading.Thread(target=follow_parent, daemon=True).start()
