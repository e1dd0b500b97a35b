"""One run of a chapter: the text of a notebook in, a Result out, nothing left behind."""

import contextlib
import importlib.util
import json
import logging
import os
import signal
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from .. import notebooks, stamp

_MEASURE = "genlib-measure"


@dataclass
class Result:
    """One run: the executed notebook as text, why it failed ("" if not), seconds, and what was measured."""

    notebook: str
    error: str = ""
    seconds: float = 0.0
    measured: dict = field(default_factory=dict)


def execute(source, preset, seed, timeout=None, env=None, *, tell=None, stopped=None, folder=None):
    """Run a notebook's text with a preset and a seed in a kernel of this interpreter, and return the Result.

    timeout: seconds for the whole chapter. env: more environment variables for the kernel. tell: called with (cell,
    cells, heading) as the run goes on. stopped: asked twice a second; where it says True the kernel is ended. folder:
    where its scratch lies meanwhile. Works in any thread. An error in the notebook is part of the Result; what goes
    wrong before its first cell is raised.
    """
    import nbformat
    import papermill
    from traitlets.config import Config

    for name in ("papermill", "asyncio"):  # what they would warn of is in the Result
        logging.getLogger(name).setLevel(logging.CRITICAL)
    notebook = nbformat.reads(source, as_version=4)
    here, _ = notebooks.headings(notebook)
    total = len(notebook.cells)
    for cell in notebooks.code_cells(notebook):
        cell.outputs = []  # of another run
    parameters = next((i for i, c in enumerate(notebook.cells) if "parameters" in notebooks.tags(c)), -1)
    ask = "from genlib.course.author.measure import measure\nprint(measure(globals().get('run')))"
    notebook.cells.append(nbformat.v4.new_code_cell(ask, metadata={"tags": [_MEASURE]}))
    begun, at, error = time.monotonic(), 0, ""
    first = last = None  # when the first cell began, and the latest
    ran = []  # the cells so far, with their outputs

    def on_cell_start(cell, cell_index):
        nonlocal at, first, last
        last = time.monotonic()
        ran.append(cell)
        first = first or last
        if _MEASURE not in notebooks.tags(cell):
            at = cell_index - (parameters < cell_index)  # the injected cell stands behind the parameters
            if tell:
                tell(at + 1, total, here[at])

    with tempfile.TemporaryDirectory(prefix="genlib-run-", dir=folder) as scratch:
        scratch = Path(scratch)
        before, after, empty = scratch / "in.ipynb", scratch / "out.ipynb", scratch / "empty"
        empty.mkdir()
        before.write_text(nbformat.writes(notebook), encoding="utf-8")
        kernel_env = environment(scratch) | (env or {})
        manager = _this_interpreter(kernel_env, empty, scratch / "stderr")
        # Kernels encrypt if they can and say nothing if they cannot.
        kernel = {"transport_encryption": "auto", "connection_file": str(scratch / "kernel.json")}
        over = threading.Event()
        if stopped:
            threading.Thread(target=_end_when, args=(stopped, over, manager), daemon=True).start()
        try:
            papermill.execute_notebook(
                before,
                after,
                parameters={"preset": preset, "seed": seed},
                kernel_name="python3",
                language="python",
                progress_bar=False,
                request_save_on_cell_execute=False,  # twice a cell, and the whole notebook: seconds of every run
                timeout_func=lambda cell: max(1, round(begun + timeout - time.monotonic())) if timeout else None,
                on_cell_start=on_cell_start,
                kernel_manager_class=manager,
                config=Config({"KernelManager": kernel}),
            )
        except Exception as failure:  # the notebook's own, a timeout, a dead kernel: all are this run's result
            if first is None or (stopped and stopped()):
                raise
            last = time.monotonic()
            error = f"cell {at + 1} of {total}{f' ({here[at]})' if here[at] else ''}: {sentence(failure, timeout)}"
        finally:
            over.set()
        executed = nbformat.read(after, as_version=4) if after.exists() else notebook
        if executed is notebook:  # the kernel died, or its time was up
            executed.cells = [*ran, *notebook.cells[at + 1 :]]
    told = next((c for c in executed.cells if _MEASURE in notebooks.tags(c)), None)
    executed.cells = [c for c in executed.cells if c is not told]
    measured = json.loads(told.outputs[0].text) if told is not None and told.outputs and not error else {}
    text = nbformat.writes(notebooks.clean(executed)) + "\n"
    return Result(text, error, (last or begun) - (first or begun), measured)


def environment(scratch):
    """What a kernel finds in its environment in place of the caller's, so that the run is the chapter's: threads (one,
    unless OMP_NUM_THREADS says how many), backend and settings of figures, and nothing that Python is told to do."""
    threads = (os.environ.get("OMP_NUM_THREADS") or "1").split(",")[0]
    env = {"GENLIB_PUBLISH": "1", "GENLIB_PRESET": "", "IPYTHONDIR": str(scratch / "ipython")}
    env |= {f"{name}_NUM_THREADS": threads for name in ("OMP", "MKL", "OPENBLAS")}
    env |= {f"PYTHON{name}": "" for name in ("OPTIMIZE", "STARTUP", "WARNINGS")} | {"PYTHONHASHSEED": "0"}
    env |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    if found := importlib.util.find_spec("matplotlib"):
        env["MATPLOTLIBRC"] = str(Path(found.origin).parent / "mpl-data" / "matplotlibrc")
    home = os.environ.get("MPLCONFIGDIR") or os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~")
    if not os.access(home, os.W_OK):  # matplotlib would say so on stderr
        env["MPLCONFIGDIR"] = str(scratch)
    return env


def _this_interpreter(env, folder, stderr):
    """A kernel manager for this very Python, whatever kernels are installed under the name python3, in a folder.

    What its libraries write past Python goes into the file ``stderr``: ZeroMQ now and then fails an assertion of its
    own as a kernel ends, when all is stored. What a cell writes is caught by the kernel before.
    """
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    package = Path(stamp.__file__).parent.parent
    if package.name not in ("site-packages", "dist-packages"):  # the genlib that runs is the genlib that is hashed
        env = {**env, "PYTHONPATH": os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))}
    spec = get_kernel_dict()  # of sys.executable
    spec["argv"].append("--log-level=CRITICAL")  # what a kernel says of itself as it is ended is nobody's business

    class ThisInterpreter(AsyncKernelManager):
        started = []

        @property
        def kernel_spec(self):
            return KernelSpec(env=env, **spec)

        async def _async_start_kernel(self, **kw):
            self.started.append(self)
            with open(stderr, "ab") as file:
                kw |= {"cwd": str(folder), "stderr": file}  # papermill would move this whole process to the folder
                await super()._async_start_kernel(**kw)

        start_kernel = _async_start_kernel

    return ThisInterpreter


def _end_when(stopped, over, manager):
    """Kill the kernel, and what it started, when ``stopped()``; the run then ends by itself."""
    while not over.wait(0.5):
        if stopped():
            for kernel in manager.started:
                with contextlib.suppress(AttributeError, TypeError, OSError):  # not there yet, or not any more
                    os.killpg(kernel.provisioner.pgid, signal.SIGKILL)


def sentence(failure, timeout=None):
    """What went wrong, in a line."""
    kind = type(failure).__name__
    if kind == "PapermillExecutionError":
        return f"{failure.ename}: {(failure.evalue.strip() or '(no message)').splitlines()[0]}"
    if kind == "CellTimeoutError":
        return f"the chapter took longer than {timeout:g} s"
    if kind == "DeadKernelError":
        return "the kernel died, perhaps for want of memory"
    return f"{kind}: {(str(failure).strip() or '(no message)').splitlines()[0]}"
