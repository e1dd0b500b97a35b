"""genlib: what the chapters of *Generative Models from First Principles* share, and none of them is about.

Data on the device, presets, the loop around the reader's step, plots, checks, claims, a few densities and metrics.
A chapter begins with ``run = genlib.start(preset, seed, smoke=..., cpu=..., gpu=...)``.
"""

import difflib
import importlib

__version__ = "0.1.0"
__all__ = ["check", "claim", "comparison", "cosine", "data", "dist", "exercise", "flows", "live", "metrics", "nets"]
__all__ += ["plots", "protocols", "start", "table"]

# Imported on first use, so that `genlib list` need not wait for torch.
_FROM = {"check": "checks", "claim": "claims.claim", "comparison": "claims.comparison", "cosine": "run.cosine"}
_FROM |= {"exercise": "exercises.Exercise", "live": "live_figures.live", "start": "run.start"}
_FROM |= {"table": "tables.table"}
_FROM |= {name: name for name in ("data", "dist", "flows", "metrics", "nets", "plots", "protocols")}


def did_you_mean(word, known):
    """A question in brackets for a word that is nearly one of those known, else nothing: the end of a sentence."""
    near = difflib.get_close_matches(str(word), known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def __getattr__(name):
    if name not in _FROM:
        raise AttributeError(f"module 'genlib' has no attribute {name!r}")
    module, _, attribute = _FROM[name].partition(".")
    value = importlib.import_module(f"genlib.{module}")
    return getattr(value, attribute) if attribute else value
