"""What all tests share: the project's root, how tests are dealt to workers, and the table of what a chapter costs."""

import re
import signal
from collections import defaultdict
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent
IN_CHAPTERS = re.compile(r"(?:^chapters/(?P<stored>[\w/-]+)\.ipynb::)|(?:^tests/chapters/.*\[(?P<tested>\w+/[\w-]+)\])")


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


# --- the preset -------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_preset_from_outside(monkeypatch):
    """`make test` sets GENLIB_PRESET for the kernels of nbval; the tests in this folder choose their own presets."""
    monkeypatch.delenv("GENLIB_PRESET", raising=False)


# --- cost -------------------------------------------------------------------------------------------------------------


def chapter_and_kind(nodeid):
    """Whose cost a test is, and under which heading; (None, None) for tests that are of no chapter."""
    found = IN_CHAPTERS.match(nodeid)
    if found:
        kind = "nbval" if found["stored"] else "papermill" if "test_run.py" in nodeid else "format"
        return found["stored"] or found["tested"], kind
    found = re.match(r"^tests/site/.*\[(?:chapters/)?(?P<shown>(?:ae|vae|gan|flow)/\w+)\]", nodeid)
    return (found["shown"], "site") if found and "grave_fault" not in nodeid else (None, None)  # axe: two of a family


def pytest_terminal_summary(terminalreporter, config):
    """A table of what each chapter cost, in seconds of one worker, and what sixty of them would."""
    kinds = ("papermill", "nbval", "format", "site")
    spent, peak, rest = defaultdict(lambda: dict.fromkeys(kinds, 0.0)), defaultdict(str), 0.0
    for report in (r for reports in terminalreporter.stats.values() for r in reports if hasattr(r, "duration")):
        chapter, kind = chapter_and_kind(report.nodeid)
        if not chapter:
            rest += report.duration
            continue
        spent[chapter][kind] += report.duration
        peak[chapter] = dict(report.user_properties).get("peak_memory_mb", peak[chapter])
    if not any(cost["papermill"] for cost in spent.values()):
        return
    write = terminalreporter.write_line
    terminalreporter.section("cost of the chapters")
    write(f"{'seconds of one worker':<34}" + "".join(f"{k:>11}" for k in kinds) + f"{'all':>9}{'peak MB':>10}")
    for chapter, cost in sorted(spent.items()):
        cells = "".join(f"{cost[k]:>11.1f}" for k in kinds)
        write(f"{chapter:<34}{cells}{sum(cost.values()):>9.1f}{peak[chapter]:>10}")
    each = sum(sum(cost.values()) for cost in spent.values()) / len(spent)
    workers = int(config.getoption("numprocesses", None) or 1)
    write(
        f"{each:.0f} s a chapter on the average, {rest:.0f} s for what is of no chapter: sixty chapters on {workers} "
    )
    write(f"workers would take about {(60 * each + rest) / workers / 60:.0f} minutes")
