"""The project as a whole: its pins, its licences, which way imports go, and what no file of it may contain."""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT, TOOL = (tomllib.loads((ROOT / "pyproject.toml").read_text())[part] for part in ("project", "tool"))
REQUIREMENTS = (ROOT / "requirements.txt").read_text()


# --- the environment --------------------------------------------------------------------------------------------------


def pins():
    """(name, version, marker or None, hashes) of each entry of requirements.txt."""
    entry = re.compile(
        r"^(\S+)==([^\s;]+)(?: ; (.+?))? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
    )
    found = [
        (canonicalize_name(m[1]), Version(m[2]), m[3], re.findall(r"sha256:(\w+)", m[4]))
        for m in entry.finditer(REQUIREMENTS)
    ]
    assert entry.sub("", REQUIREMENTS) == "", "requirements.txt has a line that is no pin with hashes"
    return found


def ranges():
    """Every requirement of pyproject.toml: the package's own and its extras'."""
    extras = PROJECT["optional-dependencies"]
    return [Requirement(r) for r in PROJECT["dependencies"] + [r for extra in extras.values() for r in extra]]


def test_requirements_are_pinned_with_hashes_and_name_no_place():
    assert len(pins()) > 100
    assert all(hashes and len(hashes) == len(set(hashes)) for *_, hashes in pins())
    assert not re.search(r"://|^-|@ |index|find-links", REQUIREMENTS, re.MULTILINE)


def test_requirements_satisfy_pyproject():
    versions = {}
    for name, version, _, _ in pins():
        versions.setdefault(name, []).append(version)  # more than one: each for other Pythons
    for requirement in ranges():
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{name} is not in requirements.txt: make requirements"
        for version in versions[name]:
            assert requirement.specifier.contains(version), f"{name} {version} is not within {requirement}"
    assert versions["torch"] == [Version("2.11.0")]
    assert versions["torchvision"] == [Version("0.26.0")]


def test_requirements_are_complete():
    """Whatever an installed pin requires here is pinned too, or left out for a reason that pyproject.toml gives."""
    here = default_environment()
    left_out = {Requirement(r).name for r in TOOL["uv"]["override-dependencies"]}
    pinned = {n for n, _, marker, _ in pins() if marker is None or Marker(marker).evaluate(here)}
    wanted = {canonicalize_name(r.name): set(r.extras) for r in ranges()}
    todo = list(wanted)
    while todo:
        name = todo.pop()
        for text in metadata.requires(name) or ():
            need = Requirement(text)
            extras = wanted[name] | {""}
            if need.marker and not any(need.marker.evaluate(here | {"extra": e}) for e in extras):
                continue
            child = canonicalize_name(need.name)
            if child in left_out:
                continue
            assert child in pinned, f"{name} needs {child}, which requirements.txt does not have"
            if child not in wanted or not set(need.extras) <= wanted[child]:
                wanted[child] = wanted.get(child, set()) | set(need.extras)
                todo.append(child)


@pytest.mark.skipif(Path(sys.prefix) != ROOT / ".venv", reason="not in the environment that make made")
def test_the_environment_is_what_requirements_say():
    for name, version, marker, _ in pins():
        if marker is None or Marker(marker).evaluate():
            assert Version(metadata.version(name)) == version, f"{name}: make env"


def test_pyproject_has_ranges_and_no_upper_pins_in_the_core():
    for text in PROJECT["dependencies"]:
        operators = {s.operator for s in Requirement(text).specifier}
        assert operators == {">="}, f"{text}: Colab's own versions must stay where they are"
    allowed = {"torch", "torchvision", "numpy", "matplotlib", "scipy", "scikit-learn", "tqdm"}
    allowed |= {"safetensors", "pooch", "filelock"}  # light: checkpoints, checked downloads, one download at a time
    allowed |= {"mpmath"}  # torch brings it along; special functions to any precision
    assert {Requirement(t).name for t in PROJECT["dependencies"]} <= allowed
    assert set(PROJECT["optional-dependencies"]) == {"course", "book", "test", "teach", "cluster"}


def test_conda_environment_follows_pyproject():
    told = yaml.safe_load((ROOT / "environment.yml").read_text())
    plain = [d for d in told["dependencies"] if isinstance(d, str)]
    by_pip = next(d["pip"] for d in told["dependencies"] if isinstance(d, dict))
    assert plain == [f"python{PROJECT['requires-python']}", "pip"]
    assert len(by_pip) == 1 and by_pip[0].startswith("-e .")
    project = Requirement("genlib" + by_pip[0].removeprefix("-e ."))
    assert project.extras == {"course", "book", "test"} <= set(PROJECT["optional-dependencies"])


def test_licences():
    assert "MIT License" in (ROOT / "LICENSE").read_text()
    assert PROJECT["license"] == "MIT"
    text = (ROOT / "LICENSE-TEXT").read_bytes()  # the legal code of CC BY 4.0, to the letter
    assert text.startswith(b"Attribution 4.0 International")
    assert hashlib.sha256(text).hexdigest() == "fd3a263fe19ed8faa9068b43abaebafc02c77897b0c6fc09abc04bb592e5f16e"


# --- imports ----------------------------------------------------------------------------------------------------------


def imported(source):
    """The modules a source imports, relative ones with their dots."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            yield dots + (node.module or "")
            yield from (f"{dots}{node.module}.{a.name}" if node.module else dots + a.name for a in node.names)


GENLIB = {p.relative_to(ROOT / "genlib").as_posix(): p for p in sorted((ROOT / "genlib").rglob("*.py"))}
CORE = [path for name, path in GENLIB.items() if not name.startswith("course/")]


@pytest.mark.parametrize("module", CORE, ids=lambda p: p.relative_to(ROOT / "genlib").as_posix())
def test_the_core_imports_nothing_of_the_course(module):
    for name in imported(module.read_text()):
        assert not re.match(r"(genlib\.|\.+)?course\b|chapters\b|tests\b", name), f"{module.name} imports {name}"


def test_the_course_imports_no_chapter():
    for module in (ROOT / "genlib" / "course").rglob("*.py"):
        for name in imported(module.read_text()):
            assert not re.match(r"chapters\b|tests\b", name), f"{module.name} imports {name}"


def test_chapters_import_genlib_and_declared_packages_only():
    packages = {Requirement(t).name.replace("-", "_").lower() for t in PROJECT["dependencies"]}
    known = packages | {"sklearn", "genlib", "IPython"} | set(sys.stdlib_module_names)
    for path in (ROOT / "chapters").rglob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            source = re.sub(r"^(\s*)(?:%%?\w|!(?!=)).*$", r"\1pass", "".join(cell["source"]), flags=re.MULTILINE)
            for name in imported(source) if cell["cell_type"] == "code" else ():
                assert name.split(".")[0] in known, f"{path.name} imports {name}"
                assert not name.startswith("genlib.course"), f"{path.name} imports {name}"


def import_graph(sources):
    """{file below genlib: source} -> ({module: the modules of genlib that it imports, at its top or in a function},
    the private names of other modules that it uses)."""
    dotted = lambda name: f"genlib/{name}".removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    modules = {dotted(name) for name in sources}
    graph, private = {}, []
    for name, source in sources.items():
        me, tree = dotted(name), ast.parse(source)
        package = me if name.endswith("__init__.py") else me.rpartition(".")[0]
        graph[me], bound = set(), set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                graph[me] |= {a.name for a in node.names} & modules
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
                base = ".".join(above + ([node.module] if node.module else []))
                for alias in node.names if base in modules else ():
                    whole = f"{base}.{alias.name}"
                    graph[me].add(whole if whole in modules else base)
                    bound |= {alias.asname or alias.name} if whole in modules else set()
                    private += [f"{me}: {whole}"] * bool(re.match("_(?!_)", alias.name))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
                private += [f"{me}: {ast.unparse(node)}"] * bool(re.match("_(?!_)", node.attr))
        graph[me].discard(me)
    return graph, private


def test_imports_make_no_circle_and_nothing_private_is_used_elsewhere():
    graph, private = import_graph({name: path.read_text() for name, path in GENLIB.items()})
    assert {"genlib.loop", "genlib.checkpoint", "genlib.ranks"} <= graph["genlib.run"] and len(graph) == len(GENLIB)
    assert list(TopologicalSorter(graph).static_order()) and private == []
    for module, others in graph.items():  # author and teach lean on the course's own base; the base on neither
        room = ".".join(module.split(".")[:3])
        rooms = {o for o in others if re.match(r"genlib\.course\.(author|teach)\b", o)}
        if room in ("genlib.course.author", "genlib.course.teach"):
            assert all(o.startswith(room) for o in rooms), f"{module} imports {rooms}"
        elif module not in ("genlib.course.cli", "genlib.course.looking"):  # the commands are what calls them
            assert not rooms, f"{module} imports {rooms}"


def test_a_circle_and_a_private_name_are_found():
    sources = {"__init__.py": "", "a.py": "from .b import c", "b/__init__.py": "from .c import f", "b/c.py": "x = 1"}
    graph, private = import_graph(sources)
    assert graph == {"genlib": set(), "genlib.a": {"genlib.b.c"}, "genlib.b": {"genlib.b.c"}, "genlib.b.c": set()}
    assert list(TopologicalSorter(graph).static_order()) and not private
    for late in ("from ..a import y", "def f():\n    from genlib import a", "def f():\n    import genlib.a"):
        with pytest.raises(CycleError):
            TopologicalSorter(import_graph(sources | {"b/c.py": late})[0]).prepare()
    for bad in (
        "from .a import _y",
        "from genlib.b.c import _z as z",
        "from . import a\na._y()",
        "from .b import c\nc._z",
    ):
        assert len(import_graph(sources | {"d.py": bad})[1]) == 1, bad
    assert not import_graph(sources | {"d.py": "from . import __version__\nself._y"})[1]


def test_genlib_is_small():
    """The protocols, which several chapters run and none is about, are 260 lines of it, the live figures 190."""
    lines = {name: len(path.read_text().splitlines()) for name, path in GENLIB.items()}
    assert sum(lines[p.relative_to(ROOT / "genlib").as_posix()] for p in CORE) <= 3540, lines
    assert {name: n for name, n in lines.items() if n > 400}.keys() <= LONG


LONG = set()


def test_import_is_light():
    """`import genlib` brings neither torch nor anything of the extras; using it brings torch, and still no extras."""
    heavy = {"papermill", "nbformat", "nbclient", "sphinx", "jupyter_book", "click", "dask", "accelerate"}
    use = "genlib.start, genlib.data, genlib.plots, genlib.check, genlib.claim, genlib.dist, genlib.metrics"
    ask = f"import sys, genlib; early = 'torch' in sys.modules; {use}; print(early, sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split(maxsplit=1) == ["False", "[]\n"], done.stdout


# --- one address ------------------------------------------------------------------------------------------------------


def test_install_cells_and_links_follow_the_config():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
    source = f"git+{config['url']}@{config['branch']}"
    for path in (ROOT / "chapters").rglob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        install = [c for c in cells if "install" in c["metadata"].get("tags", [])]
        assert len(install) == 1 and source in "".join(install[0]["source"]), path.name


# --- what no file may contain -----------------------------------------------------------------------------------------


def tracked():
    """The project's text files: those that git tracks or would, or, without git, all that are not built or cached."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        paths = [ROOT / name for name in listed.split("\0") if name]
    else:
        skip = {".venv", "_build", "build", ".git", ".genlib", "__pycache__", ".pytest_cache", ".ruff_cache"}
        paths = [p for p in ROOT.rglob("*") if not skip & set(p.relative_to(ROOT).parts) and p.is_file()]
    for path in paths:
        if path.is_file() and b"\0" not in path.read_bytes()[:8192]:  # as git tells text from the rest
            yield path


def words(path):
    """A file's text; of a notebook the sources and the outputs that are text."""
    raw = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return raw
    parts = []
    for cell in json.loads(raw)["cells"]:
        parts.append("".join(cell["source"]))
        for output in cell.get("outputs", ()):
            parts.append("".join(output.get("text", "")))
            parts += ["".join(v) for k, v in output.get("data", {}).items() if k.startswith("text/")]
    return "\n".join(parts)


# Written in pieces, so that this file does not contain what it looks for.
UNWANTED = {
    "an absolute path": r"(?<![\w.:/~$}>-])/(?:home|ro" + r"ot|Users|work|opt)/\w",
    "a package registry": r"py"
    + r"pi\.org|python"
    + r"hosted|download\.py"
    + r"torch|conda\.ana"
    + r"conda|npm"
    + r"js\.",
    "unfinished work": r"\bTO" + r"DO\b|\bFIX" + r"ME\b|\bX" + r"XX\b|\bT" + r"BD\b|\b[Ll]orem ip" + r"sum",
}


@pytest.mark.parametrize("what", UNWANTED)
def test_no_file_contains(what):
    found = {}
    for path in tracked():
        match = re.search(UNWANTED[what], words(path))
        if match:
            found[str(path.relative_to(ROOT))] = match[0]
    assert not found


@pytest.mark.parametrize(
    "make, what", [("/ho" + "me/me/data", "an absolute path"), ("TO" + "DO: later", "unfinished work")]
)
def test_the_search_finds(make, what):
    assert re.search(UNWANTED[what], f"x = {make!r}")


# --- the commands -----------------------------------------------------------------------------------------------------


def test_make_refuses_an_old_python(tmp_path):
    """One clear sentence, and a status that is not zero."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "python3.8"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && { echo Python 3.8.1; exit 0; }\nexit 1\n')
    old.chmod(0o755)
    for python, said in ((old, "is Python 3.8.1"), ("python-that-is-not-there", "is not there")):
        done = subprocess.run(["make", "env", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode != 0
        first = done.stderr.splitlines()[0]
        assert "Python 3.11 or newer is needed" in first and said in first, done.stderr
        assert not (tmp_path / ".venv").exists()


def make(folder, target, **tools):
    """``make target`` in ``folder`` with a Makefile of its own environment, in which the tools are shell scripts."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name, script in tools.items():
        path = folder / ".venv" / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    (folder / ".venv" / ".complete").write_text(f"{folder}\n")  # after all that it is made of
    said = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    outer = {"MAKELEVEL", "MAKEFLAGS", "MFLAGS"}  # of `make test` itself: an inner make would tell its folders
    env = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(["make", target], cwd=folder, env=env, text=True, **said)


@pytest.mark.parametrize("tests, linter", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_make_test_says_last_what_the_linter_found(tmp_path, tests, linter):
    done = make(tmp_path, "test", python=f"echo tests done; exit {tests}", ruff=f"echo lines found; exit {linter}")
    assert (done.returncode != 0) == bool(tests or linter)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("make")]
    last = ["The linter objects to the lines above, whatever the tests came to: make lint mends what it can."]
    assert lines == ["tests done", "lines found", *last * linter]


def test_make_book_says_which_chapters_are_stale(tmp_path):
    """After all else, and a book whose chapters are fresh says nothing of them."""
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    shutil.copytree(ROOT / "chapters", tmp_path / "chapters", ignore=shutil.ignore_patterns(".*"))
    python = f'case "$2" in *build_inputs*) exit 0;; *) PYTHONPATH={ROOT} exec {sys.executable} "$@";; esac'
    assert make(tmp_path, "book", python=python).stdout.splitlines()[-1].startswith("The book is built")
    path = tmp_path / "chapters" / "vae" / "vae.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    next(c for c in notebook["cells"] if "def " in "".join(c["source"]))["source"].append("\nx = 1")
    path.write_text(json.dumps(notebook), encoding="utf-8")
    shutil.rmtree(tmp_path / ".venv")
    said = "Not fresh, the code changed since the outputs were made: vae/vae. genlib run vae/vae makes them so."
    assert make(tmp_path, "book", python=python).stdout.splitlines()[-1] == said


def test_ci_calls_make_test():
    script = (ROOT / ".ci" / "run").read_text()
    assert script.startswith("#!/usr/bin/env bash\n") and "set -euo pipefail" in script
    assert "make test" in script
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


# --- the workflows ----------------------------------------------------------------------------------------------------


def actionlint(*paths):
    """What actionlint, which the environment has, says of workflow files."""
    binary = Path(sys.executable).with_name("actionlint")
    return subprocess.run([binary, "-no-color", *paths], cwd=ROOT, capture_output=True, text=True)


def test_workflows():
    """They are sound, and do what they promise with the commands of the README."""
    workflows = {path.stem: path for path in (ROOT / ".github" / "workflows").glob("*.yml")}
    assert workflows.keys() == {"test", "pages", "colab"}
    linted = actionlint(*workflows.values())
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "run: make test" in workflows["test"].read_text()
    assert "run: make book" in workflows["pages"].read_text()
    assert "genlib.course.cli run --preset smoke" in workflows["colab"].read_text()


def test_an_unsound_workflow_is_refused(tmp_path):
    bad = tmp_path / "bad.yml"
    sound = (ROOT / ".github" / "workflows" / "pages.yml").read_text()
    bad.write_text(sound.replace("steps.deployment.outputs", "steps.deploy.outputs"))
    assert bad.read_text() != sound
    assert "deploy" in actionlint(bad).stdout and actionlint(bad).returncode == 1
