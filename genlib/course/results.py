"""The record of results: every claim's numbers, from the notebooks' outputs and from nothing else."""

import functools
import textwrap
from collections import Counter
from pathlib import Path

from .. import claims, mime
from . import notebooks, stamp

PROJECTED = "Projected, not measured"
SHOWN = ("H200", "T4", "laptop")  # the devices of a projection that readers are told of


def _read(path):
    """A notebook to look at and not to change: the page of results asks for each three times."""
    path, seen = Path(path), Path(path).stat() if Path(path).exists() else None
    return _as_it_was(path, seen and (seen.st_mtime_ns, seen.st_size, seen.st_ino))


@functools.lru_cache(maxsize=128)
def _as_it_was(path, seen):
    return notebooks.read(path)


def runs(chapters):
    """What is stored of each Chapter: a list of dicts with its state, the run's preset, device, seconds, peak memory
    and date (None where there is no run), its number of checks, the verdicts of its claims, ``doubted`` of it, and
    ``projected``."""
    keys = ("preset", "seed", "device", "seconds", "peak_memory_mb", "date")
    core, rows = stamp.genlib_hash(), []
    for chapter in chapters:
        row = {"chapter": chapter.name, "path": chapter.path, "status": "missing", "title": None}
        row |= {
            "genlib_changed": False,
            "checks": 0,
            "verdicts": [],
            "doubt": "",
            "projected": "",
            **dict.fromkeys(keys),
        }
        if chapter.path.exists():
            notebook = _read(chapter.path)
            row |= {k: stamp.stamp_of(notebook).get(k) for k in keys}
            row |= {"status": stamp.status(notebook), "genlib_changed": stamp.genlib_changed(notebook, core)}
            row |= {"title": stamp.chapter_of(notebook).get("title"), "checks": len(notebooks.checks(notebook))}
            row["verdicts"] = [r["verdict"] for r in pooled(notebook)]
            row |= {"doubt": doubted(notebook), "projected": projected(notebook)}
        rows.append(row)
    return rows


def doubted(notebook):
    """What became of the formulas that ``genlib doubt`` broke, without those that change nothing; "" if it never did.

    The share is of those that a check or a crash stopped; a crash is told apart, for no check saw the formula.
    """
    told = notebook["metadata"].get("genlib", {}).get("doubt")
    if not told or not (able := told["broken"] - told["changing_nothing"]):
        return ""
    stopped = told["by_check"] + told["by_crash"]
    older = "" if told["code"] == stamp.code_hash(notebook) else ", older than its code"
    return f"{100 * stopped // able} % of {able}: {told['by_check']} by a check, {told['by_crash']} by a crash{older}"


def projected(notebook):
    """The seconds that ``genlib rehearse`` projected, "H200 41 s · T4 3 min · laptop 4 min"; "" if it never did."""
    told = notebook["metadata"].get("genlib", {}).get("rehearsal")
    if not told:
        return ""
    older = "" if told["code"] == stamp.code_hash(notebook) else ", older than its code"
    return " · ".join(f"{name} {_about(told['seconds'][name])}" for name in SHOWN if name in told["seconds"]) + older


def _about(seconds):
    """As exact as a projection is: "4 s", "50 s", "3 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds)) if seconds < 10 else 10 * round(seconds / 10)} s"
    return f"{round(seconds / 60)} min"


def runs_markdown(rows):
    """What each stored run cost, in MyST, and all of them together."""
    rows = [row for row in rows if row["seconds"] is not None]
    cells = [
        (link(row), row["preset"], row["device"], _minutes(row["seconds"]), f"{row['peak_memory_mb']:,} MB",
         str(row["checks"]), row["doubt"], row["projected"])
        for row in rows
    ]  # fmt: skip
    total = _minutes(sum(row["seconds"] for row in rows))
    cells.append(("all of them", "", "", total, "", str(sum(row["checks"] for row in rows)), "", ""))
    columns = ("Chapter", "Preset", "Device", "Time", "Peak memory", "Checks", "Broken formulas stopped", PROJECTED)
    count = len(columns) - (not any(row["projected"] for row in rows))  # no column for none
    return list_table("runs", columns[:count], [row[:count] for row in cells])


def _minutes(seconds):
    return f"{round(seconds) // 60} min {round(seconds) % 60} s"


def collect(paths):
    """The claims recorded in notebooks, in their order: a list of dicts.

    paths: notebooks. Each dict is a record of ``genlib.claims.Claim``, pooled over seeds (see ``pooled``), with beside
    it ``chapter`` (family/slug), ``title``, ``status`` (fresh, stale, never), ``date`` and the device's name from the
    stamp.
    """
    rows = []
    for path in map(Path, paths):
        notebook = _read(path)
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
        cut = [label for r in runs for label in r.get("cut", ())]
        if verdict != claims.NOT_JUDGED:
            verdict = claims.judge({**record, "cut": cut}, list(ours.values()), values)
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


def lines(rows, width=100):
    """The claims for a terminal, no line longer than ``width``: chapter and verdict, the statement, the numbers."""
    found = []
    for row in rows:
        other = f"baseline {claims.spread(row['baseline']['values'])} ({row['baseline']['name']})"
        paper = f"paper {claims.figure(row['paper']['value'])}"
        numbers = [f"ours {_ours(row)} {row['unit']}", other, paper, _run(row)]
        found += [f"{row['chapter']}: {row['verdict']}"]
        for text in (row["statement"], " · ".join(n for n in numbers if n)):
            found += textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="    ")
    return found


def markdown(rows):
    """The claims in MyST: a sentence that counts the verdicts, and a table of every claim."""
    return f"{counted(rows)}\n\n{claims_table(rows)}" if rows else "No chapter has recorded a claim yet.\n"


def counted(rows):
    """How many claims there are, in how many chapters, and how often each verdict: one sentence."""
    count = Counter(row["verdict"] for row in rows)
    told = ", ".join(f"{n} {verdict}" for verdict, n in count.most_common())
    chapters = len({row["chapter"] for row in rows})
    return f"{len(rows)} claim{'s' * (len(rows) > 1)} in {chapters} chapter{'s' * (chapters > 1)}: {told}."


def claims_table(rows):
    """The claims as a table in MyST, a row each."""
    cells = [(_claim(row), _number(row), _baseline(row), _paper(row), _verdict(row)) for row in rows]
    return list_table("results", ("Claim", "Ours", "Baseline", "Paper", "Verdict"), cells)


def side_by_side(paths):
    """The tables that several chapters fill with a row each (see ``genlib.rows``): {name: [(conditions, preset,
    rows)]}, each row a dict of its record with ``chapter`` and ``title`` beside it; rows under other conditions or
    with another preset stand in a table of their own, and those of smoke runs in none."""
    found = {}
    for path in map(Path, paths):
        notebook, chapter = _read(path), notebooks.Chapter(path)
        title = stamp.chapter_of(notebook).get("title", chapter.slug)
        for row in notebooks.records(notebook, mime.ROW):
            if row["preset"] != "smoke":
                like = (row["conditions"], row["preset"], tuple(name for name, _ in row["columns"]))
                found.setdefault(row["table"], {}).setdefault(like, []).append(
                    {**row, "chapter": chapter.name, "title": title}
                )
    return {
        name: [(conditions, preset, rows) for (conditions, preset, _), rows in tables.items()]
        for name, tables in found.items()
    }


def side_by_side_markdown(name, tables):
    """Those tables of one name in MyST: its conditions, a row for each chapter's, the numbers with their spread."""
    parts = []
    for conditions, preset, rows in tables:
        names = [column for column, _ in rows[0]["columns"]]
        cells = [
            (f"{row['row']}\n\n[{link(row)}]{{.run}}", *(claims.spread(v) for _, v in row["columns"]), row["notes"])
            for row in rows
        ]
        shown = list_table("side-by-side", ("Compared", *names, "Notes"), cells)
        parts.append(f"{conditions} Preset {preset}.\n\n{shown}")
    return "\n".join(parts)


def list_table(name, header, rows):
    """A table in MyST, of the class ``name``; a cell may have several paragraphs."""
    lines = ["```{list-table}", ":header-rows: 1", f":class: {name}", ""]
    for row in (header, *rows):
        for i, cell in enumerate(row):
            lines.append(("  - " if i else "* - ") + cell.replace("\n", "\n    "))
    return "\n".join([*lines, "```", ""])


def link(row):
    """A reference to the page of a row's chapter, by its title."""
    title = row["title"].replace("`", "").replace("<", "‹").replace(">", "›")
    return f"{{doc}}`{title} </chapters/{row['chapter']}>`"


def _claim(row):
    run = [f"preset {row['preset']}", row["device"], row["date"]]
    run += ["older than its code"] * (row["status"] == "stale")
    return f"{row['statement']}\n\n[{link(row)} · {' · '.join(word for word in run if word)}]{{.run}}"


def _number(row):
    n = len(row["ours"])
    return f"**{claims.spread(row['ours'])}**\n\n[{row['unit']}{f', {n} seeds' * (n > 1)}]{{.run}}"


def _baseline(row):
    return f"{claims.spread(row['baseline']['values'])}\n\n[{row['baseline']['name']}]{{.run}}"


def _paper(row):
    return (
        f"{claims.figure(row['paper']['value'])}\n\n[{{cite}}`{row['paper']['key']}`, {row['paper']['where']}]{{.run}}"
    )


def _verdict(row):
    part = f"1/{round(1 / row['scale'])}" if row["scale"] < 0.5 else f"{row['scale']:.2g}"
    scale = "" if row["scale"] >= 1 else f"\n\n[{part} of the paper’s {row['scale_of']}]{{.run}}"
    name = "not judged" if row["verdict"].startswith("not judged") else row["verdict"]
    return f"[{name}]{{.verdict .{name.replace(' ', '-')}}}{scale}"


def _ours(row):
    n = len(row["ours"])
    return claims.spread(row["ours"]) + (f" ({n} seeds)" if n > 1 else "")


def _run(row):
    words = [row["preset"], row["device"], row["date"], "older than its code" if row["status"] == "stale" else None]
    return ", ".join(w for w in words if w)
