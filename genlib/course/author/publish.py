"""Running chapters and storing what they came to: the stored notebook is replaced when everything held.

``run_all`` hands one run after the other (see ``one_run``) to an engine (see ``engines``) and settles each chapter as
its results come in: checked and stored here alone, whole and once.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from .. import meter, notebooks, results, stamp
from . import rules, spine
from .engines import OneProcess


@dataclass
class Outcome:
    """What became of one chapter: "stored", "passed" (nothing was to be stored) or "failed", and a note."""

    chapter: notebooks.Chapter
    what: str
    note: str
    seconds: float = 0.0


def done(notebook, preset, seeds=None):
    """Whether the stored run of a notebook (a dict) is what ``run`` with this preset and these seeds would bring:
    its code is unchanged, its preset is the same or a larger one (smoke < cpu < gpu), and it has all the seeds."""
    stored, order = stamp.stamp_of(notebook), notebooks.PRESETS.index
    if stamp.status(notebook) != "fresh" or order(stored["preset"]) < order(preset):
        return False
    others = notebook["metadata"]["genlib"].get("seeds", [])
    return set(seeds or ()) <= {stored["seed"], *(o["seed"] for o in others)}


def run_all(chapters, preset, seeds, *, root, engine=None, timeout=None, output=None, show=None, env=None):
    """Run chapters, each with every seed, and return their Outcomes. A chapter that fails does not stop the others.

    chapters: list of Chapters. preset: smoke, cpu or gpu. engine: where they run (default: in one worker process).
    output: a folder for the results in place of ``chapters/``; without it smoke runs are not stored. show: an object
    with ``update(running)`` and ``say(outcome)``. env: environment variables for the kernels. On KeyboardInterrupt the
    kernels end and nothing more is stored. What breaks a rule of the format is not stored in the book: it is not even
    run if that can be seen before.
    """
    install = notebooks.install_source(root)
    texts = {c: c.path.read_text(encoding="utf-8-sig") for c in chapters}
    made, outcomes = {c: {} for c in chapters}, {}
    for chapter in chapters if output is None and preset != "smoke" else ():
        if mend := rules.broken(notebooks.read(chapter.path), root, rules.BEFORE):
            note = f"it was not run, for it breaks rules of the format: {_some(mend)} (genlib check {chapter.name})"
            outcomes[chapter] = Outcome(chapter, "failed", note)
            if show:
                show.say(outcomes[chapter])
    with engine or OneProcess() as engine:
        for chapter in (c for c in chapters if c not in outcomes):
            for seed in seeds:
                engine.submit((chapter, seed), texts[chapter], preset, seed, timeout, env or {})
        while len(outcomes) < len(chapters):
            for (chapter, seed), result in engine.ended(0.3):
                made[chapter][seed] = result
                if len(made[chapter]) == len(seeds):
                    runs = {s: made[chapter].pop(s) for s in seeds}
                    try:
                        outcomes[chapter] = settle(chapter, runs, preset, root, install, texts[chapter], output)
                    except OSError as error:  # of one chapter: the others are stored all the same
                        note = f"it ran, and could not be stored: {error}"
                        outcomes[chapter] = Outcome(chapter, "failed", note, sum(r.seconds for r in runs.values()))
                    if show:
                        show.say(outcomes[chapter])
            if show:
                show.update(list(engine.at.items()))
    return [outcomes[c] for c in chapters]


def settle(chapter, runs, preset, root, install, text, output):
    """Check the runs of one chapter (seed -> Result), stamp the first, store it. text: the notebook that was run."""
    import nbformat

    seeds = list(runs)
    seconds = sum(r.seconds for r in runs.values())
    made = {seed: nbformat.reads(result.notebook, as_version=4) for seed, result in runs.items()}
    book = output is None and preset != "smoke"
    for seed, result in runs.items():
        kept = root / ".genlib" / "failed" / f"{chapter.slug}-{preset}-{seed}.ipynb"
        faults = [result.error] if result.error else _faults(made[seed], result, preset, install, chapter)
        mend = [] if faults else rules.broken(made[seed], root, [r for r in rules.RULES if r is not rules.stamped])
        if mend and book:
            faults = mend
        if faults:
            broken = "" if result.error else "breaks the contract: "
            told = f"kept: {kept.relative_to(root)}"
            try:
                notebooks.write(kept.parent.parent / ".gitignore", "*\n")
                notebooks.write(kept, result.notebook)
            except OSError as error:
                told = f"could not be {told}, {error}"
            return Outcome(chapter, "failed", f"{broken}{_some(faults)} [{told}]", seconds)
        with contextlib.suppress(OSError):
            kept.unlink(missing_ok=True)
    first, result = made[seeds[0]], runs[seeds[0]]
    measured = {k: result.measured[k] for k in ("device", "peak_memory_mb", "versions")}
    about = first.metadata.setdefault("genlib", nbformat.NotebookNode())
    about.pop("seeds", None)
    if seeds[1:]:
        about["seeds"] = [{"seed": s, "records": notebooks.records(made[s])} for s in seeds[1:]]
    about["stamp"] = stamp.make_stamp(first, preset=preset, seed=seeds[0], seconds=result.seconds, **measured)
    if more := len(spine.broken(first)):
        mend.append(f"{more} rules of the spine (genlib check {chapter.name} lists them)")
    told = f"reading {meter.minutes(first)} min" + (f"; to mend: {'; '.join(mend)}" if mend else "")
    if output is None and not book:
        note = f"nothing stored: smoke is for trying (--output DIR keeps it); {told}"
        return Outcome(chapter, "passed", note, seconds)
    target = chapter.path if output is None else Path(output) / f"{chapter.name}.ipynb"
    if output is None and (not chapter.path.exists() or chapter.path.read_text(encoding="utf-8-sig") != text):
        return Outcome(chapter, "failed", "it was edited while it ran, and is left as it is: run it again", seconds)
    notebooks.write(target, nbformat.writes(first) + "\n")
    verdicts = ", ".join(r["verdict"] for r in results.pooled(first))
    where = target.relative_to(root) if target.is_relative_to(root) else target
    return Outcome(chapter, "stored", f"{where}: {verdicts}; {told}", seconds)


def _some(sentences):
    return "; ".join(sentences[:4]) + (f" (and {len(sentences) - 4} more)" if len(sentences) > 4 else "")


def _faults(notebook, result, preset, install, chapter):
    faults = [*notebooks.problems(notebook, install, chapter.name), *rules.valid(notebook)]
    if result.measured.get("preset") not in (None, preset):
        faults.append(f"it was asked to run {preset}, and ran {result.measured['preset']}")
    return faults


def note(chapter, key, told):
    """Put a record into the metadata of a notebook that somebody may have saved meanwhile: the rest stays theirs.

    Raises CourseError if its code is not that which was judged.
    """
    notebook = notebooks.read(chapter.path)
    if stamp.code_hash(notebook) != told["code"]:
        raise notebooks.CourseError(
            f"The code of {chapter.name} was changed meanwhile, so nothing is stored: once more."
        )
    notebook["metadata"].setdefault("genlib", {})[key] = told
    notebooks.store(chapter.path, notebook)
