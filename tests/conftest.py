"""What all tests share: the project's root, how tests are dealt to workers, and the table of what a chapter costs."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent
IN_CHAPTERS = re.compile(r"(?:^chapters/(?P<stored>[\w/-]+)\.ipynb::)|(?:^tests/chapters/.*\[(?P<tested>\w+/[\w-]+)\])")


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


# --- cost -------------------------------------------------------------------------------------------------------------

seconds = defaultdict(lambda: defaultdict(float))  # chapter -> "papermill", "nbval", "format" -> seconds
megabytes = {}  # chapter -> peak memory of its smoke run


def pytest_runtest_logreport(report):
    found = IN_CHAPTERS.match(report.nodeid)
    if not found:
        return
    chapter = found["stored"] or found["tested"]
    kind = "nbval" if found["stored"] else "papermill" if "test_run.py" in report.nodeid else "format"
    seconds[chapter][kind] += report.duration
    megabytes[chapter] = dict(report.user_properties).get("peak_memory_mb", megabytes.get(chapter, ""))


def pytest_terminal_summary(terminalreporter):
    """A table of what each chapter cost, in seconds of one worker."""
    if not seconds:
        return
    kinds = ("papermill", "nbval", "format")
    write = terminalreporter.write_line
    terminalreporter.section("cost of the chapters")
    write(f"{'seconds of one worker':<34}" + "".join(f"{k:>11}" for k in kinds) + f"{'all':>9}{'peak MB':>10}")
    for chapter, spent in sorted(seconds.items()):
        cells = "".join(f"{spent[k]:>11.1f}" for k in kinds)
        write(f"{chapter:<34}{cells}{sum(spent.values()):>9.1f}{megabytes[chapter]:>10}")
    mean = sum(sum(spent.values()) for spent in seconds.values()) / len(seconds)
    write(f"{mean:.0f} s a chapter: sixty of them take {60 * mean / 60 / 2:.0f} minutes on two workers")
