"""The record of results: every claim's numbers, from the notebooks' outputs and from nothing else."""

from pathlib import Path

from .. import claims
from . import notebooks, stamp


def collect(paths):
    """The claims recorded in notebooks, in their order: a list of dicts.

    paths: notebooks. Each dict is a record of ``genlib.claims.Claim``, pooled over seeds (see ``pooled``), with beside
    it ``chapter`` (family/slug), ``title``, ``status`` (fresh, stale, never), ``date`` and the device's name from the
    stamp.
    """
    rows = []
    for path in map(Path, paths):
        notebook = notebooks.read(path)
        made, chapter = stamp.stamp_of(notebook), notebooks.Chapter(path)
        about = {
            "chapter": chapter.name,
            "title": stamp.chapter_of(notebook).get("title", chapter.slug),
            "status": stamp.status(notebook),
            "date": made.get("date"),
        }
        for record in pooled(notebook):
            rows.append({**record, **about, "device": made.get("device", record["device"])})
    return rows


def pooled(notebook):
    """The claims of a notebook, each with the numbers of every seed it was run with, judged by the same rule.

    A chapter trains the i-th number of a record under the seed ``record["seed"] + i``, ours and the baseline's. Each
    seed counts once: where two runs trained it, with the number of the run that began with it, else of the first run.
    A baseline whose numbers are all the same does not depend on the seed, and is one number. ``seeds`` are those of
    ours, in the order of its numbers.
    """
    others = [r for o in notebook["metadata"].get("genlib", {}).get("seeds", []) for r in o["records"]]
    found = []
    for record in notebooks.records(notebook):
        runs = [record, *(r for r in others if r["statement"] == record["statement"])]
        ours = _by_seed((r["seed"], r["ours"]) for r in runs)
        values = list(_by_seed((r["seed"], r["baseline"]["values"]) for r in runs).values())
        values = values[:1] if len(set(values)) == 1 else values
        verdict = record["verdict"]
        if verdict != claims.NOT_JUDGED:
            rule = {k: record[k] for k in ("target", "lower_is_better", "scale")}
            verdict = claims.verdict(list(ours.values()), values, **rule)
        both = {"ours": list(ours.values()), "baseline": {**record["baseline"], "values": values}}
        found.append({**record, **both, "seeds": list(ours), "verdict": verdict})
    return found


def _by_seed(runs):
    """(first seed, numbers) of runs -> {seed: number}, the numbers of the first seeds before all others."""
    runs = list(runs)
    found = {seed: numbers[0] for seed, numbers in runs}
    for seed, numbers in runs:
        for i, number in enumerate(numbers):
            found.setdefault(seed + i, number)
    return found


def table(rows):
    """Columns and lines of text for a terminal."""
    columns = ("chapter", "claim", "unit", "ours", "baseline", "paper", "verdict", "run")
    return columns, [
        (
            row["chapter"],
            row["statement"],
            row["unit"],
            _ours(row),
            f"{claims.spread(row['baseline']['values'])} ({row['baseline']['name']})",
            f"{row['paper']['value']:g}",
            row["verdict"],
            _run(row),
        )
        for row in rows
    ]


def markdown(rows):
    """The body of the book's results page, in MyST: a count of the verdicts, and a table of every claim."""
    if not rows:
        return "No chapter has recorded a claim yet.\n"
    verdicts = [r["verdict"] for r in rows]
    counts = [f"{verdicts.count(v)} {v}" for v in (*claims.VERDICTS, claims.NOT_JUDGED) if v in verdicts]
    chapters = len({r["chapter"] for r in rows})
    lines = [
        f"{len(rows)} claim{'s' * (len(rows) > 1)} in {chapters} chapter{'s' * (chapters > 1)}: {', '.join(counts)}.",
        "",
        "| Chapter | Claim | Ours | Baseline | Paper | Verdict | Run |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        paper = row["paper"]
        cells = (
            f"{{doc}}`{_plain(row['title'])} </chapters/{row['chapter']}>`",
            f"{row['statement']} [{row['unit']}]",
            _ours(row),
            f"{claims.spread(row['baseline']['values'])} ({row['baseline']['name']})",
            f"{paper['value']:g} {{cite}}`{paper['key']}`, {paper['where']}",
            f"**{row['verdict']}**",
            _run(row),
        )
        lines.append("| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |")
    return "\n".join(lines) + "\n"


def _ours(row):
    n = len(row["ours"])
    return claims.spread(row["ours"]) + (f" ({n} seeds)" if n > 1 else "")


def _run(row):
    words = [row["preset"], row["device"], row["date"], "older than its code" if row["status"] == "stale" else None]
    return ", ".join(w for w in words if w)


def _plain(title):
    return title.replace("`", "").replace("<", "‹").replace(">", "›")
