"""What a run took and where, asked in the chapter's own kernel when its cells are done. The standard library alone."""

import json
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

from ... import __version__


def measure(run=None):
    """Preset, device, peak memory in MB and versions, as JSON. run: the chapter's Run.

    The memory is the GPU's where the run used one, else the process's.
    """
    torch = sys.modules.get("torch")
    if torch is not None and getattr(getattr(run, "device", None), "type", "cpu") == "cuda":
        device, peak = torch.cuda.get_device_name(), torch.cuda.max_memory_allocated() // 2**20
    else:
        threads = torch.get_num_threads() if torch is not None else os.cpu_count()
        device, peak = f"{_cpu()}, {threads} thread{'s' * (threads > 1)}", _peak_rss()
    versions = {"python": platform.python_version(), "genlib": __version__}
    for name in ("torch", "torchvision", "numpy"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return json.dumps(
        {"preset": getattr(run, "preset", None), "device": device, "peak_memory_mb": peak, "versions": versions}
    )


def _cpu():
    try:
        return re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1].strip()
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


def _peak_rss():
    """This process's largest resident memory in MB; None where the system does not tell."""
    try:  # not getrusage on Linux: its figure is inherited from the process that started this one
        return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) // 1024
    except (OSError, TypeError):
        pass
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 1024)
