"""Where the runs of chapters take place: in one worker process, or on the workers of a Dask cluster.

An engine is a context: ``submit(key, *task)`` takes what ``execute`` takes; ``ended(seconds)`` waits at most so long
and returns the (key, Result) of the tasks that ended since; ``at`` tells (cell, cells, heading) of those that run. A
worker that dies loses its own try alone, and the task is tried again. Nothing is stored here: that is the caller's.
"""

import asyncio
import collections
import concurrent.futures
import contextlib
import itertools
import logging
import multiprocessing.resource_tracker
import os
import signal
import threading
import time
import uuid
import warnings

from .. import notebooks, stamp
from .one_run import Result, execute, sentence

TRIES = 3  # of a task whose worker dies each time
PATIENCE = 8  # seconds for a scheduler to answer


class SchedulerGone(notebooks.CourseError):
    status = 1

    def __init__(self):
        super().__init__("The scheduler is gone: what had ended by then is stored, the rest is not.")


class OneProcess:
    """Tasks one after the other in one worker process, made anew when it dies. Needs nothing beyond Python."""

    def __init__(self):
        self.waiting, self.at, self.worker, self.now = collections.deque(), {}, None, None

    def submit(self, key, *task):
        self.waiting.append((key, task, 1))

    def ended(self, seconds):
        if self.now is None and self.waiting:
            if self.worker is None:
                spawn = multiprocessing.get_context("spawn")
                self.pipe, theirs = spawn.Pipe()
                self.worker = spawn.Process(target=_serve, args=(theirs,))
                self.worker.start()
                theirs.close()  # so that its death is the end of the pipe
            self.now = self.waiting.popleft()
            with contextlib.suppress(OSError):  # it died while it was idle: seen below
                self.pipe.send(self.now[1])
        key, task, tries = self.now
        try:
            told = self.pipe.recv() if self.pipe.poll(seconds) else self.at.get(key, (0, 0, ""))
        except (EOFError, OSError):
            self.stop()
            if tries < TRIES:
                self.waiting.appendleft((key, task, tries + 1))
                self.now = None
                return []
            told = Result(task[0], f"the process that ran it was killed, {TRIES} times")
        if not isinstance(told, Result):
            self.at[key] = told
            return []
        self.at.pop(key, None)
        self.now = None
        return [(key, told)]

    def stop(self):
        """Close the pipe: the worker ends its kernel, and itself."""
        self.pipe.close()
        self.worker.join(20)
        self.worker.kill()
        self.worker = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.worker:
            self.stop()


def _serve(pipe):
    """The worker process: tasks in, Results out, until the pipe is closed by the other end or by its death."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to handle
    stopped = threading.Event()

    def work(task):
        with contextlib.suppress(OSError):  # nobody listens any more
            try:
                result = execute(*task, tell=lambda *at: pipe.send(at), stopped=stopped.is_set)
            except Exception as error:
                result = Result(task[0], f"it cannot be run: {sentence(error)}")
            pipe.send(result)

    with contextlib.suppress(EOFError, OSError):
        while True:
            threading.Thread(target=work, args=(pipe.recv(),)).start()
    stopped.set()


class Cluster:
    """Tasks on Dask workers: ``jobs`` of them on this machine, or those of the scheduler at an address.

    share: the part of a GPU that a task takes, or None. Workers of a scheduler offer theirs as the resource GPU; on
    this machine there are no more workers than shares. Raises CourseError.

    When a worker dies, Dask holds it against every task that it had, those that waited there too. So no more are
    submitted than can run, and a task that lost its worker TRIES times is judged alone: at the end, with no other.
    """

    def __init__(self, jobs=1, scheduler=None, share=None, gpus=()):
        try:
            import dask
            from dask.distributed import Client, LocalCluster
        except ImportError:
            raise notebooks.CourseError(
                "--jobs and --scheduler need the extra 'cluster': pip install -e '.[cluster]' in the project's folder; "
                "without them the chapters run one after the other."
            ) from None
        self.at, self.keys, self.futures, self.address, self.gpus = {}, {}, {}, scheduler, gpus
        self.waiting, self.suspects = collections.deque(), collections.deque()
        self.others, self.idle, self.count = set(), False, itertools.count()  # others: workers with another genlib
        self.id, self.core = uuid.uuid4().hex[:8], _core()
        self.resources = {"GPU": share} if share and scheduler else None
        self.open = contextlib.ExitStack()
        with contextlib.ExitStack() as opened:
            settings = {"scheduler.allowed-failures": TRIES - 1, "nanny.pre-spawn-environ": {}}
            settings |= {"worker.profile.enabled": False}  # it looks a hundred times a second, in every process
            settings = {f"distributed.{k}": v for k, v in settings.items()} | {"logging": {"distributed": "critical"}}
            opened.enter_context(dask.config.set(settings))
            for name in ("distributed", "distributed.client"):  # what fails is told in a sentence
                logging.getLogger(name).setLevel(logging.CRITICAL)
            if not scheduler:
                if share and gpus:
                    jobs = max(1, min(jobs, int(len(gpus) / share)))
                options = {"threads_per_worker": 1, "dashboard_address": None, "memory_limit": 0}
                options |= {"preload": [_DEAF], "silence_logs": logging.CRITICAL}
                with _undisturbed(), warnings.catch_warnings():
                    # Another cluster on this machine has the usual port: it takes the next.
                    warnings.filterwarnings("ignore", "(?s)Port .* is already in use")
                    cluster = LocalCluster(n_workers=jobs, **options)
                    self.address = opened.enter_context(cluster).scheduler_address
            else:
                _find(scheduler)
            self.client = opened.enter_context(Client(self.address, timeout=PATIENCE, set_as_default=False))
            self.client.subscribe_topic(self.id, self.hear)
            self.look_at_workers()
            self.open = opened.pop_all()

    def look_at_workers(self):
        """Wait for the first worker, and refuse what could not end well. Who joins later is looked at by each task."""
        if not self.workers():
            print(f"waiting for a worker to join {self.address} (Ctrl-C gives up)", flush=True)
            try:
                self.client.wait_for_workers(1)
            except OSError:
                raise SchedulerGone from None
        if self.resources and not any("GPU" in w["resources"] for w in self.workers().values()):
            raise notebooks.CourseError(
                f'No worker of {self.address} offers a GPU: start it with dask worker --resources "GPU=1".'
            )
        try:
            told = self.client.run(_core, on_error="return")
        except Exception as error:  # a worker that cannot even read the question
            told = {"the workers": error}
        for worker, core in told.items():
            if isinstance(core, Exception):
                raise notebooks.CourseError(f"{worker} cannot run chapters: {sentence(core)}.")
            if core != self.core:
                raise notebooks.CourseError(f"{worker} has {_OTHER}.")

    def workers(self):
        """Those of now. client.scheduler_info knows for a moment, every two seconds, of none."""
        try:
            return self.client.sync(self.client.scheduler.identity)["workers"]
        except OSError:
            raise SchedulerGone from None

    def hear(self, event):
        name, at = event[1]
        if name in self.keys:  # else it is a late word of a task that has ended
            self.at[self.keys[name]] = at

    def submit(self, key, *task):
        self.waiting.append((key, task, False))

    def feed(self):
        """Submit as many of the waiting tasks as there is room for; then the suspects, one after the other."""
        room = self.room()
        if not room and not self.idle:
            print(f"no worker is left at {self.address}: waiting for one to join (Ctrl-C gives up)", flush=True)
        self.idle = not room
        while self.waiting and len(self.futures) < room:
            self.start(*self.waiting.popleft())
        if self.suspects and not self.futures and not self.waiting:
            self.start(*self.suspects.popleft())

    def room(self):
        share = (self.resources or {}).get("GPU")
        room = lambda w: min(w["nthreads"], int(w["resources"].get("GPU", 0) / share)) if share else w["nthreads"]
        return sum(room(w) for address, w in self.workers().items() if address not in self.others)

    def start(self, key, task, suspect):
        name = f"{key[0].name}:{key[1]}:{self.id}-{next(self.count)}"
        told = {"key": name, "pure": False, "retries": TRIES - 1, "resources": self.resources}
        if self.others:
            told |= {"workers": [w for w in self.workers() if w not in self.others], "allow_other_workers": True}
        future = self.client.submit(_on_worker, self.id, self.core, self.gpus, task, **told)
        self.futures[future], self.keys[name] = (name, task, suspect), key

    def ended(self, seconds):
        self.feed()
        until, found = time.monotonic() + seconds, []
        while not (done := [f for f in self.futures if f.done()]) and time.monotonic() < until:
            time.sleep(0.05)
        for future in done:
            name, task, suspect = self.futures.pop(future)
            key = self.keys.pop(name)
            self.at.pop(key, None)
            if future.cancelled():  # by nobody here
                raise SchedulerGone
            error = future.exception()
            killed = type(error).__name__ == "KilledWorker"
            result = None if error else future.result()
            if isinstance(result, str):  # the address of a worker that joined late
                if result not in self.others:
                    print(f"{result} is passed over: it has {_OTHER}", flush=True)
                self.others.add(result)
                (self.suspects if suspect else self.waiting).appendleft((key, task, suspect))
            elif result:
                found.append((key, result))
            elif killed and not suspect:
                self.suspects.append((key, task, True))
            else:
                why = (
                    "the process that ran it was killed, alone too"
                    if killed
                    else f"it cannot be run: {sentence(error)}"
                )
                found.append((key, Result(task[0], why)))
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.cancel(list(self.futures))
        self.open.close()


@contextlib.contextmanager
def _undisturbed():
    """Ctrl-C waits until the end of this, here and in the processes that begin meanwhile."""
    multiprocessing.resource_tracker.ensure_running()  # its start would let Ctrl-C through again
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _find(address):
    """Raise CourseError where no scheduler answers; a client that fails to be made would leave noise behind."""
    from distributed.comm import connect
    from distributed.core import send_recv

    async def ask():
        comm = await asyncio.wait_for(connect(address), PATIENCE)
        kind = (await asyncio.wait_for(send_recv(comm, op="identity", reply=True), PATIENCE))["type"]
        comm.abort()
        if kind != "Scheduler":
            raise ValueError(f"a {kind.lower()} does")

    try:
        with concurrent.futures.ThreadPoolExecutor(1) as thread:  # the caller's may have a loop already
            thread.submit(lambda: asyncio.run(ask())).result()
    except Exception as error:  # silence, something else that listens there, an address that is none
        why = f" ({error})" if isinstance(error, ValueError) else ""
        raise notebooks.CourseError(f"No Dask scheduler answers at {address}{why}.") from None


def gpus():
    """The GPUs of this machine, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]


# What a worker of this machine does first: Ctrl-C, which a terminal sends to all processes, is the caller's to handle.
_DEAF = """\
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
"""
_OTHER = "another genlib than this machine: install the same one on both (a chapter's stamp names one)"


def _core(alone=threading.Lock()):  # noqa: B008  (one for the process: Python 3.11 does not parse in two threads)
    with alone:
        return stamp.genlib_hash()


def _on_worker(topic, core, gpus, task):
    """A task, on a worker: its kernel ends when the task is cancelled, the client gone or the worker told to end."""
    from dask.distributed import get_worker

    if _core() != core:
        return get_worker().address
    worker, name = get_worker(), get_worker().get_current_task()
    os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)  # Dask's, for its workers: it makes torch on a CPU slower
    *task, env = task
    if len(gpus) > 1:
        env = env | {"CUDA_VISIBLE_DEVICES": gpus[int(worker.name) % len(gpus)]}

    def stopped():
        state = worker.state.tasks.get(name)
        return state is None or state.state == "cancelled" or worker.status.name.startswith("clos")

    tell = lambda *at: worker.log_event(topic, (name, at))
    return execute(*task, env, tell=tell, stopped=stopped, folder=worker.local_directory)
