"""genlib: what the chapters of *Generative Models from First Principles* share, and none of them is about.

Data on the device, presets, the loop around the reader's step, plots, checks, claims, a few densities and metrics.
A chapter begins with ``run = genlib.start(preset, seed, smoke=..., cpu=..., gpu=...)``.
"""

import importlib

__version__ = "0.1.0"
__all__ = ["check", "claim", "cosine", "data", "dist", "metrics", "plots", "start"]

# Submodules are imported on first use, so that `genlib list` need not wait for torch.
_FROM = {
    "check": ("genlib.checks", None),
    "claim": ("genlib.claims", "claim"),
    "cosine": ("genlib.run", "cosine"),
    "data": ("genlib.data", None),
    "dist": ("genlib.dist", None),
    "metrics": ("genlib.metrics", None),
    "plots": ("genlib.plots", None),
    "start": ("genlib.run", "start"),
}


def __getattr__(name):
    if name not in _FROM:
        raise AttributeError(f"module 'genlib' has no attribute {name!r}")
    module, attribute = _FROM[name]
    value = importlib.import_module(module)
    return getattr(value, attribute) if attribute else value
