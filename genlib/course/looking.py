"""The commands that look at chapters and change nothing: list, check, count, results."""

import shutil
from pathlib import Path

import click

from .. import did_you_mean
from . import notebooks, stamp
from .terminal import print_json, print_table

STATUS = ("fresh", "stale", "never", "missing")


@click.command("list")
@click.option("--family", multiple=True, metavar="FAMILY", help="Of this family alone: ae, vae, gan or flow.")
@click.option("--status", multiple=True, type=click.Choice(STATUS), help="In this state alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(family, status, as_json):
    """Show every chapter, in the book's order: fresh, stale or never run, and what its run came to.

    A chapter is stale when its code cells changed since its outputs were made; comments, blank lines, prose and what
    other presets than that of the run say do not count. "genlib changed" means that the code is the same and genlib is
    not: genlib run --force runs it again. The minutes are those of a first careful reading, of the spine and of what is
    Further: genlib count says what they are made of. Options may be given more than once.
    """
    from . import meter, results

    root = notebooks.find_root()
    known = notebooks.chapters(root)
    families = list(dict.fromkeys(c.path.parent.name for c in known))
    for name in set(family) - set(families):
        raise click.UsageError(
            f"There is no family {name!r}{did_you_mean(name, families)}: choose of {', '.join(families)}."
        )
    rows = results.runs([c for c in known if not family or c.path.parent.name in family])
    rows = [row for row in rows if not status or row["status"] in status]
    for row in rows:
        notebook = notebooks.read(row["path"]) if row["status"] != "missing" else {"cells": []}
        row["reading"], row["further"] = meter.minutes(notebook), sum(meter.further(notebook).values())
        row["path"] = str(row["path"].relative_to(root))
    if as_json:
        return print_json(rows)
    columns = (
        "chapter",
        "status",
        "spine",
        "Further",
        "preset",
        "time",
        "memory",
        "device",
        "date",
        "checks",
        "claims",
    )
    lines = []
    for r in rows:
        status = r["status"] + (", genlib changed" if r["status"] == "fresh" and r["genlib_changed"] else "")
        time = f"{r['seconds']:.0f} s" if r["seconds"] is not None else ""
        memory = f"{r['peak_memory_mb']} MB" if r["peak_memory_mb"] else ""
        minutes = [f"{r[k]} min" if r[k] else "" for k in ("reading", "further")]
        made = (*minutes, r["preset"], time, memory, r["device"], r["date"])
        lines.append((r["chapter"], status, *made, str(r["checks"] or ""), ", ".join(r["verdicts"])))
    print_table(columns, lines)


@click.command()
@click.argument("chapter", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(chapter, as_json):
    """List all that chapters still owe: contract, rules, budgets, notes, answers, terms, rehearsal, doubt.

    CHAPTER is a slug (vae), family/slug (vae/vae) or a notebook's path; without any, all of them. The tests ask for the
    same. The exit status is 1 if something is owed.
    """
    from .author import owed

    root = notebooks.find_root()
    chosen = list(dict.fromkeys(notebooks.find_chapter(root, c) for c in chapter)) or notebooks.chapters(root)
    found = {c.name: owed.owed(root, c) for c in chosen}
    if as_json:
        print_json(found)
    for name, parts in () if as_json else found.items():
        print(f"{name} owes {sum(map(len, parts.values())) or 'nothing'}{':' if parts else '.'}")
        for part, sentences in parts.items():
            print("\n".join(f"  {part:<12}{sentence}" for sentence in sentences))
    return int(any(found.values()))


@click.command()
@click.argument("chapter")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def count(chapter, as_json):
    """Count a chapter's words, code in sight, formulas, figures and minutes, section by section, against its budgets.

    Counted is what an open page shows above the exercises, and the summary. Not counted are folded code and answers,
    tables and captions; displayed formulas cost minutes, and no words.
    """
    from .author import spine

    notebook = notebooks.read(notebooks.find_chapter(notebooks.find_root(), chapter).path)
    rows = spine.counts(notebook)
    if as_json:
        return print_json(rows)
    columns = ("", "words", "code cells", "lines", "formulas", "figures", "minutes")
    print_table(columns, [tuple(row.values()) for row in rows])


@click.command()
@click.argument("notebook", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the body of the book's results page.")
def results(notebook, as_json, as_markdown):
    """Show every claim with its numbers and its verdict, from the records in the stored notebooks.

    NOTEBOOK: of these files instead, such as those that genlib run --output DIR has written.
    """
    from . import results as module

    stored = lambda: [c.path for c in notebooks.chapters(notebooks.find_root()) if c.path.exists()]
    rows = module.collect(notebook or stored())
    if as_json:
        return print_json(rows)
    if as_markdown:
        return print(module.markdown(rows), end="")
    width = max(40, shutil.get_terminal_size((100, 24)).columns)
    print("\n".join(module.lines(rows, width)) or "No chapter has recorded a claim yet.")


def say_what_is_stale(root):
    """Print, if there are any, which chapters' pages show other outputs than their code would make."""
    found = {}
    for chapter in notebooks.chapters(Path(root)):
        state = stamp.status(notebooks.read(chapter.path)) if chapter.path.exists() else "missing"
        found.setdefault(state, []).append(chapter.name)
    for state, why in (("stale", "the code changed since the outputs were made"), ("never", "never run")):
        if names := found.get(state):
            print(f"Not fresh, {why}: {', '.join(names)}. genlib run {' '.join(names)} makes them so.")


COMMANDS = (list_, check, count, results)
