"""What this machine can do, and what to do about what it cannot."""

import importlib.util
import os
import platform
import re
import shutil
import sys
from importlib import metadata

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def examine():
    """A list of (what, state, advice): state is "ok", "absent" (something will not work) or "needed" (nothing will)."""
    found = [("python", *_python())]
    missing = _missing(None)
    found.append(
        ("genlib", "needed", f"{', '.join(missing)} not installed: run make book, or pip install -e .")
        if missing
        else ("genlib", "ok", f"{metadata.version('genlib')}, with all it imports")
    )
    for extra in ("course", "book", "test", "teach", "cluster"):
        absent = _missing(extra)
        advice = f"{', '.join(absent)} not installed: pip install -e '.[{extra}]'"
        found.append((f"extra {extra}", "absent", advice) if absent else (f"extra {extra}", "ok", "installed"))
    if importlib.util.find_spec("torch") is None:
        return [*found, ("torch", "needed", "not installed: run make book, or pip install torch torchvision")]
    return found + _torch() + _data() + [_browser()]


def _python():
    state = "ok" if sys.version_info >= (3, 11) else "needed"
    return state, f"{platform.python_version()}{'' if state == 'ok' else ': 3.11 or newer is needed'}"


def _missing(extra):
    """Distributions that genlib (extra None) or one of its extras asks for and that are not installed."""
    try:
        asked = metadata.requires("genlib") or []
    except metadata.PackageNotFoundError:
        return ["genlib"] if extra is None else []
    absent = []
    for line in asked:
        of = re.search(r"extra\s*==\s*['\"](\w+)['\"]", line)
        name = re.match(r"[\w.-]+", line)[0]
        if (of[1] if of else None) == extra and importlib.util.find_spec(name.replace("-", "_")) is None:
            try:
                metadata.version(name)
            except metadata.PackageNotFoundError:
                absent.append(name)
    return absent


def _torch():
    import torch

    cores, threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(), 0
    threads = torch.get_num_threads()
    found = [("torch", "ok", torch.__version__), ("processor", "ok", f"{cores} cores, {threads} threads in torch")]
    gpu = torch.cuda.is_available()
    if gpu:
        about = torch.cuda.get_device_properties(0)
        found.append(("GPU", "ok", f"{about.name}, {about.total_memory / 2**30:.0f} GB"))
    else:
        found.append(("GPU", "absent", "torch sees none: the presets smoke and cpu work here; Colab lends a GPU"))
    found.append(("preset smoke", "ok", "seconds a chapter, no network"))
    found.append(("preset cpu", "ok", "minutes a chapter: genlib list shows what each stored run took, and on what"))
    large = gpu and about.total_memory / 2**30 > 30
    time = f"made for {2 if large else 10} min a chapter on {'a data-centre GPU' if large else 'a small one'}"
    found.append(("preset gpu", "ok", time) if gpu else ("preset gpu", "absent", "needs a CUDA GPU, see above"))
    return found


def _data():
    from .. import data

    found = [("data", "ok", "digits and the 2-D toys need no download")]
    given = os.environ.get("GENLIB_DATA")
    if given and not os.path.isdir(os.path.expanduser(given)):
        found.append(("GENLIB_DATA", "absent", f"{given} is no folder: set it to the one that holds MNIST/raw"))
    elif given and not any(os.path.isdir(os.path.join(os.path.expanduser(given), n, "raw")) for n in data.PUBLISHED):
        found.append(("GENLIB_DATA", "absent", f"{given} holds none of MNIST/raw and its kin: set it to their folder"))
    place = data.cache()
    if data.published.keep(place / ".probe", b"?" * 4096):
        (place / ".probe").unlink(missing_ok=True)
        found.append(("cache", "ok", str(place)))
    else:
        advice = "cannot be written: all works without; set XDG_CACHE_HOME to a folder that can, to download once only"
        found.append(("cache", "absent", f"{place} {advice}"))
    for folder in ("MNIST", "FashionMNIST"):
        raw = data.find(folder)
        advice = "not here: fetched on first use where there is a network, else set GENLIB_DATA to a folder that has it"
        found.append((folder, "ok", str(raw)) if raw else (folder, "absent", advice))
    return found


def _browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    advice = "not found: the browser tests need Chromium (apt-get install chromium)"
    return ("browser", "ok", path) if path else ("browser", "absent", advice)
