"""The preset gpu where there is no GPU: does it run, and what would it cost?

    python -m genlib.course.author.rehearse NOTEBOOK PRESET      a JSON of what was seen, in a process of its own

Every cell is executed on the pretend device, data and sizes as they are. Each fit makes two steps, of which the second
is counted, and its history is padded to full length; operations too dear for this machine are done on shapes alone.
Fits of scikit-learn are cut short too: what they take of the host is not in the projection.
"""

import contextlib
import inspect
import json
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch

from .. import notebooks, stamp
from .costs import DEVICES, Tally
from .dry_run import Fault, code_cells, run_cells
from .shapes import CELL_SECONDS, Shapes

# The others may come of numbers that are not there: of a check that then fails nothing is heard (``lenient_checks``).
SURE = ("Wait", "WrongDevice", "NoKernel", "TypeError", "CheckFailed")
CELL_TIMEOUT = 180  # seconds of one core for one cell
STEPS = 2


class Slow(Exception):
    """A cell took too long here. No RuntimeError: those are what torch raises for want of a rule (shapes.py)."""


class Rehearsal(Shapes):
    """fits: {label, steps, batch, captured, tally of one step} of each fit; excused: how many checks failed after a fit
    was cut, on numbers that no training made; stand_ins: what stands for data that is not there."""

    def __init__(self):
        super().__init__()
        self.fits, self.excused, self.stand_ins, self.host = [], 0, [], 0.0

    def unreal(self):
        return bool(self.fits) or self.read > 0


def short_fits(rehearsal):
    """``Run.fit`` with two steps, the second counted, a history as long as asked for, and what ``at`` asks for."""
    from ...run import Run

    whole = Run.fit

    def fit(run, step, source, *, steps, label="fit", batch=128, at=None, graph=True, **settings):
        tally, made = Tally(), min(STEPS, steps)
        settings.pop("checkpoint", None)
        counting = contextlib.ExitStack()
        looks = {made - 1: lambda: counting.enter_context(rehearsal.counted(tally)), made: counting.close}
        with rehearsal.counted(False), counting:
            history = whole(run, step, source, steps=made, label=label, batch=batch, at=looks if made else None,
                            graph=graph, **settings)  # fmt: skip
        lengthen(history, steps, at)
        rehearsal.fits.append({"label": label, "steps": steps, "batch": batch, "captured": graph, "tally": tally})
        return history

    return patched((Run, "fit", fit))


def lengthen(history, steps, at):
    """Give the history of a fit that was cut the length asked for, and what ``at`` asks for, seen after the cut."""
    history.at = {}
    for number, look in (at or {}).items():
        with torch.no_grad():
            history.at[number] = _to_cpu(look())
    for name, values in history.items():
        history[name] = torch.cat([values, values[-1:].expand(steps - len(values))])


def _to_cpu(found):
    if isinstance(found, dict):
        return {k: _to_cpu(v) for k, v in found.items()}
    return found.detach().to("cpu", copy=True) if torch.is_tensor(found) else found


@contextlib.contextmanager
def patched(*changes):
    before = [(thing, name, getattr(thing, name)) for thing, name, _ in changes]
    for thing, name, new in changes:
        setattr(thing, name, new)
    try:
        yield
    finally:
        for thing, name, old in before:
            setattr(thing, name, old)


def lenient_checks(rehearsal):
    """A check that fails on numbers that no training made says nothing."""
    from ... import check

    def lenient(asked):
        def ask(*args, **named):
            try:
                return asked(*args, **named)
            except AssertionError:
                if not rehearsal.unreal():
                    raise
                rehearsal.excused += 1

        return ask

    asked = inspect.getmembers(check, lambda f: inspect.isfunction(f) and f.__module__ == check.__name__)
    return patched(*((check, name, lenient(f)) for name, f in asked if not name.startswith("_")))


def absent_data(rehearsal):
    """Shapes in the place of dSprites where it is not; the others have no size that a stand-in could know."""
    from ... import data
    from ...data.rendered import SIZES

    published = data.dsprites

    def dsprites(device="cpu"):
        try:
            return published(device)
        except data.DataError:
            rehearsal.stand_ins.append("dSprites")
            images = rehearsal.tensor(torch.empty(*SIZES, 64, 64, dtype=torch.uint8, device="meta"))
            return lambda v: images[tuple(v.long().to(device).T)][:, None].float()

    return patched((data, "dsprites", dsprites))


def short_estimators(rehearsal):
    """scikit-learn's fits, on the host, with few iterations: on stand-ins they would take longer than on true codes."""
    from sklearn.cluster import KMeans
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.mixture import GaussianMixture

    def short(whole, limits):
        def fit(self, *args, **named):
            for name, most in limits.items():
                setattr(self, name, min(getattr(self, name), most))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that they did not converge
                return whole(self, *args, **named)

        return fit

    limits = {LogisticRegression: {"max_iter": 5}, GaussianMixture: {"max_iter": 1, "n_init": 1}}
    limits |= {KMeans: {"max_iter": 2}, RandomForestClassifier: {"n_estimators": 2}}
    return patched(*((kind, "fit", short(kind.fit, of)) for kind, of in limits.items()))


@contextlib.contextmanager
def changed(rehearsal):
    """All that a rehearsal changes of genlib; its cache is one that is thrown away, for what it makes is no result."""
    from ...metrics import features

    with contextlib.ExitStack() as around:
        folder = Path(around.enter_context(tempfile.TemporaryDirectory(prefix="genlib-rehearsal-")))
        around.enter_context(patched((features, "cache", lambda: folder)))
        for change in (short_fits, lenient_checks, absent_data, short_estimators):
            around.enter_context(change(rehearsal))
        yield


def observe(notebook, preset, seed=0, tell=lambda line: None):
    """One preset on the pretend device: {faults, unsure, fits, …} as JSON could hold it. It changes the process."""
    rehearsal = Rehearsal()
    sources, sound = list(code_cells(notebook, preset, seed)), set()  # sound: cells that saw true numbers alone

    def too_slow(*_):
        raise Slow(f"it took more than {CELL_TIMEOUT} s here")

    def watched():
        nonlocal sound
        for name, source in sources:
            rehearsal.left, begun, spent, fits = CELL_SECONDS, time.process_time(), rehearsal.spent, len(rehearsal.fits)
            signal.setitimer(signal.ITIMER_PROF, CELL_TIMEOUT)
            yield name, source
            signal.setitimer(signal.ITIMER_PROF, 0)
            took = time.process_time() - begun
            if len(rehearsal.fits) == fits:  # in the others genlib's loop and the chapter's code cannot be told apart
                rehearsal.host += max(0.0, took - (rehearsal.spent - spent))
            sound |= set() if rehearsal.unreal() else {name}
            tell(f"{name}: {took:.1f} s, {len(rehearsal.fits) - fits} fits")

    before = signal.signal(signal.SIGPROF, too_slow)
    try:
        found = run_cells(watched(), rehearsal, settle=changed)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    faults = [f for f in found if f.kind in SURE or f.cell in sound]
    seconds = {name: total(rehearsal, name) for name, device in DEVICES.items() if device.preset == preset}
    return {
        "preset": preset,
        "faults": [asdict(f) for f in faults],
        "unsure": [asdict(f) for f in found if f not in faults],
        "excused": rehearsal.excused,
        "stand_ins": sorted(set(rehearsal.stand_ins)),
        "memory_mb": round(rehearsal.peak_memory / 2**20),
        "host_seconds": round(rehearsal.host, 1),
        "seconds": seconds,
        "outside": asdict(rehearsal.outside),
        "fits": [{**fit, "tally": asdict(fit["tally"])} for fit in rehearsal.fits],
    }


def total(rehearsal, name):
    """Projected seconds on a device: all steps of all fits, what lies outside of them, and the host's own."""
    fits = sum(f["steps"] * per_step(f, name) for f in rehearsal.fits)
    return round(fits + rehearsal.outside.eager[name] + rehearsal.host, 1)


def per_step(fit, name):
    tally = fit["tally"]
    captured = fit["captured"] and DEVICES[name].preset == "gpu"
    return (tally.captured if captured else tally.eager)[name]


def rehearse(path, presets=("gpu", "cpu"), verbose=False):
    """{preset: what ``observe`` saw} of a notebook, each preset in a process of its own. Raises CourseError."""
    seen = {}
    for preset in presets:
        command = [sys.executable, "-m", "genlib.course.author.rehearse", str(path), preset, *["--verbose"] * verbose]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=None if verbose else subprocess.PIPE, text=True)
        if done.returncode:
            last = ((done.stderr or "").strip() or "it died, perhaps for want of memory").splitlines()[-1]
            raise notebooks.CourseError(f"{path}: the rehearsal of the preset {preset} broke off: {last}")
        seen[preset] = json.loads(done.stdout)
    return seen


def record(notebook, seen):
    """Put into the notebook's metadata what a rehearsal saw, and return it. It holds the main fit alone, the one that
    takes longest; nothing is kept of a chapter with faults."""
    gpu = seen["gpu"]
    told = {"code": stamp.code_hash(notebook), "date": datetime.now(UTC).date().isoformat()}
    told["seconds"] = {name: s for preset in seen.values() for name, s in preset["seconds"].items()}
    told |= {k: gpu[k] for k in ("memory_mb", "stand_ins", "excused")}
    told["unsure"] = [f"{f['cell']}: {f['kind']}" for f in gpu["unsure"]]
    told["fits"] = len(gpu["fits"])
    if gpu["fits"]:
        main = max(gpu["fits"], key=lambda f: f["steps"] * f["tally"]["captured"]["H200"])
        told["main"] = {k: main[k] for k in ("label", "steps", "batch")}
        told["main"] |= {k: main["tally"][k] for k in ("flops", "bytes", "kernels")}
    told["shares"] = {n: [d.rate_share, d.bandwidth_share] for n, d in DEVICES.items()}
    notebook["metadata"].setdefault("genlib", {})["rehearsal"] = told
    return told


def report(name, notebook, seen, told, verbose=False):
    """What to print of a rehearsal, in lines."""
    for preset, of in seen.items():
        for fault in of["faults"]:
            yield f"{name}, preset {preset}: {Fault(**fault)}"
        for fault in of["unsure"]:
            yield f"{name}, preset {preset}: could not be followed without true numbers: {Fault(**fault)}"
        fits = sorted(of["fits"], key=lambda f: -f["steps"] * f["tally"]["eager"]["core"])
        for fit in fits if verbose else ():
            tally, times = fit["tally"], fit["tally"]["captured"] if preset == "gpu" else fit["tally"]["eager"]
            told_of = ", ".join(f"{n} {1e3 * times[n]:.3g} ms" for n, d in DEVICES.items() if d.preset == preset)
            yield f"  {fit['label']}: {fit['steps']:,} steps of {fit['batch']}, each {amount(tally)}: {told_of}"
    gpu, cpu = seen["gpu"], seen["cpu"]
    if gpu["faults"] or cpu["faults"]:
        yield f"{name}: it would not run; nothing is stored of it."
        return
    yield f"{name} runs: {told['fits']} fits, peak memory {told['memory_mb']:,} MB on the device"
    if "main" in told:
        yield f"  {told['main']['label']}: {told['main']['steps']:,} steps, each {amount(told['main'])}"
    if told["stand_ins"]:
        yield f"  not here, shapes alone stood for it: {', '.join(told['stand_ins'])}"
    yield "  projected: " + ", ".join(
        f"{d.title} {told['seconds'][n]:.0f} s (preset {d.preset})" for n, d in DEVICES.items()
    )
    run = stamp.stamp_of(notebook)
    if run.get("preset") in ("cpu", "gpu"):
        known = told["seconds"]["core" if run["preset"] == "cpu" else "H200"]
        yield f"  the stored run took {run['seconds']:.0f} s on {run['device']}: projected / measured " + (
            f"{known / run['seconds']:.2f}"
        )


def amount(tally):
    """ "1.2 GFLOP, 340 MB, 84 kernels"."""
    return f"{scaled(tally['flops'])}FLOP, {scaled(tally['bytes'])}B, {tally['kernels']} kernels"


def scaled(number):
    """A number with three digits and the prefix of its unit, "1.2 G"."""
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {prefix}"
    return f"{number:.3g} "


def main(words):
    path, preset, *more = words
    torch.set_num_threads(1)
    tell = (lambda line: print(line, file=sys.stderr, flush=True)) if "--verbose" in more else (lambda line: None)
    print(json.dumps(observe(notebooks.read(Path(path)), preset, tell=tell)))


if __name__ == "__main__":
    main(sys.argv[1:])
