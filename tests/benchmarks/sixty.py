"""What the whole book will cost to build and to test: measured on copies of the chapters that are written.

    python tests/benchmarks/sixty.py [--test] [FOLDER]

Every system of book/systems.yml that has no chapter yet gets, in a copy of the project in FOLDER, the notebook of a
written chapter of its family, under its own name and with labels and exercises of its own. The site is built there, and
once more after a word was added to one chapter. --test goes on with ``make test`` there, as on a fresh machine that has
the environment: it builds the site once more and ends with the cost of each chapter. The table names the budgets; the
exit status is 1 if one is missed.
"""

import argparse
import copy
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from genlib.course import beside, exercises, notebooks, stamp
from genlib.course.author import tidy
from genlib.course.teach import plans

ROOT = Path(__file__).resolve().parents[2]
BUILD, AGAIN, TEST = 180, 20, 1200  # seconds
DEFINED = re.compile(r"\$\$[ \t]*\(([\w-]+)\)|^:(?:label|name):[ \t]*(\S+)|^\(([\w-]+)\)=", re.MULTILINE)


def strings(value, change):
    """A JSON value with ``change`` made to every string in it."""
    if isinstance(value, dict):
        return {key: strings(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [strings(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def renamed(notebook, about):
    """A written chapter's notebook as that of another system. about: slug, family, title, paper, year, builds_on."""
    made, old = copy.deepcopy(notebook), stamp.chapter_of(notebook)
    slug = about["slug"].replace("_", "-")
    prose = "\n".join(notebooks.text(c["source"]) for c in made["cells"] if c["cell_type"] == "markdown")
    labels = {label for found in DEFINED.findall(prose) for label in found if label}
    labels |= {name for c in made["cells"] if (name := c["metadata"].get("mystnb", {}).get("figure", {}).get("name"))}
    names = {label: re.sub(r"^(\w+)-", rf"\1-{slug}-", label) for label in labels}
    names |= {e.name: f"{slug}-{e.name.rpartition('-')[2]}" for e in exercises.graded(made)}
    names[old["paper"]] = about["paper"]
    known = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, names))})(?![\w-])")
    for cell in made["cells"]:
        cell["source"] = notebooks.text(cell["source"])
        cell |= strings({k: cell[k] for k in ("source", "metadata")}, lambda s: known.sub(lambda m: names[m[1]], s))
    made["cells"][0]["source"] = made["cells"][0]["source"].replace(f"# {old['title']}\n", f"# {about['title']}\n", 1)
    made["metadata"]["genlib"]["chapter"] |= about
    run = stamp.stamp_of(made)
    run["code"] = stamp.code_hash(made, run["preset"])
    return made


def fill(folder, most=None):
    """Give every system a chapter, or so many that there are ``most``, and return how many there are now."""
    plan = plans.Plan(folder)
    listed = notebooks.read_yaml(folder / "book" / "systems.yml")["systems"]
    sources = {
        family: itertools.cycle([c for name, c in plan.written.items() if name.startswith(f"{family}/")])
        for family in plan.families
    }
    missing = [s for s in listed if f"{s['family']}/{s['slug']}" not in plan.written]
    for system in missing if most is None else missing[: max(0, most - len(plan.written))]:
        name = f"{system['family']}/{system['slug']}"
        about = {k: system[k] for k in ("slug", "family", "title", "year")} | {"paper": system["cite"][0]}
        about["builds_on"] = plan.builds_on(name)
        source = next(sources[system["family"]])
        made = renamed(notebooks.read(source.path), about)
        noted = beside.notes(folder, source.name).replace(source.name, name)
        noted = noted.replace(beside.notes_label(source.name), beside.notes_label(name))
        notebooks.write(beside.notes_path(folder, name), noted)
        answers = beside.answers_path(folder, source.name).read_text(encoding="utf-8")
        hyphened = [n.partition("/")[2].replace("_", "-") for n in (source.name, name)]
        answers = re.sub(rf'"{hyphened[0]}-(\d+)"', rf'"{hyphened[1]}-\1"', answers)
        notebooks.write(beside.answers_path(folder, name), answers)
        text = nbformat.writes(nbformat.from_dict(made)) + "\n"
        notebooks.write(folder / "chapters" / f"{name}.ipynb", text)
    tidy.tidy(folder)
    return len(notebooks.chapters(folder))


def copy_project(folder):
    listed = ["git", "ls-files", "-coz", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)  # as a clone: some tests ask git for its files


def timed(*command, folder):
    """Seconds that a command took. Its failure ends everything."""
    begun = time.monotonic()
    if subprocess.run(command, cwd=folder).returncode:
        sys.exit(f"{' '.join(map(str, command))} failed in {folder}")
    return time.monotonic() - begun


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Measure what a book of sixty chapters costs.")
    parser.add_argument(
        "folder", nargs="?", type=Path, help="a folder that is not there yet  [default: a temporary one]"
    )
    parser.add_argument("--test", action="store_true", help="make the environment there and pass every test")
    given = parser.parse_args(arguments)
    if given.folder and given.folder.exists():
        parser.error(f"{given.folder} exists already: name a folder that does not.")
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="sixty-")) / "book").resolve()
    copy_project(folder)
    print(f"{fill(folder)} chapters in {folder}", flush=True)
    build = (Path(sys.executable).with_name("jupyter-book"), "build", ".", "-W", "-n", "--keep-going", "--quiet")
    rows = [("site, built anew", timed(*build, folder=folder), BUILD)]
    path = notebooks.chapters(folder)[-1].path
    path.write_text(path.read_text(encoding="utf-8").replace("## Summary", "## Summary\\n\\nOnce more.", 1), "utf-8")
    rows.append(("site, one chapter changed", timed(*build, folder=folder), AGAIN))
    if given.test:
        timed("make", "env", folder=folder)
        shutil.rmtree(folder / "_build")  # on a fresh machine it is the tests that build the site
        rows.append(("make test", timed("make", "test", folder=folder), TEST))
    for what, seconds, budget in rows:
        print(f"{what:<28}{seconds:>8.0f} s   budget {budget:>5} s   {'met' if seconds <= budget else 'NOT MET'}")
    return int(any(seconds > budget for _, seconds, budget in rows))


if __name__ == "__main__":
    sys.exit(main())
