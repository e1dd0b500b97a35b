"""What students hand in, put in order before nbgrader grades it: one odd notebook never stops a class.

The course folder's ``nbgrader_config.py`` calls ``configure``. Every submission then becomes the release with that
student's answers in it. So cells that were copied, split, deleted, moved or changed in kind, another kernel, an older
format and stored outputs do no harm. An answer that could mark itself is not run (see ``suspect``), and what a cell
prints is cut after so many characters.
"""

import copy
import json
import os
import signal
from pathlib import Path

import nbformat
from nbgrader.converters.autograde import Autograde
from nbgrader.preprocessors import DeduplicateIds, Execute, NbGraderPreprocessor
from traitlets import Integer

from ..notebooks import parsed
from . import suspect

REFUSED = """\
# This cell was not run: {why}.
# A person looks at it. Its author may hand in an answer that leaves what grades it alone.
raise RuntimeError({why!r})

"""


def configure(c):
    """Give the configuration of a course these two steps beside nbgrader's own."""
    grade = Autograde.autograde_preprocessors.default_args[0]
    own = [p for p in Autograde.sanitize_preprocessors.default_args[0] if p is not DeduplicateIds]
    c.Autograde.sanitize_preprocessors = [InOrder, *own]
    c.Autograde.autograde_preprocessors = [Limited if p is Execute else p for p in grade]


class InOrder(NbGraderPreprocessor):
    """The release with a student's answers in it, and what the student wrote between them."""

    def preprocess(self, nb, resources):
        course, asked = self.parent.parent.coursedir, resources["nbgrader"]
        place = lambda folder: Path(course.format_path(folder, ".", asked["assignment"]), f"{asked['notebook']}.ipynb")
        release, source = place(course.release_directory), place(course.source_directory)
        if not release.is_file():
            self.log.warning("There is no %s: the submission is graded as it is.", release)
            return nb, resources
        release = nbformat.read(release, as_version=4)
        tests = nbformat.read(source, as_version=4) if source.is_file() else release
        made, notes = in_order(nb, release, [c.source for c in tests.cells if c.cell_type == "code" and _locked(c)])
        for note in notes:
            self.log.warning("%s: %s", asked["student"], note)
        return made, resources


def in_order(handed_in, release, locked):
    """(the release with the answers of a submission, what was odd about it); locked: sources that an answer has to
    leave as they are."""
    places = {_name(c): c for c in release.cells if _name(c)}
    answers, between, at, notes = {name: [] for name in places}, {None: []}, None, []
    for cell in handed_in.cells:
        name = _name(cell)
        if name in places:
            at = name
            answers[name].append(cell.source)
        elif cell.cell_type in ("code", "markdown") and cell.source.strip():  # of the student's own
            between.setdefault(at, []).append(cell)
    known, kept = suspect.modules(locked), suspect.names(locked)
    kept |= set(suspect.modules(locked))

    def run(source, name):
        why = suspect.why(source, known, kept - _defined(places.get(name)))
        if why:
            notes.append(f"a cell at {name or 'the top'} is not run: {why}")
        return REFUSED.format(why=why) + "\n".join(f"# {line}" for line in source.split("\n")) if why else source

    new = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}

    def more(own, name):
        return [new[c.cell_type](run(c.source, name) if c.cell_type == "code" else c.source) for c in own]

    cells = more(between[None], None)
    for cell in copy.deepcopy([c for c in release.cells if _name(c)]):
        name, stub = _name(cell), cell.source
        found = list(dict.fromkeys(answers.get(name, ())))
        if not found:
            notes.append(f"the cell {name} was deleted and is back")
        if len(answers.get(name, ())) > 1:
            notes.append(f"the cell {name} was there {len(answers[name])} times")
        cells.append(cell)
        if not _locked(cell):
            found = [s for s in found if s.strip() != stub.strip()] or [stub]
            if cell.cell_type == "code":
                cell.source = run(found[0], name)
                cells += [new["code"](run(s, name)) for s in found[1:]]
            else:
                cell.source = "\n\n".join(found)
        cells += more(between.get(name, ()), name)
    return nbformat.from_dict({**release, "cells": cells}), notes


def _name(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _locked(cell):
    return cell.metadata.get("nbgrader", {}).get("locked", False)


def _defined(cell):
    """The functions and classes that an exercise asks for."""
    code = cell.source if cell is not None and cell.cell_type == "code" else ""
    return {n.name for n in parsed(code).body if hasattr(n, "name")}


class Limited(Execute):
    """nbgrader's run of a submission, in which a cell is stopped when it has printed and shown more than ``most``."""

    most = Integer(100_000, help="characters of output that a cell may have").tag(config=True)

    def output(self, outs, msg, display_id, cell_index):
        if outs is not getattr(self, "outs", None):
            self.outs, self.shown = outs, 0
        if self.shown > self.most and msg["msg_type"] != "error":
            return None
        self.shown += len(json.dumps(msg["content"], ensure_ascii=False, default=str))
        if self.shown <= self.most or msg["msg_type"] == "error":
            return super().output(outs, msg, display_id, cell_index)
        if pid := getattr(self.km.provisioner, "pid", None):  # at once: later it would meet the next cell
            os.kill(pid, signal.SIGINT)
        told = f"\n… what this cell shows is cut: it is more than {self.most:,} characters."
        if msg["msg_type"] == "stream":
            begin = "".join(msg["content"]["text"])[: self.most // 10]
            msg = msg | {"content": msg["content"] | {"text": begin + told}}
        else:
            stream = {"msg_type": "stream"}
            msg |= stream | {"header": msg["header"] | stream, "content": {"name": "stdout", "text": told}}
        return super().output(outs, msg, None, cell_index)
