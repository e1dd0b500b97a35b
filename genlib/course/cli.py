"""The ``genlib`` command: thin words over what the other modules do."""

import os
import re
import signal
import sys
from pathlib import Path

try:
    import click
except ImportError:
    sys.exit("genlib: the command needs the extra 'course': pip install -e '.[course]' in the project's folder.")

from .. import __version__, did_you_mean
from . import looking, notebooks
from .terminal import print_table

CHOICE = ("auto", *notebooks.PRESETS)


class Preset(click.ParamType):
    name = "preset"

    def convert(self, value, param, ctx):
        if value not in CHOICE:
            hint = did_you_mean(value, CHOICE)
            raise click.UsageError(f"There is no preset {value!r}{hint}: choose auto, smoke, cpu or gpu.")
        return value


class Seeds(click.ParamType):
    name = "seeds"

    def convert(self, value, param, ctx):
        try:
            seeds = [int(v) for v in value.split(",")]
        except ValueError:
            seeds = [-1]
        if min(seeds) < 0 or len(set(seeds)) < len(seeds):
            raise click.UsageError(f"Seeds are different whole numbers from 0, with commas between, not {value!r}.")
        return seeds


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli():
    """Run, list and begin chapters of the course, from anywhere inside its folder."""


for command in looking.COMMANDS:
    cli.add_command(command)


@cli.command()
@click.argument("chapter", nargs=-1)
@click.option(
    "--preset", type=Preset(), default="auto", envvar="GENLIB_PRESET", metavar="|".join(CHOICE), help="[default: auto]"
)
@click.option(
    "--seeds",
    type=Seeds(),
    metavar="0,1,2",
    help="The first seed's notebook is stored, with the others' claims. [default: 0]",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Chapters that run side by side.")
@click.option("--scheduler", metavar="ADDRESS", help="Run on the workers of this Dask scheduler instead.")
@click.option(
    "--gpu-share",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="PART",
    help="The part of a GPU that a chapter takes: 0.25 lets four run on one. [default: 1 for the preset gpu]",
)
@click.option("--force", is_flag=True, help="Run chapters that are done, too.")
@click.option("--timeout", type=click.FloatRange(1), metavar="SECONDS", help="The longest that one chapter may take.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Store there instead.")
def run(chapter, preset, seeds, jobs, scheduler, gpu_share, force, timeout, output):
    """Execute chapters on a copy, check their contract, stamp and store them.

    CHAPTER is a slug (vae), family/slug (vae/vae) or a notebook's path; without any, all of them.

    A chapter that is done is passed over: its code is unchanged since the stored run, that run's preset is the same or
    a larger one (smoke < cpu < gpu), and it has the seeds asked for. So a chapter stored from gpu is not run again for
    cpu, and one stored from cpu is run for gpu. The preset auto is gpu where torch sees one, else cpu.

    --preset smoke is for trying: it runs all that is named and stores nothing in the book. --output DIR runs all that
    is named too, and writes DIR/<family>/<slug>.ipynb.

    A chapter that fails leaves its stored notebook as it is and does not stop the others: what it came to is kept in
    .genlib/failed, and the exit status is 1.

    --jobs N uses N processes of this machine, --scheduler the machines of a Dask cluster; a process that dies loses its
    own try alone. What ran is checked and stored here.
    """
    from .author import engines, publish
    from .progress import Progress

    root = notebooks.find_root()
    chosen = list(dict.fromkeys(notebooks.find_chapter(root, c) for c in chapter)) or notebooks.chapters(root)
    if scheduler == "":  # as from a variable that is not set: it would run all on this machine
        raise click.UsageError("--scheduler wants an address, such as tcp://host:8786.")
    if scheduler and jobs > 1:
        raise click.UsageError("--jobs is for this machine: how many run at once is up to the scheduler's workers.")
    if scheduler and preset == "auto":
        raise click.UsageError("This machine does not know what the workers have: give --preset gpu, cpu or smoke.")
    if not re.fullmatch(r"([1-9][0-9]*(,[1-9][0-9]*)*)?", told := os.environ.get("OMP_NUM_THREADS", "")):
        raise click.UsageError(f"OMP_NUM_THREADS is {told!r}, and is to be a number of threads, such as 2: unset it.")
    for c in chosen if output else ():
        _not_the_book(output / f"{c.name}.ipynb", c.path)
    preset = preset if scheduler else _resolve(preset)
    stored = {c: notebooks.read(c.path) for c in chosen}
    if output is None and preset != "smoke" and not force:
        todo = [c for c in chosen if not publish.done(stored[c], preset, seeds)]
        if len(chosen) > len(todo):
            print(
                f"Done already for {preset}: {', '.join(c.name for c in chosen if c not in todo)} (--force runs again)"
            )
        chosen = todo
    if not chosen:
        return print("Nothing to run.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seeds = seeds or [0]
    share = gpu_share or (1.0 if preset == "gpu" else None)
    many, engine = min(jobs, len(chosen) * len(seeds)), None
    if scheduler or many > 1:
        engine = engines.Cluster(many, scheduler, share, () if scheduler or preset != "gpu" else engines.gpus())
    options = {"root": root, "engine": engine, "timeout": timeout, "output": output}
    with Progress(preset, len(chosen)) as show:
        outcomes = publish.run_all(chosen, preset, seeds, show=show, **options)
    if len(outcomes) > 1:
        print()
        print_table(("chapter", "preset", "came to", "time"), [_line(o, preset) for o in outcomes])
    return int(any(o.what == "failed" for o in outcomes))


def _not_the_book(target, path):
    if target.resolve() == path.resolve():
        raise notebooks.CourseError(f"{target} is the chapter itself: name another folder, or none.")


def _line(outcome, preset):
    return outcome.chapter.name, preset, outcome.what, f"{outcome.seconds:.0f} s"


def _resolve(preset):
    """auto -> gpu or cpu; the preset gpu where there is none is refused before anything starts."""
    if preset in ("smoke", "cpu"):
        return preset
    try:
        import torch

        gpu = torch.cuda.is_available()
    except ImportError:
        gpu = False
    if preset == "gpu" and not gpu:
        raise notebooks.CourseError("The preset gpu needs a CUDA GPU, and torch sees none here: use --preset cpu.")
    return "gpu" if gpu else "cpu"


@cli.command()
@click.argument("name", metavar="FAMILY/SLUG")
@click.option("--title", help="As it stands at the head of the page.  [default: from book/systems.yml, else the slug]")
def new(name, title):
    """Write the skeleton of a chapter: the notebook with every heading, cell and tag that the contract asks for, and
    beside it the notes for the teacher and the answers for its graders. What is there already is left as it is."""
    from .author import scaffold

    root = notebooks.find_root()
    paths = [path.relative_to(root) for path in scaffold.new(root, name, title)]
    print("\n".join(f"Wrote {path}" for path in paths))
    print("Next: fill them in, put the chapter into the book with: make lint (or genlib tidy),")
    print(f"try it with: genlib run {name} --preset smoke; store it with: genlib run {name} --preset cpu")


@cli.command()
def tidy():
    """Sort what all chapters share (bibliography, glossary), and write _toc.yml from book/systems.yml.

    Two branches that each add a chapter can be merged; this puts right what the merge has left."""
    from .author import tidy as module

    root = notebooks.find_root()
    changed = module.tidy(root)
    print("\n".join(f"Changed {path.relative_to(root)}" for path in changed) or "Everything is in its order already.")


@cli.command()
@click.argument("chapter")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="[default: _build/slides/<family>/<slug> in the course's folder]",
)
@click.option("--force", is_flag=True, help="Replace the deck of another chapter in DIR.")
def slides(chapter, out, force):
    """Turn a chapter's marked cells into slides: a folder whose index.html any browser shows, without a network.

    A cell is marked by its slide type, in JupyterLab under Property Inspector; genlib/course/teach/slides.py says what
    else its metadata may hold. In the browser: arrow keys go on and back, S opens the speaker's notes, O the overview,
    F fills the screen; with ?print-pdf behind index.html the browser prints the deck, one slide a page.
    """
    from .teach import slides as module

    root = notebooks.find_root()
    chosen = notebooks.find_chapter(root, chapter)
    out = out or root / "_build" / "slides" / chosen.name
    count = module.build(root, chosen, out, force)
    print(f"Wrote {count} slides: open {os.path.relpath(out / 'index.html')}")


@cli.command()
@click.argument("chapter")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder of an nbgrader course.  [default: class in the course's folder]",
)
@click.option("--force", is_flag=True, help="Write source and release anew; what was handed in stays.")
def assignment(chapter, out, force):
    """Make a chapter's exercises an nbgrader assignment: source with solutions and tests, release for the students.

    DIR takes one assignment beside the other. Exercises with a grader are marked by it, the others by hand. From there
    on nbgrader does the work: its commands release, collect, autograde and generate feedback run in DIR, and
    book/teaching/assignments.md goes through them.
    """
    from .teach import assignment as module

    root = notebooks.find_root()
    out = out or root / "class"
    source, release = module.write(root, notebooks.find_chapter(root, chapter), out, force)
    print(f"Wrote {os.path.relpath(source)} (with solutions: not for students)")
    print(f"  and {os.path.relpath(release)} (for students)")
    print(f"Next, in {os.path.relpath(out)}: hand out the release, put what comes back under submitted/, then")
    print(f"  nbgrader autograde {source.stem} --create")


@cli.command()
@click.argument("chapter", nargs=-1)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="[default: _build/notebooks in the course's folder]",
)
def export(chapter, out):
    """Write chapters as notebooks that Colab, JupyterLab, VS Code and GitHub show, to DIR/<family>/<slug>.ipynb.

    CHAPTER: as for genlib run; without any, all of them. Numbers are those of the book's pages, solutions and reasons
    are folded, outputs stay. The source in chapters/ is MyST, which only the book renders.
    """
    from . import export as module

    root = notebooks.find_root()
    chosen = [notebooks.find_chapter(root, c) for c in chapter] or notebooks.chapters(root)
    out = out or root / "_build" / "notebooks"
    for c in chosen:
        _not_the_book(out / f"{c.name}.ipynb", c.path)
    paths = module.write(root, chosen, out)
    print(f"Wrote {len(paths)} notebook{'s' * (len(paths) != 1)} to {os.path.relpath(out)}")


@cli.command()
@click.argument("chapter")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="[default: _build/live/CHAPTER]"
)
def live(chapter, out):
    """Write the live figures of CHAPTER as a page of their own, to try them before the book is built.

    Those with networks come from its stored run (genlib.live), the others from its text.
    """
    from . import live_page

    root = notebooks.find_root()
    found = notebooks.find_chapter(root, chapter)
    path, weights = live_page.write(root, found, out or root / "_build" / "live" / found.name)
    for kind, question, kilobytes in weights:
        print(f"{kind}, {kilobytes:.0f} kB of data: {question}")
    print(f"Open {os.path.relpath(path)} in a browser.")


@cli.command()
@click.argument("chapter")
@click.option("-n", "count", type=click.IntRange(1), metavar="N", help="Break N places only.  [default: all]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Chooses the places.")
@click.option("--sections", metavar="A,B", help="Of these sections only.  [default: all that hold formulas]")
@click.option("--dry", is_flag=True, help="Store nothing in the notebook.")
def doubt(chapter, count, seed, sections, dry):
    """Break a chapter's formulas on purpose, one at a time, and see whether its own checks stop the smoke run.

    A sign, a factor, a power, a mean for a sum, a detach … in Derivation, Model, Training, Does the claim hold? and
    What goes wrong. What survives is printed, and wants a check; or, if it changes nothing, an entry with the reason in
    the notebook's metadata, genlib.changes_nothing: {"cell", "before", "after", "reason"}. The counts are stored with
    the hash of the code and stand on the results page. The exit status is 1 if anything survived.
    """
    from .author import doubt as module
    from .author import publish

    root = notebooks.find_root()
    chosen = notebooks.find_chapter(root, chapter)
    wanted = tuple(s.strip() for s in sections.split(",")) if sections else module.SECTIONS
    if strange := [s for s in wanted if s not in notebooks.HEADINGS]:
        raise click.UsageError(f"There is no section {strange[0]!r}: choose from {', '.join(module.SECTIONS)}.")
    notebook = notebooks.read(chosen.path)

    def tell(d):
        mark = {"check": "✓", "crash": "✗", "nothing": "!", "unchanged": "="}[d.by]
        why = f"  ({d.why[:90]})" if d.why else ""
        print(f"{mark} [{d.cell}] line {d.line}: {d.before}  →  {d.after}{why}", flush=True)

    found = module.doubt(notebook, count, seed, wanted, tell=tell)
    told = module.record(notebook, found, seed, wanted)
    if not dry:
        publish.note(chosen, "doubt", told)
    parts = f"{told['by_check']} stopped by a check, {told['by_crash']} by a crash, {len(told['survived'])} survived"
    print(f"{told['broken']} formulas broken: {parts}, {told['changing_nothing']} change nothing, as the author says.")
    return int(bool(told["survived"]))


@cli.command()
@click.argument("chapter", nargs=-1, required=True)
@click.option("--dry", is_flag=True, help="Store nothing in the notebook.")
@click.option("--verbose", is_flag=True, help="Print every fit, and each cell as it goes.")
def rehearse(chapter, dry, verbose):
    """Run chapters' preset gpu where there is no GPU: does it run, and what will it cost?

    All cells, data and sizes as they are, on a pretend device that breaks where a GPU would break; every fit makes two
    steps, and what is dear is done on shapes alone. Data are taken from GENLIB_DATA. What it projects for an H200, a T4
    and, with the preset cpu, a laptop is stored with the hash of the code, and stands on the chapter's page and the
    results page. The exit status is 1, and nothing is stored of the chapter, if it has a fault.
    """
    from .author import publish
    from .author import rehearse as module

    root, failed = notebooks.find_root(), False
    for chosen in list(dict.fromkeys(notebooks.find_chapter(root, c) for c in chapter)):
        notebook = notebooks.read(chosen.path)
        seen = module.rehearse(chosen.path, verbose=verbose)
        faults = [f for preset in seen.values() for f in preset["faults"]]
        told = module.record(notebook, seen)
        print("\n".join(module.report(chosen.name, notebook, seen, told, verbose)), flush=True)
        if not (dry or faults):
            publish.note(chosen, "rehearsal", told)
        failed |= bool(faults)
    return int(failed)


@cli.command("sync-url")
def sync_url():
    """Write repository.url of _config.yml into every install cell and link to Colab (after a fork, say)."""
    from .author import scaffold

    root = notebooks.find_root()
    changed = scaffold.sync_url(root)
    print("\n".join(f"Changed {p.relative_to(root)}" for p in changed) or "Everything follows _config.yml already.")


@cli.command()
def doctor():
    """Say what this machine can do: Python, torch, GPU, data, browser; and what to do about what is missing."""
    from .doctor import examine

    found = examine()
    print_table(("", "", ""), [({"ok": "✓", "absent": "–", "needed": "✗"}[state], a, b) for a, state, b in found])
    return int(any(state == "needed" for _, state, _ in found))


def main(args=None):
    """Exit status: 0, 1 if something failed, 2 for a wrong call, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that knows no ✓ gets a ?, and the command goes on
            stream.reconfigure(errors="replace")
    try:
        code = cli.main(args=args, prog_name="genlib", standalone_mode=False) or 0
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())
        code = 2
    except click.ClickException as error:
        print(f"genlib: {error.format_message()}", file=sys.stderr)
        code = error.exit_code
    except notebooks.CourseError as error:
        print(f"genlib: {error}", file=sys.stderr)
        code = error.status
    except (KeyboardInterrupt, click.Abort):
        print("genlib: interrupted, nothing more was stored", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # as in: genlib list | head -1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:  # a full disk, a folder that may not be written
        place = f"{error.filename2 or error.filename}: " if error.filename else ""
        print(f"genlib: {place}{error.strerror or error}.", file=sys.stderr)
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    main()
