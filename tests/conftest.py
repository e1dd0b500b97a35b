"""What all tests share: the project's root, how tests are dealt to workers, and the table of what a chapter costs."""

import re
import signal
from collections import defaultdict
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from genlib.course import notebooks

ROOT = Path(__file__).resolve().parent.parent
IN_CHAPTERS = re.compile(r"(?:^chapters/(?P<stored>[\w/-]+)\.ipynb::)|(?:^tests/chapters/.*\[(?P<tested>\w+/[\w-]+)\])")
SHOWN = re.compile(r"^tests/site/.*\[(?:chapters/)?(?P<shown>(?:ae|vae|gan|flow)/\w+)\]")


# A shell that starts the tests in the background has SIGINT ignored, here and in every process from here: some tests
# interrupt, as Ctrl-C does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root():
    """The project's folder."""
    return ROOT


# --- workers ----------------------------------------------------------------------------------------------------------


class ByChapter(LoadScopeScheduling):
    """A file's tests stay on one worker, in order; those of tests/chapters are dealt chapter by chapter."""

    def _split_scope(self, nodeid):
        found = IN_CHAPTERS.match(nodeid)
        file = nodeid.split("::", 1)[0]
        return f"{file} {found['tested']}" if found and found["tested"] else file


def pytest_xdist_make_scheduler(config, log):
    return ByChapter(config, log)


# --- the notebooks ----------------------------------------------------------------------------------------------------


class LatestOfEachFamily:
    """Every chapter is executed once, by papermill (tests/chapters/test_run.py). nbval, which executes it once more, is
    given the latest of each family here; ``pytest --nbval-lax chapters`` alone, without ``tests``, takes them all."""

    def __init__(self):
        paths = [chapter.path for chapter in notebooks.chapters(ROOT)]
        latest = {path.parent: path for path in paths}
        self.others = set(paths) - set(latest.values())

    def pytest_ignore_collect(self, collection_path):
        return collection_path in self.others or None


def pytest_configure(config):
    config.pluginmanager.register(LatestOfEachFamily())


def pytest_collection_modifyitems(items):
    # One worker builds the site before anything else, while the others have chapters to run and need not wait for it.
    items.sort(key=lambda item: item.path.name != "test_html.py")


# --- the preset -------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_preset_from_outside(monkeypatch):
    """`make test` sets GENLIB_PRESET for the kernels of nbval; the tests in this folder choose their own presets."""
    monkeypatch.delenv("GENLIB_PRESET", raising=False)


# --- cost -------------------------------------------------------------------------------------------------------------


KINDS = ("papermill", "format", "site", "nbval")
OF_SOME = ("grave_fault", "legible", "two_processes")  # tests for which a chapter stands for its family, or for all
BUILDS = "test_html.py::test_the_pages_are_those_of_the_table_of_contents"  # in its setup, for all chapters


def chapter_and_kind(nodeid):
    """Whose cost a test is, and under which heading; (None, None) for tests that more chapters do not make longer."""
    found = IN_CHAPTERS.match(nodeid) or SHOWN.match(nodeid)
    if not found or any(name in nodeid for name in OF_SOME):
        return None, None
    told = found.groupdict()
    if told.get("stored"):
        return told["stored"], "nbval"
    if told.get("shown"):
        return told["shown"], "site"
    return told["tested"], "papermill" if "test_run.py" in nodeid else "format"


def pytest_terminal_summary(terminalreporter, config):
    """A table of what each chapter cost, in seconds of one worker, and what sixty of them would."""
    spent, peak = defaultdict(lambda: dict.fromkeys(KINDS, 0.0)), defaultdict(str)
    each = rest = 0.0
    for report in (r for reports in terminalreporter.stats.values() for r in reports if hasattr(r, "duration")):
        chapter, kind = chapter_and_kind(report.nodeid)
        if chapter:
            spent[chapter][kind] += report.duration
            peak[chapter] = dict(report.user_properties).get("peak_memory_mb", peak[chapter])
        built = BUILDS in report.nodeid and report.when == "setup"
        if kind in (None, "nbval") and not built:  # nbval is given one chapter of each family
            rest += report.duration
        else:
            each += report.duration
    if not any(cost["papermill"] for cost in spent.values()):
        return
    write = terminalreporter.write_line
    terminalreporter.section("cost of the chapters")
    write(f"{'seconds of one worker':<34}" + "".join(f"{k:>11}" for k in KINDS) + f"{'peak MB':>10}")
    for chapter, cost in sorted(spent.items()):
        cells = "".join(f"{cost[k]:>11.1f}" if cost[k] else f"{'–':>11}" for k in KINDS)
        write(f"{chapter:<34}{cells}{peak[chapter]:>10}")
    if config.getoption("keyword"):
        return  # some chapters alone tell nothing of sixty
    each /= len(spent)
    workers = int(config.getoption("numprocesses", None) or 1)
    write(f"{each:.0f} s for each chapter, and {rest:.0f} s for what sixty do not make longer (nbval is in it):")
    write(f"sixty chapters with JOBS={workers} would take about {(60 * each + rest) / workers / 60:.0f} minutes")
