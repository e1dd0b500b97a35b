"""The genlib command on a small project of its own: runs, failures, states, results, wrong names."""

import asyncio
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from genlib import claims, mime
from genlib.course import beside, cli, exercises, notebooks, results, stamp
from genlib.course.author import engines, one_run, publish

URL = "https://github.com/someone/somewhere"
FIGURE = {
    "mystnb": {
        "image": {"alt": "A dot, and nothing else but a dot."},
        "figure": {"caption": "A dot.", "name": "fig-dot"},
    }
}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
START = """\
from types import SimpleNamespace
import time
class genlib:
    def exercise(name):
        return SimpleNamespace(grader=lambda f: f, check=lambda f: print(name, "not yet."))

    def start(preset, seed, **presets):
        return SimpleNamespace(preset=preset, seed=seed, device="cpu")  # without torch

run = genlib.start(
    preset, seed, smoke=dict(data="digits"),
    cpu=dict(data="digits"), gpu=dict(data="digits"))"""
TEXTS = {
    "Derivation": "$$\na = b\n$$ (eq-toy-one)\n\nBy {eq}`eq-toy-one`.",
    "Exercises": "".join(
        f"````{{exercise}}\n:label: ex-toy-{i}\n(•, 5 minutes) Show it.\n````\n\n"
        + f"````{{solution}} ex-toy-{i}\n:class: dropdown\nSo it is.\n````\n\n" * (i < 2)
        for i in range(3)
    ),
}
GRADED = (
    '@genlib.exercise("toy-2").grader\ndef grade(answer):\n    assert answer(2) == 4, "Twice as much."',
    'def twice(x):\n    ...\n\n\ngenlib.exercise("toy-2").check(twice)',
    "````{solution} ex-toy-2\n:class: dropdown\n```python\ndef twice(x):\n    return 2 * x\n```\n````",
)
CLAIM = """\
from genlib.claims import claim
claim(run, "Small is enough", ours=[3.0 + seed], baseline=("nothing", [6.0]),
      paper=(3.0, "key", "Table 1"), unit="nats", lower_is_better=True, target=3.5,
      scale=(1, "epochs"))"""
CHECKS = "for i in range(5):\n    print(f'✓ identity {i}')"


def code(source, *tags, **metadata):
    cell = {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}
    if tags:
        cell["metadata"]["tags"] = list(tags)
    return cell


def chapter(slug, training="print('trained')", checks=CHECKS, claim=CLAIM):
    """A whole chapter, as small as the contract allows; without torch."""
    install = notebooks.INSTALL.format(url=URL, branch="main")
    prose = lambda text: {"cell_type": "markdown", "metadata": {}, "source": text}
    cells = [
        prose(f"# {slug.title()}\n\nOne sentence {{cite}}`key`."),
        code(install, "hide-input", "install"),
        code("import json", "hide-input"),
        code(notebooks.PARAMETERS, "hide-input", "parameters"),
        code(START, "hide-input"),
    ]
    inside = {
        "Derivation": code(checks, "nbval-check-output"),
        "Training": code(training),
        "Results": code(
            f"from IPython.display import display\npng = ({PNG[:60]!r}\n  {PNG[60:]!r})\n"
            "display({'image/png': png, 'text/plain': 'dot'}, raw=True)",
            **FIGURE,
        ),
        "Does the claim hold?": code(claim),
    }
    for heading in notebooks.HEADINGS:
        cells.append(
            prose(f"## {heading}\n\n{TEXTS.get(heading, '').replace('toy', slug)}\n\n```\n## not a heading\n```")
        )
        if heading in inside:
            cells.append(inside[heading])
        if heading == "Results":
            cells.append(prose("It is a dot."))
        if heading == "Exercises":
            grader, stub, solution = (text.replace("toy", slug) for text in GRADED)
            cells.append(code(grader, "grader", "hide-input"))
            cells.append(code(stub, "exercise", genlib={"exercise": f"{slug}-2", "points": 1}))
            cells.append(prose(solution))
    for i, cell in enumerate(cells):
        cell["id"] = f"{slug}-{i}"
    about = {"slug": slug, "family": "ae", "title": slug.title(), "paper": "key", "year": 2020, "builds_on": []}
    about |= {"goals": ["derive"], "data": "none"}
    return {"cells": cells, "metadata": {"genlib": {"chapter": about}}, "nbformat": 4, "nbformat_minor": 5}


def store(root, notebook):
    path = root / "chapters" / "ae" / f"{stamp.chapter_of(notebook)['slug']}.ipynb"
    path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
    return path


def project(root, *chapters):
    (root / "chapters" / "ae").mkdir(parents=True)
    (root / "book").mkdir()
    (root / "_config.yml").write_text(f"repository:\n  url: {URL}\n  branch: main\n")
    files = "".join(f"      - file: chapters/ae/{stamp.chapter_of(c)['slug']}\n" for c in chapters)
    toc = f"root: book/index\nparts:\n  - caption: One\n    chapters:\n      - file: book/notation\n{files}"
    (root / "_toc.yml").write_text(toc)
    return [store(root, c) for c in chapters]


def genlib(root, *args, **options):
    env = {k: v for k, v in os.environ.items() if k != "GENLIB_PRESET"}
    command = [sys.executable, "-m", "genlib.course.cli", *args]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env=env, timeout=120, **options)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Three chapters: one as it should be, one that fails, one that breaks the contract."""
    root = tmp_path_factory.mktemp("project")
    good = chapter(
        "good",
        training="import os\nprint('preset', preset, end=' ')\nprint(os.getcwd().split('/')[-1])\n"
        "print(os.listdir('.'), os.environ['GENLIB_PUBLISH'], os.environ['OMP_NUM_THREADS'])",
    )
    broken = chapter("broken", training="print('so far')\nraise ValueError('the loss is a fish\\nat step 3')")
    loose = chapter(
        "loose", checks="print('✓ one')\nimport sys; print('a warning', file=sys.stderr)", claim="'no claim'"
    )
    paths = project(root, good, broken, loose)
    before = [p.read_text(encoding="utf-8") for p in paths]
    done = genlib(root, "run", "--preset", "cpu", "--jobs", "2")
    return root, paths, before, done


def test_a_good_chapter_is_stored_clean_and_stamped(ran):
    root, (path, *_), (before, *_), done = ran
    n = json.loads(path.read_text(encoding="utf-8"))
    assert "✓ ae/good · stored" in done.stdout and "chapters/ae/good.ipynb: reproduced" in done.stdout
    made = stamp.stamp_of(n)
    assert stamp.status(n) == "fresh" and made["preset"] == "cpu" and made["seed"] == 0
    assert made["seconds"] > 0 and 20 < made["peak_memory_mb"] < 400
    assert made["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    text = path.read_text(encoding="utf-8")
    assert not any(word in text for word in ("papermill", "injected", "iopub", "genlib-measure", '"tags": []'))
    sources = ["".join(c["source"]) for c in n["cells"]]
    given = [c["source"] for c in json.loads(before)["cells"]]
    assert sources == given
    runs = [c["execution_count"] for c in n["cells"] if c["cell_type"] == "code"]
    assert runs == list(range(1, 11))
    (stream,) = next(c for c in n["cells"] if "listdir" in "".join(c["source"]))["outputs"]
    assert "".join(stream["text"]) == "preset cpu empty\n[] 1 1\n"  # an empty folder, for publishing, one thread
    assert notebooks.problems(n, notebooks.install_source(root), "ae/good") == []
    assert not list(root.glob("chapters/ae/.*"))


def test_a_failing_chapter_keeps_its_stored_notebook_and_leaves_its_traceback(ran):
    root, (_, path, _), (_, before, _), done = ran
    assert done.returncode == 1
    assert path.read_text(encoding="utf-8") == before
    line = next(line for line in done.stdout.splitlines() if line.startswith("✗ ae/broken"))
    assert "cell 11 of 22 (Training): ValueError: the loss is a fish [kept: .genlib/failed/broken-cpu-0.ipynb]" in line
    kept = json.loads((root / ".genlib/failed/broken-cpu-0.ipynb").read_text(encoding="utf-8"))
    assert len(kept["cells"]) == 22
    assert [o["output_type"] for o in kept["cells"][10]["outputs"]] == ["stream", "error"]
    assert (root / ".genlib/.gitignore").read_text() == "*\n"


def test_a_chapter_that_breaks_the_contract_is_not_stored(ran):
    root, (_, _, path), (_, _, before), done = ran
    assert path.read_text(encoding="utf-8") == before
    line = next(line for line in done.stdout.splitlines() if line.startswith("✗ ae/loose"))
    for word in ("breaks the contract", "1 of at least 5 checks", "no claim is recorded", "stderr: 'a warning'"):
        assert word in line
    assert (root / ".genlib/failed/loose-cpu-0.ipynb").exists()


ENDS = {
    "the chapter took longer than 3 s": "time.sleep(60)",
    "the kernel died, perhaps for want of memory": "time.sleep(1); import os; os._exit(1)",
}


@pytest.mark.parametrize("said", ENDS)
def test_a_chapter_that_does_not_come_to_its_end_keeps_what_it_printed(said):
    asked = chapter("slow", training=f"print('so far', flush=True)\n{ENDS[said]}")
    old = {"output_type": "stream", "name": "stdout", "text": "of another run"}
    asked["cells"][7]["outputs"], asked["cells"][15]["outputs"] = [old], [old]  # before the end, and after it
    seconds = 3 if "longer" in said else 60  # a busy machine may be slow to see that the kernel is dead
    result = one_run.execute(json.dumps(asked), "cpu", 0, timeout=seconds)
    assert result.error.endswith(f": {said}") and 0.5 < result.seconds < 60
    kept = json.loads(result.notebook)
    assert [c["id"] for c in kept["cells"]] == [c["id"] for c in asked["cells"]]
    assert kept["cells"][10]["outputs"][0]["text"] == ["so far\n"]
    assert "identity 4" in json.dumps(kept) and "of another run" not in json.dumps(kept)


# --- what breaks a rule of the format is not stored -------------------------------------------------------------------


def cell_that(notebook, start):
    return next(c for c in notebook["cells"] if c["source"].startswith(start))


def without_cite(notebook):
    notebook["cells"][0]["source"] = "# Odd\n\nNobody is cited."


def wide(notebook):
    cell_that(notebook, "print('trained')")["source"] += "  # " + 90 * "x"


def no_alt(notebook):
    cell = cell_that(notebook, "from IPython")  # with metadata of its own: FIGURE is that of all
    cell["metadata"] = cell["metadata"] | {"mystnb": FIGURE["mystnb"] | {"image": {"alt": "A dot."}}}


def waits(notebook):
    cell_that(notebook, "print('trained')")["source"] += "\ndef step(x):\n    return {'loss': x.item()}"


def one_exercise(notebook):
    cell = cell_that(notebook, "## Exercises")
    cell["source"] = "## Exercises\n"


def no_label(notebook):
    cell = cell_that(notebook, "## Derivation")
    cell["source"] = re.sub(r"\(eq-\w+-one\)$", "", cell["source"], flags=re.MULTILINE)


def presets_differ(notebook):
    cell = cell_that(notebook, START[:30])
    cell["source"] = cell["source"].replace('cpu=dict(data="digits")', "cpu=dict()")


BREAKS = {
    without_cite: "the paper, key, is not cited",
    wide: "more than 92 columns",
    no_alt: "its alt text does not describe the figure",
    waits: "step waits for the device",
    one_exercise: "of at least 3",
    no_label: "displayed equations without a label",
    presets_differ: "do not set the same keys",
}


@pytest.mark.parametrize("spoil", BREAKS)
def test_what_can_be_seen_before_a_run_is_not_even_run(tmp_path, capsys, monkeypatch, spoil):
    odd = chapter("odd")
    spoil(odd)
    (path,) = project(tmp_path, odd)
    before = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(one_run, "execute", None)  # and could not be
    assert call("run", "odd", "--preset", "cpu") == 1
    said = capsys.readouterr().out
    assert "✗ ae/odd · failed" in said and "it was not run, for" in said and BREAKS[spoil] in said, said
    assert path.read_bytes() == before


SHOWS = {
    "is of another type": "display({'application/x-odd': '1', 'text/plain': '1'}, raw=True)",
    "needs a script": "display({'text/html': '<script>1</script>', 'text/plain': '1'}, raw=True)",
    "has no figure": None,
}


def test_what_a_run_shows_against_the_rules_is_not_stored_and_not_lost(tmp_path, capsys, monkeypatch):
    odd = []
    for slug, source in zip(("one", "two", "three"), SHOWS.values(), strict=True):
        odd.append(chapter(slug, training=f"from IPython.display import display\n{source}"))
        if source is None:  # what says that it draws, and draws nothing
            for cell in odd[-1]["cells"]:
                if "image/png" in cell["source"]:
                    cell["source"], cell["metadata"] = "print('no picture')", FIGURE
    paths = project(tmp_path, *odd, chapter("good"))
    before = [p.read_bytes() for p in paths]
    monkeypatch.chdir(tmp_path)
    assert call("run", "--preset", "cpu", "--force") == 1
    said = capsys.readouterr().out
    assert [p.read_bytes() == b for p, b in zip(paths, before, strict=True)] == [True, True, True, False], said
    for slug, words in zip(
        ("one", "two", "three"), ("of the type application/x-odd", "a script", "no figure"), strict=True
    ):
        assert re.search(rf"✗ ae/{slug} · failed.*{words}.*\[kept: \.genlib/failed/{slug}-cpu-0\.ipynb\]", said), said
        assert notebooks.code_cells(notebooks.read(tmp_path / f".genlib/failed/{slug}-cpu-0.ipynb"))[-1]["outputs"]


@pytest.mark.parametrize("where", ["chapters", "./chapters/../chapters"])
def test_a_try_never_lands_on_the_chapter_itself(tmp_path, capsys, monkeypatch, where):
    (path,) = project(tmp_path, chapter("good"))
    before = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    for command in (("run", "good", "--preset", "smoke", "--output", where), ("export", "good", "--out", where)):
        assert call(*command) == 2
        said = capsys.readouterr().err
        assert "is the chapter itself" in said and said.count("\n") == 1 and path.read_bytes() == before


def test_a_disk_that_is_full_stops_one_chapter_and_says_so(tmp_path, capsys, monkeypatch):
    paths = project(tmp_path, chapter("first"), chapter("second"))
    before = paths[0].read_bytes()
    monkeypatch.chdir(tmp_path)
    write = notebooks.write

    def full(path, text):
        if path.name.startswith("first"):
            raise OSError(28, "No space left on device", str(path))
        write(path, text)

    monkeypatch.setattr(notebooks, "write", full)
    assert call("run", "--preset", "cpu") == 1
    said = capsys.readouterr().out
    assert "✗ ae/first · failed" in said and "could not be stored: [Errno 28] No space left on device" in said
    assert "✓ ae/second · stored" in said and paths[0].read_bytes() == before
    assert stamp.status(notebooks.read(paths[1])) == "fresh"


def test_what_a_full_disk_cuts_off_leaves_the_file_that_was_there_and_is_named(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "강의 노트 (1).txt"
    path.write_text("as it was")
    script = "import sys; from pathlib import Path; from genlib.course import notebooks as n; "
    script += "sys.argv[2:] or n.write(Path(sys.argv[1]), 'x' * 100_000)"
    small = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, preexec_fn=small)
    assert done.stderr.strip().endswith(f"OSError: [Errno 27] File too large: {str(path)!r}")
    assert path.read_text() == "as it was" and os.listdir(tmp_path) == [path.name]


def test_a_command_that_cannot_write_names_the_file_and_no_draft_of_it(root, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(root)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ae").write_text("a file where a folder is wanted")
    assert call("export", "ae/autoencoder", "--out", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert re.fullmatch(r"genlib: \S+/out/ae\S*: (Not a directory|File exists)\.\n", said) and ".tmp" not in said


def test_who_may_write_a_file_may_do_so_afterwards_and_a_link_stays_one(tmp_path):
    file, link = tmp_path / "disk" / "a.txt", tmp_path / "a.txt"
    notebooks.write(file, "one")
    file.chmod(0o664)
    link.symlink_to(file)
    notebooks.write(link, "two")
    assert link.is_symlink() and file.read_text() == "two" and file.stat().st_mode & 0o777 == 0o664


def test_a_script_that_is_copied_in_part_is_copied_again(tmp_path, monkeypatch):
    from genlib.course import assets

    def half(source, target):
        data = Path(source).read_bytes()
        Path(target).write_bytes(data[: len(data) // 2])
        raise OSError(28, "No space left on device", str(target))

    with monkeypatch.context() as patch:
        patch.setattr(assets.shutil, "copyfile", half)
        with pytest.raises(OSError, match="No space"):
            assets.copy(assets.REVEAL, tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    assets.copy(assets.REVEAL, tmp_path)
    assert "Reveal" in (tmp_path / "dist" / "reveal.js").read_text("utf-8")


def test_a_notebook_that_came_by_another_editor_is_read_run_and_stored_as_all_are(tmp_path, capsys, monkeypatch):
    (path,) = project(tmp_path, chapter("windows"))
    text = path.read_text("utf-8")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    monkeypatch.chdir(tmp_path)
    assert call("list") == 0 and call("run", "--preset", "cpu") == 0
    stored = path.read_bytes()
    assert stored.startswith(b"{") and b"\r" not in stored
    path.write_text("<<<<<<< HEAD\n" + text + "=======\n>>>>>>> other\n")
    assert call("list") == 2
    assert "a merge has left its marks in it." in capsys.readouterr().err


@pytest.mark.parametrize("command", ["doubt", "rehearse"])
@pytest.mark.parametrize("edit", ["prose", "code"])
def test_what_was_saved_meanwhile_is_not_overwritten_by_a_record(tmp_path, capsys, monkeypatch, command, edit):
    from genlib.course.author import doubt, rehearse

    (path,) = project(tmp_path, chapter("good"))
    monkeypatch.chdir(tmp_path)

    def somebody_saves(*_, **__):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if edit == "prose":
            notebook["cells"][0]["source"] += " And another."
        else:
            cell_that(notebook, "print('trained')")["source"] = "print('otherwise')"
        path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
        return [] if command == "doubt" else {"gpu": {"faults": [], "seconds": {}, "unsure": [], "fits": []} | more}

    more = {"memory_mb": 1, "stand_ins": [], "excused": []}
    monkeypatch.setattr(doubt, "doubt", somebody_saves)
    monkeypatch.setattr(rehearse, "rehearse", somebody_saves)
    monkeypatch.setattr(rehearse, "report", lambda *_: [])
    status, after = call(command, "good"), path.read_text(encoding="utf-8")
    assert ("And another" in after) == (edit == "prose") and ("otherwise" in after) == (edit == "code")
    kept = json.loads(after)["metadata"]["genlib"]
    assert ({"doubt": "doubt", "rehearse": "rehearsal"}[command] in kept) == (edit == "prose")
    assert status == (0 if edit == "prose" else 2)
    assert edit == "prose" or "was changed meanwhile" in capsys.readouterr().err
    if edit == "prose":  # as every tool writes it: tests/chapters/test_format.py asks for it
        assert after == json.dumps(json.loads(after), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


# --- the run's environment is the run's -------------------------------------------------------------------------------

ASKED = "MPLBACKEND", "MATPLOTLIBRC", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"


@pytest.mark.parametrize("threads, jobs, made", [(None, 1, "1"), (None, 2, "1"), ("3", 1, "3"), ("2,1", 2, "2")])
def test_a_kernel_has_its_own_environment_whatever_the_callers(tmp_path, threads, jobs, made):
    asks = "import os\nprint('asked', __debug__)\n" + "\n".join(f"print('is', os.environ.get({n!r}))" for n in ASKED)
    (path, _) = project(tmp_path, chapter("good", training=asks), chapter("other"))
    env = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    env |= {"MPLBACKEND": "Agg", "MATPLOTLIBRC": "/nowhere", "PYTHONOPTIMIZE": "1", "PYTHONWARNINGS": "error"}
    env |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": "7"} if threads else {"MKL_NUM_THREADS": "7"}
    command = [sys.executable, "-m", "genlib.course.cli", "run", "--preset", "cpu", "--jobs", str(jobs)]
    del env["PYTHONWARNINGS"]  # of the command itself
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = next(o for c in notebooks.code_cells(notebooks.read(path)) for o in c["outputs"] if "asked" in str(o))
    debug, backend, settings, *others = notebooks.text(printed["text"]).splitlines()
    assert debug == "asked True" and backend == "is module://matplotlib_inline.backend_inline"
    assert settings.endswith("mpl-data/matplotlibrc") and others == ["is ", "is ", f"is {made}", f"is {made}"]


@pytest.mark.parametrize("threads", ["0", "-2", "many", "1.5", " "])
def test_threads_that_are_no_number_are_a_sentence(tmp_path, capsys, monkeypatch, threads):
    project(tmp_path, chapter("good"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert call("run", "good", "--preset", "smoke") == 2
    said = capsys.readouterr().err
    assert "OMP_NUM_THREADS" in said and said.count("\n") == 1


# --- terminals that know no UTF-8 -------------------------------------------------------------------------------------

PLACES = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"PYTHONIOENCODING": "ascii:strict"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
SAYS = ["list"], ["list", "--json"], ["results"], ["results", "--json"], ["check"], ["count", "ae/beta"], ["doctor"]
SAYS += (["run", "--preset", "smoke", "--output", "out"], ["run", "ae/βeta", "--preset", "smoke"], ["--help"])


@pytest.mark.parametrize("place", PLACES)
def test_every_command_speaks_where_there_is_no_utf_8(tmp_path, place):
    beta, second = chapter("beta", training="print('β → ✓ 𝄞')"), chapter("second")
    beta["metadata"]["genlib"]["chapter"]["title"] = "β"
    beta["cells"][0]["source"] = "# β\n\nOne sentence {cite}`key`."
    project(tmp_path, beta, second)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO"))} | PLACES[place]
    for words in SAYS:
        command = [sys.executable, "-m", "genlib.course.cli", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, env=env, timeout=120)
        assert b"Traceback" not in done.stderr and b"Error:" not in done.stderr, (words, done.stderr)
        if words[-1] == "--json":
            json.loads(done.stdout.decode("ascii"))
        if words == ["list", "--json"]:
            assert [row["title"] for row in json.loads(done.stdout)] == ["β", "Second"]
        if "--output" in words:
            assert done.returncode == 0 and done.stdout.count(b"stored in") == 2, done.stdout
    made = notebooks.read(tmp_path / "out/ae/beta.ipynb")
    assert "β → ✓ 𝄞" in json.dumps(made, ensure_ascii=False)


def test_the_terminal_shows_headings_and_a_summary_and_no_noise(ran):
    *_, done = ran
    assert re.search(r"^ae/\w+ · cpu · seed 0 · cell \d+/22 · \w+ · \d+ s$", done.stdout, re.MULTILINE)
    assert [line.split()[:3] for line in done.stdout.splitlines()[-3:]] == [
        ["ae/good", "cpu", "stored"],
        ["ae/broken", "cpu", "failed"],
        ["ae/loose", "cpu", "failed"],
    ]
    assert done.stderr == ""


def test_list_shows_order_states_and_numbers(ran):
    root, *_ = ran
    rows = json.loads(genlib(root / "chapters", "list", "--json").stdout)
    assert [(r["chapter"], r["status"]) for r in rows] == [
        ("ae/good", "fresh"),
        ("ae/broken", "never"),
        ("ae/loose", "never"),
    ]
    assert rows[0]["checks"] == 5 and rows[0]["verdicts"] == ["reproduced"] and rows[0]["preset"] == "cpu"
    assert rows[0]["genlib_changed"] is False and rows[1]["seconds"] is None
    shown = genlib(root, "list").stdout.splitlines()
    assert len(shown) == 4 and "fresh" in shown[1] and "reproduced" in shown[1]


def test_what_is_done_is_not_run_again_and_stale_follows_the_code(ran, capsys, monkeypatch):
    root, (path, *_), *_ = ran
    n = json.loads(path.read_text(encoding="utf-8"))
    assert publish.done(n, "cpu") and publish.done(n, "smoke") and not publish.done(n, "gpu")
    assert publish.done(n, "cpu", [0]) and not publish.done(n, "cpu", [0, 1])
    monkeypatch.chdir(root)
    assert call("run", "good", "--preset", "cpu") == 0
    assert capsys.readouterr().out == "Done already for cpu: ae/good (--force runs again)\nNothing to run.\n"
    cell = next(c for c in n["cells"] if "listdir" in "".join(c["source"]))
    cell["source"] = "# a comment\n" + "".join(cell["source"])
    assert stamp.status(n) == "fresh" and publish.done(n, "cpu")
    cell["source"] += "\nprint(1)"
    assert stamp.status(n) == "stale" and not publish.done(n, "smoke")


def call(*args):
    with pytest.raises(SystemExit) as end:
        cli.main(list(args))
    return end.value.code


def test_a_notebook_outside_the_project_is_stored_where_it_lies(tmp_path, capsys, monkeypatch):
    root, outside = tmp_path / "project", tmp_path / "drafts" / "ae" / "good.ipynb"
    root.mkdir()
    (path,) = project(root, chapter("good"))
    outside.parent.mkdir(parents=True)
    outside.write_bytes(path.read_bytes())
    before = path.read_bytes()
    monkeypatch.chdir(root)
    assert call("run", str(outside), "--preset", "cpu") == 0
    assert f"{outside}: " in capsys.readouterr().out and path.read_bytes() == before
    assert stamp.stamp_of(json.loads(outside.read_text(encoding="utf-8")))["preset"] == "cpu"


def test_several_seeds_and_what_smoke_leaves_alone(tmp_path, capsys, monkeypatch):
    (path,) = project(tmp_path, chapter("good"))
    before = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENLIB_PRESET", "smoke")  # the option's default; the kernels follow the option alone
    assert call("run", "good", "--output", "out") == 0
    assert path.read_bytes() == before
    tried = json.loads((tmp_path / "out/ae/good.ipynb").read_text(encoding="utf-8"))
    assert stamp.stamp_of(tried)["preset"] == "smoke"
    assert notebooks.records(tried)[0]["verdict"] == claims.NOT_JUDGED
    capsys.readouterr()

    assert call("run", "ae/good", "--preset", "cpu", "--seeds", "1,0,2", "--jobs", "2") == 0
    n = json.loads(path.read_text(encoding="utf-8"))
    assert stamp.stamp_of(n)["seed"] == 1
    assert notebooks.records(n)[0]["ours"] == [4.0]
    others = n["metadata"]["genlib"]["seeds"]
    assert [(o["seed"], o["records"][0]["ours"]) for o in others] == [(0, [3.0]), (2, [5.0])]
    assert publish.done(n, "cpu", [0, 1, 2]) and not publish.done(n, "cpu", [3])

    (row,) = results.collect([path])
    assert row["ours"] == [4.0, 3.0, 5.0] and row["seeds"] == [1, 0, 2] and row["baseline"]["values"] == [6.0]
    assert row["verdict"] == "direction only"  # the mean, 4, misses the target of 3.5; every seed beats 6
    capsys.readouterr()
    assert call("results", "--markdown") == 0
    page = capsys.readouterr().out
    assert page.startswith("1 claim in 1 chapter: 1 direction only.\n\n```{list-table}")
    assert "* - Small is enough\n" in page and "[{doc}`Good </chapters/ae/good>` · preset cpu · " in page
    assert "  - **4 ± 1**\n    \n    [nats, 3 seeds]{.run}\n  - 6\n    \n    [nothing]{.run}\n" in page
    assert "  - 3\n    \n    [{cite}`key`, Table 1]{.run}\n  - [direction only]{.verdict .direction-only}" in page
    assert call("results") == 0
    shown = capsys.readouterr().out
    assert "4 ± 1 (3 seeds)" in shown and max(map(len, shown.splitlines())) <= 100
    assert call("results", str(path), "out/ae/good.ipynb") == 0  # of the named files, in their order
    heads = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert [line.split(":")[0] for line in heads] == ["ae/good", "ae/good"]
    assert call("results", "out/ae/god.ipynb") == 2
    assert call("list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["verdicts"] == ["direction only"]


def record(seed, ours, baseline, statement="Small is enough"):
    run = SimpleNamespace(preset="cpu", seed=seed, device="cpu")
    told = {"paper": (3.0, "key", "Table 1"), "unit": "nats", "lower_is_better": True, "target": 3.5, "scale": (1, "")}
    return asdict(claims.claim(run, statement, ours=ours, baseline=("other", baseline), **told))


def stored(first, *others):
    """A notebook whose first run made the records ``first``, and its other seeds the others."""
    cell = code("")
    cell["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": {mime.CLAIM: r}} for r in first]
    seeds = [{"seed": records[0]["seed"], "records": records} for records in others]
    return {"cells": [cell], "metadata": {"genlib": {"seeds": seeds}}}


def test_one_run_is_its_own_pool():
    (row,) = results.pooled(stored([record(4, [3.0, 5.0], [6.0, 8.0])]))
    assert row["ours"] == [3.0, 5.0] and row["seeds"] == [4, 5] and row["baseline"]["values"] == [6.0, 8.0]
    assert row["verdict"] == "direction only"


def test_a_seed_that_two_runs_trained_counts_once_and_the_pool_is_judged():
    """Runs from the seeds 0, 1 and 2 of a chapter that trains two seeds: four trainings, not six."""
    first = [record(0, [3.0, 3.9], [6.0, 6.4]), record(0, [1.0], [7.0], "Another")]
    second = [record(1, [4.0, 3.4], [6.5, 6.9]), record(1, [2.0], [7.0], "Another")]
    third = [record(2, [3.5, 2.5], [7.0, 8.0])]  # its notebook recorded one claim only
    row, other = results.pooled(stored(first, second, third))
    assert dict(zip(row["seeds"], row["ours"], strict=True)) == {0: 3.0, 1: 4.0, 2: 3.5, 3: 2.5}
    assert row["baseline"]["values"] == [6.0, 6.5, 7.0, 8.0]
    mean, sd = statistics.mean([3.0, 4.0, 3.5, 2.5]), statistics.stdev([3.0, 4.0, 3.5, 2.5])
    assert claims.spread(row["ours"]) == f"{mean:.4g} ± {sd:.2g}" == "3.25 ± 0.65"
    assert row["verdict"] == "reproduced"  # 3.25 reaches 3.5
    assert first[0]["verdict"] == "reproduced" and second[0]["verdict"] == "direction only"  # 3.45, 3.7
    assert (other["ours"], other["seeds"], other["baseline"]["values"]) == ([1.0, 2.0], [0, 1], [7.0])


def test_the_page_of_results_reads_a_notebook_once_and_anew_when_it_changes(tmp_path, monkeypatch):
    read, found = [], notebooks.read
    monkeypatch.setattr(notebooks, "read", lambda path: read.append(path) or found(path))
    paths = project(tmp_path, chapter("one"), chapter("two"))
    chapters = [notebooks.Chapter(path) for path in paths]
    told = lambda: (results.runs(chapters), results.collect(paths), results.side_by_side(paths))
    assert told()[0][0]["title"] == "One" and sorted(read) == sorted(paths)
    store(tmp_path, json.loads(json.dumps(chapter("one")).replace('"title": "One"', '"title": "Uno"')))
    assert told()[0][0]["title"] == "Uno" and sorted(read) == sorted([*paths, paths[0]])
    with pytest.raises(notebooks.CourseError):
        results.collect([tmp_path / "nowhere.ipynb"])


def test_more_seeds_can_take_a_verdict_away():
    (row,) = results.pooled(stored([record(0, [3.2], [6.0])], [record(1, [4.4], [6.0])]))
    assert row["verdict"] == "direction only"  # 3.8
    (row,) = results.pooled(stored([record(0, [3.2], [6.0])], [record(1, [6.1], [6.0])]))
    assert row["verdict"] == "not reproduced"  # 4.65, and one seed loses to the baseline
    smoke = record(0, [3.2], [6.0]) | {"verdict": claims.NOT_JUDGED}
    assert results.pooled(stored([smoke], [smoke | {"seed": 1}]))[0]["verdict"] == claims.NOT_JUDGED


def broken(path):
    """A path as Python, on two lines: a chapter has 92 columns."""
    text = str(path)
    return f"({text[: len(text) // 2]!r}\n{text[len(text) // 2 :]!r})"


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("sent, status", [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_killed_run_stores_nothing_and_leaves_no_process(tmp_path, sent, status):
    mark = tmp_path / "kernel"
    (path,) = project(
        tmp_path,
        chapter(
            "good",
            training=f"import os\nplace = {broken(mark)}\nwith open(place, 'w') as file:\n"
            "    file.write(f'{os.getpid()} {os.getppid()} .')\ntime.sleep(60)",
        ),
    )
    before = path.read_bytes()
    command = [sys.executable, "-m", "genlib.course.cli", "run", "good", "--preset", "cpu"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: mark.exists() and mark.read_text().endswith("."), 100)
    kernel, worker = map(int, mark.read_text().split()[:2])
    assert alive(kernel) and alive(worker)
    process.send_signal(sent)
    assert process.wait(timeout=60) == status
    wait_for(lambda: not alive(kernel) and not alive(worker), 60)
    assert path.read_bytes() == before and os.listdir(path.parent) == ["good.ipynb"]
    if sent == signal.SIGINT:
        assert process.stderr.read().strip() == "genlib: interrupted, nothing more was stored"
    process.stdout.close(), process.stderr.close()


def test_what_dies_takes_nothing_along_and_edits_are_not_overwritten(tmp_path, monkeypatch):
    """A kernel that dies, one that takes its worker along, and a notebook that somebody saves during its run; on two
    workers that have a GPU each."""
    monkeypatch.setattr(engines, "TRIES", 1)
    edit = f"place = {broken(tmp_path / 'chapters/ae/edited.ipynb')}\nwith open(place, 'a') as f:\n    f.write('\\n')"
    paths = project(
        tmp_path,
        chapter("dying", training="import os\nos._exit(1)"),
        chapter("edited", training=edit),
        chapter("killer", training="import os\nos.kill(os.getppid(), 9)"),
        chapter("good", training="import os\nprint('on', os.environ['CUDA_VISIBLE_DEVICES'])"),
    )
    found, before = [notebooks.Chapter(p) for p in paths], [p.read_text() for p in paths]
    outcomes = publish.run_all(found, "cpu", [0], root=tmp_path, engine=engines.Cluster(4, share=1.0, gpus=("5", "7")))
    assert [o.what for o in outcomes] == ["failed", "failed", "failed", "stored"]
    assert "(Training): the kernel died" in outcomes[0].note
    assert "it was edited while it ran" in outcomes[1].note
    assert "the process that ran it was killed" in outcomes[2].note
    after = [p.read_text() for p in paths]
    assert after[0] == before[0] and after[1].rstrip() == before[1] and after[2] == before[2]
    assert stamp.status(notebooks.read(paths[3])) == "fresh" and re.search(r"on [57]\\n", after[3])


# --- a cluster --------------------------------------------------------------------------------------------------------

# Notes which kernel runs it on which worker, from when to when. In its first try a victim then waits to be killed.
NOTED = """\
import os
from pathlib import Path
marks = Path({marks})
began, tries = time.time(), len(list(marks.glob(f"{slug}-{{seed}}-*")))
mark = marks / f"{slug}-{{seed}}-{{tries}}"
mark.write_text(f"{{os.getpid()}} {{os.getppid()}} {{began}} 0")
time.sleep(600 if {slug!r} == "victim" and seed == tries == 0 else 1.5)
mark.write_text(f"{{os.getpid()}} {{os.getppid()}} {{began}} {{time.time()}}")"""


class Noted:
    """A project whose chapters leave marks as they run."""

    def __init__(self, root, *slugs):
        self.root, self.marks = root, root / "marks"
        self.paths = project(root, *(chapter(s, NOTED.format(marks=broken(self.marks), slug=s)) for s in slugs))
        self.marks.mkdir()

    def tries(self, slug=""):
        """(kernel, worker, began, ended) of each try."""
        words = [p.read_text().split() for p in sorted(self.marks.glob(f"{slug}*"))]
        return [(int(k), int(w), float(a), float(b)) for k, w, a, b in (w for w in words if len(w) == 4)]

    def run(self, *args):
        command = [sys.executable, "-m", "genlib.course.cli", "run", *args]
        told = {"cwd": self.root, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, **told)

    def end(self, process, preset):
        """What a run that succeeds leaves: each chapter stored once and whole, and no process."""
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0 and err == "", out + err
        for path in self.paths:
            assert out.count(f"✓ ae/{path.stem} · stored") == 1
            n = notebooks.read(path)
            assert stamp.status(n) == "fresh" and stamp.stamp_of(n)["preset"] == preset
            assert notebooks.problems(n, notebooks.install_source(self.root), f"ae/{path.stem}") == []
        assert sorted(os.listdir(self.paths[0].parent)) == sorted(p.name for p in self.paths)
        wait_for(lambda: not any(alive(kernel) for kernel, *_ in self.tries()))
        return out


linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


@linux
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_worker_that_is_killed_loses_its_own_try_alone(tmp_path, jobs):
    noted = Noted(tmp_path, "victim", "one", "two")
    process = noted.run("--preset", "cpu", "--jobs", jobs)
    wait_for(lambda: noted.tries("victim"), 100)
    ((kernel, worker, *_),) = noted.tries("victim")
    os.kill(worker, signal.SIGKILL)
    out = noted.end(process, "cpu")
    assert len(noted.tries("victim")) == 2 and {len(noted.tries(s)) for s in ("one", "two")} <= {1, 2}
    assert re.search(r"^ae/victim · cpu · seed 0 · cell \d+/22 · \w+ · \d+ s$", out, re.MULTILINE)
    wait_for(lambda: not any(alive(worker) for _, worker, *_ in noted.tries()))


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers started by hand, each with one GPU for four chapters: the scheduler's address."""
    place, started = tmp_path / "scheduler.json", []

    def dask(*args):
        command = [sys.executable, "-m", "dask", *args, "--scheduler-file", str(place), "--no-dashboard"]
        started.append(subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    dask("scheduler", "--port", "0")
    wait_for(lambda: place.exists() and place.read_text().endswith("}"), 100)
    for _ in range(2):
        dask("worker", "--nthreads", "4", "--resources", "GPU=1", "--local-directory", str(tmp_path / "scratch"))
    yield json.loads(place.read_text())["address"]
    for process in started:
        process.kill()
        process.wait()


@linux
def test_a_scheduler_with_two_workers_of_which_one_is_killed(tmp_path, cluster, monkeypatch, capsys):
    noted = Noted(tmp_path / "project", "victim", "one", "two")
    reach = ("--preset", "gpu", "--scheduler", cluster)
    process = noted.run(*reach, "--gpu-share", "0.5", "--seeds", "0,1")
    wait_for(lambda: noted.tries("victim-0"), 100)
    os.kill(noted.tries("victim-0")[0][1], signal.SIGKILL)
    noted.end(process, "gpu")
    assert len(noted.tries("victim-0")) == 2
    (row, *_) = results.collect([noted.paths[1]])
    assert row["ours"] == [3.0, 4.0] and row["seeds"] == [0, 1]
    done = [t for t in noted.tries() if t[3]]
    for _, worker, began, _ in done:  # at most two at once on a worker
        assert sum(w == worker and a <= began < b for _, w, a, b in done) <= 2

    # The workers take the next run; Ctrl-C ends its kernel, and they stay.
    for mark in noted.marks.glob("*"):
        mark.unlink()
    before = noted.paths[0].read_bytes()
    process = noted.run("victim", "--force", *reach)
    wait_for(lambda: noted.tries("victim"), 100)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130 and err.strip() == "genlib: interrupted, nothing more was stored"
    ((kernel, worker, *_),) = noted.tries("victim")
    wait_for(lambda: not alive(kernel))
    assert alive(worker) and noted.paths[0].read_bytes() == before

    # Another genlib there than here is refused.
    monkeypatch.chdir(noted.root)
    monkeypatch.setattr(stamp, "genlib_hash", lambda *_: "another")
    assert call("run", "one", "--force", *reach) == 2
    assert "has another genlib than this machine" in capsys.readouterr().err


def test_what_keeps_a_cluster_away_is_a_sentence(tmp_path, monkeypatch, capsys):
    project(tmp_path, chapter("good"), chapter("better"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "PATIENCE", 1)

    def says(*args):
        assert call("run", *args) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and err.startswith("genlib: ")
        return err

    there = ("--scheduler", "tcp://127.0.0.1:9")  # where nobody listens
    assert "No Dask scheduler answers at tcp://127.0.0.1:9." in says("--preset", "cpu", *there)
    assert "at nowhere (missing port number" in says("--preset", "cpu", "--scheduler", "nowhere")

    async def inside():  # where a loop runs already, as in a notebook
        engines._find("nowhere")

    with ThreadPoolExecutor(1) as thread, pytest.raises(notebooks.CourseError, match="missing port number"):
        thread.submit(lambda: asyncio.run(inside())).result()
    assert "give --preset gpu, cpu or smoke" in says(*there)
    assert "--jobs is for this machine" in says("--preset", "cpu", "--jobs", "2", *there)
    assert "--scheduler wants an address" in says("--preset", "cpu", "--scheduler", "")
    monkeypatch.setitem(sys.modules, "dask", None)
    assert "pip install -e '.[cluster]' in the project's folder" in says("--preset", "cpu", "--jobs", "2")
    assert call("run", "good", "--preset", "smoke", "--jobs", "2") == 0  # one process will do for one chapter


def test_there_is_room_on_every_worker_that_has_this_genlib():
    """Asked of the scheduler: the client's own scheduler_info names five at most in some versions, at times none."""
    workers = {f"tcp://worker-{i}": {"nthreads": 2, "resources": {"GPU": 1}} for i in range(8)}
    scheduler = SimpleNamespace(identity=lambda: {"workers": workers})
    cluster = object.__new__(engines.Cluster)
    none = lambda **_: {"workers": {}}
    cluster.client = SimpleNamespace(scheduler=scheduler, sync=lambda ask: ask(), scheduler_info=none)
    cluster.resources, cluster.others = None, set()
    assert cluster.room() == 16
    cluster.others = {"tcp://worker-0"}
    assert cluster.room() == 14
    cluster.resources = {"GPU": 1.0}
    assert cluster.room() == 7


def test_a_scheduler_that_goes_before_the_first_worker_has_come(capsys, monkeypatch):
    def ends(_):
        raise TimeoutError("Timed out after 30 s")

    cluster = object.__new__(engines.Cluster)
    cluster.client = SimpleNamespace(wait_for_workers=ends)
    cluster.address, cluster.workers = "tcp://there:8786", dict
    monkeypatch.setattr(cli.notebooks, "find_root", lambda: cluster.look_at_workers())
    assert call("list") == 1
    out, err = capsys.readouterr()
    assert out.startswith("waiting for a worker to join tcp://there:8786") and "The scheduler is gone" in err


def test_names_that_are_not_there(tmp_path, monkeypatch, capsys):
    project(tmp_path, chapter("vae"), chapter("autoencoder"))
    monkeypatch.chdir(tmp_path)

    def says(*args):
        assert call(*args) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and err.startswith("genlib: ")
        return err

    assert "There is no chapter 'vea' (did you mean 'vae'?)" in says("run", "vea", "--preset", "cpu")
    assert "There is no chapter 'ae/autoencodr' (did you mean 'ae/autoencoder'?)" in says("run", "ae/autoencodr")
    assert "There is no preset 'cup' (did you mean 'cpu'?)" in says("run", "vae", "--preset", "cup")
    assert "Seeds are different whole numbers" in says("run", "--seeds", "0,one")
    assert "No such command 'lst'" in says("lst")
    assert "_toc.yml cannot be read" in (lambda: ((tmp_path / "_toc.yml").write_text("a: [1"), says("list")))()[1]
    (tmp_path / "_toc.yml").unlink()
    assert "run this inside the course's folder" in says("list")


def test_chapters_by_slug_name_and_path(tmp_path, monkeypatch):
    (path,) = project(tmp_path, chapter("vae"))
    extra = tmp_path / "chapters/ae/unlisted.ipynb"
    shutil.copy(path, extra)
    monkeypatch.chdir(tmp_path)
    for name in ("vae", "ae/vae", "chapters/ae/vae", "chapters/ae/vae.ipynb", str(path)):
        assert notebooks.find_chapter(tmp_path, name).path == path
    assert notebooks.find_chapter(tmp_path, "chapters/ae/unlisted.ipynb").path == extra
    assert [c.name for c in notebooks.chapters(tmp_path)] == ["ae/vae"]


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda n: n["cells"].pop(0), "the first cell is not a title"),
        (lambda n: n["cells"].pop(), "the headings (##) are not"),
        (lambda n: n["metadata"]["genlib"]["chapter"].pop("goals"), "chapter lacks goals"),
        (lambda n: n["metadata"]["genlib"]["chapter"].update(slug="other"), "says ae/other, its path ae/good"),
        (lambda n: n["cells"][1].update(source="%pip install genlib"), "does not follow _config.yml"),
        (lambda n: n["cells"][3].update(source="preset = 'cpu'\nseed = 0"), "tagged parameters"),
        (lambda n: n["cells"][2]["metadata"].pop("tags"), "setup cell 2 is not tagged hide-input"),
        (lambda n: n["cells"][2].update(source="x = 1\n" * 41), "42 lines of code, allowed are 40"),
        (lambda n: n["cells"][2].update(execution_count=None), "cell 3: it was not run"),
        (lambda n: n["cells"][7]["outputs"][0].update(text="✓ a\n1.25\n"), "other output than its checks' lines"),
        (lambda n: n["cells"][10]["outputs"].append(stream("/" + "root/data/x")), "names a path of the machine"),
        (lambda n: n["cells"][10]["outputs"].append(stream("oh", "stderr")), "stores text on stderr: 'oh'"),
        (lambda n: n["cells"][10]["outputs"].append(stream("x" * 1_600_000)), "allowed are 1.5"),
        (lambda n: n["cells"][10]["metadata"].update(tags=["nbval-skip"]), "another nbval tag"),
        (lambda n: n["cells"][12]["metadata"].pop("mystnb"), "no alt text or no caption"),
        (lambda n: n["cells"][12]["outputs"][0]["data"].update({"image/png": "A" * 204_000}), "a PNG of 153 KB"),
        (lambda n: n["metadata"].update(widgets={}), "widget or papermill state"),
    ],
)
def test_every_rule_of_the_contract_is_seen(ran, spoil, said):
    root, (path, *_), *_ = ran
    n = json.loads(path.read_text(encoding="utf-8"))
    spoil(n)
    found = notebooks.problems(n, notebooks.install_source(root), "ae/good")
    assert any(said in f for f in found), found


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def test_a_new_chapter_has_all_but_what_its_author_writes(tmp_path, monkeypatch, capsys):
    project(tmp_path, chapter("vae"))
    systems = "systems:\n  - {family: vae, slug: beta, title: β-VAE, year: 2017, cite: [higgins2017beta]}\n"
    (tmp_path / "book/systems.yml").write_text(systems, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert call("new", "vae/beta") == 0
    assert "into the book with: make lint (or genlib tidy)" in capsys.readouterr().out
    path = tmp_path / "chapters/vae/beta.ipynb"
    text = path.read_text(encoding="utf-8")
    n = json.loads(text)
    assert stamp.chapter_of(n)["paper"] == "higgins2017beta" and "".join(n["cells"][0]["source"]).startswith(
        "# β-VAE\n"
    )
    beta = "vae/beta"
    assert [beside.notes_path(tmp_path, beta).is_file(), beside.answers_path(tmp_path, beta).is_file()] == [True, True]
    assert beside.problems(tmp_path, beta, ["beta-2"]) == [
        "book/teaching/notes/vae/beta.md has 4 places of the skeleton still to write"
    ]
    assert "TO" + "DO" not in text and stamp.status(n) == "never"
    for cell in n["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = 1
    found = notebooks.problems(n, notebooks.install_source(tmp_path), "vae/beta")
    assert len(found) == 2
    assert [any(word in f for f in found) for word in ("0 of at least 5 checks", "no claim")] == [True] * 2
    assert exercises.problems(n) == []
    (e,) = exercises.graded(n)
    assert (e.name, e.label, e.points) == ("beta-2", "ex-beta-2", 2)
    for answer, said in ((e.definition, "beta-2: not yet. It returns nothing"), (e.answer, "beta-2: right.")):
        names = {}
        exec("import genlib, torch", names)
        exec(e.grader, names)
        exec(answer, names)
        assert repr(eval(e.check, names)).startswith(said)
    known = beside.answers(tmp_path, beta)
    verdicts = lambda arguments, found: [
        names["genlib"].exercise("beta-2").check(beside.function(arguments, a, names)) for a in found
    ]
    assert not any(verdicts(known.wrong["beta-2"][0], known.wrong["beta-2"][1].values()))
    assert all(verdicts(*known.right["beta-2"]))
    assert call("new", "vae/beta") == 2
    assert "exists already" in capsys.readouterr().err and path.read_text(encoding="utf-8") == text
    beside.notes_path(tmp_path, beta).unlink()
    capsys.readouterr()
    assert call("new", "vae/beta") == 0 and path.read_text(encoding="utf-8") == text
    assert capsys.readouterr().out.startswith("Wrote book/teaching/notes/vae/beta.md\nNext: ")
    assert call("new", "VAE-beta") == 2
    assert call("new", "gan/wgan_gp", "--title", "WGAN-GP") == 0
    n = json.loads((tmp_path / "chapters/gan/wgan_gp.ipynb").read_text(encoding="utf-8"))
    assert stamp.chapter_of(n)["title"] == "WGAN-GP"
    assert [e.name for e in exercises.graded(n)] == ["wgan-gp-2"] and exercises.problems(n) == []


def test_one_url_is_followed_everywhere_and_stales_nothing(tmp_path, monkeypatch, capsys):
    n = chapter("vae")
    colab = "https://colab.research.google.com/github/{}/blob/{}/chapters/ae/vae.ipynb"
    n["cells"][0]["source"] += f"\n\n[Colab]({colab.format('someone/somewhere', 'main')}), [source]({URL}/issues)"
    n["metadata"]["genlib"]["stamp"] = {"code": stamp.code_hash(n)}
    (path,) = project(tmp_path, n)
    (tmp_path / "README.md").write_text(f"{URL} and {URL}-more and {colab.format('a/b', 'c')}\n")
    monkeypatch.chdir(tmp_path)
    assert call("sync-url") == 0
    capsys.readouterr()
    (tmp_path / "_config.yml").write_text("repository:\n  url: https://github.com/new/place\n  branch: dev\n")
    assert call("sync-url") == 0
    assert capsys.readouterr().out == "Changed chapters/ae/vae.ipynb\nChanged README.md\n"
    after = notebooks.read(path)
    assert notebooks.text(after["cells"][1]["source"]) == notebooks.install_source(tmp_path)
    assert "git+https://github.com/new/place@dev" in notebooks.install_source(tmp_path)
    lead = notebooks.text(after["cells"][0]["source"])
    assert colab.format("new/place", "notebooks") in lead and "(https://github.com/new/place/issues)" in lead
    readme = (tmp_path / "README.md").read_text()
    assert readme == f"https://github.com/new/place and {URL}-more and {colab.format('new/place', 'notebooks')}\n"
    assert stamp.status(after) == "fresh"
    assert call("sync-url") == 0
    assert capsys.readouterr().out == "Everything follows _config.yml already.\n"


def test_the_command_is_quick_and_speaks_plainly(tmp_path, capsys):
    code = "import sys; from genlib.course import cli, notebooks, results, mystnb; "
    code += "from genlib.course.author import scaffold, publish; from genlib.course.teach import assignment; "
    code += "print([m for m in ('torch', 'numpy', 'nbformat', 'papermill', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    assert call("--help") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("list", "run", "results", "new", "assignment", "doctor", "sync-url"))
    assert call() == 2
    assert "Usage: genlib" in capsys.readouterr().out


def test_measuring_names_the_device_and_does_not_wait_for_torch():
    code = (
        "import sys; from genlib.course.author.measure import measure; print(measure()); print('torch' in sys.modules)"
    )
    told, torch = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )[:2]
    told = json.loads(told)
    assert torch == "False"
    assert 5 < told["peak_memory_mb"] < 200  # the new process's own, not that of the one that started it
    assert told["preset"] is None and told["versions"]["python"] and "thread" in told["device"]


def test_doctor_says_what_is_missing_and_what_to_do(monkeypatch, capsys, tmp_path):
    from genlib.course import doctor

    monkeypatch.setenv("GENLIB_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert call("doctor") == 0
    shown = capsys.readouterr().out
    for words in (
        "✓  python",
        "✓  torch",
        "–  MNIST",
        "is no folder: set it",
        "–  browser",
        "apt-get install chromium",
    ):
        assert words in shown
    monkeypatch.setattr(doctor, "_missing", lambda extra: [] if extra else ["numpy"])
    assert call("doctor") == 1
    assert "✗  genlib" in capsys.readouterr().out


def test_the_page_shows_a_claim_as_its_table_alone():
    from genlib.course.mystnb import RecordRenderer

    for kind in (mime.CLAIM, mime.ROW):
        assert RecordRenderer.handle_mime(None, SimpleNamespace(mime_type=kind), False) == []
    assert RecordRenderer.handle_mime(None, SimpleNamespace(mime_type="text/html"), False) is None
