"""The record of results: every claim's numbers, from the notebooks' outputs and from nothing else."""

from pathlib import Path

from .. import claims
from . import notebooks, stamp


def collect(paths):
    """The claims recorded in notebooks, in their order: a list of dicts.

    paths: notebooks. Each dict is a record of ``genlib.claims.Claim`` with, beside it, ``chapter`` (family/slug),
    ``title``, ``seeds``, ``status`` (fresh, stale, never), ``date`` and the device's name from the stamp. Where a
    chapter was run with several seeds, their numbers stand together in ``ours`` and the baseline, judged by one rule.
    """
    rows = []
    for path in map(Path, paths):
        notebook = notebooks.read(path)
        made, chapter = stamp.stamp_of(notebook), notebooks.Chapter(path)
        others = notebook["metadata"].get("genlib", {}).get("seeds", [])
        for record in notebooks.records(notebook):
            same = [r for o in others for r in o["records"] if r["statement"] == record["statement"]]
            rows.append(
                {
                    **_pooled(record, same),
                    "chapter": chapter.name,
                    "title": stamp.chapter_of(notebook).get("title", chapter.slug),
                    "seeds": [record["seed"], *(r["seed"] for r in same)],
                    "status": stamp.status(notebook),
                    "device": made.get("device", record["device"]),
                    "date": made.get("date"),
                }
            )
    return rows


def _pooled(record, others):
    """One record of several runs' numbers; a baseline that did not depend on the seed stays one number."""
    if not others:
        return dict(record)
    ours = [v for r in (record, *others) for v in r["ours"]]
    values = [v for r in (record, *others) for v in r["baseline"]["values"]]
    if len(set(values)) == 1:
        values = values[:1]
    verdict = record["verdict"]
    if verdict != claims.NOT_JUDGED:
        rule = {k: record[k] for k in ("target", "lower_is_better", "scale")}
        verdict = claims.verdict(ours, values, **rule)
    return {**record, "ours": ours, "baseline": {**record["baseline"], "values": values}, "verdict": verdict}


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
