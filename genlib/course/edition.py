"""Which edition of the book this is: the version from ``pyproject.toml``, its date from the latest heading of
``CHANGELOG.md``. The foot of each page, the exports and ``CITATION.cff`` say the same."""

import datetime
import re
import tomllib
from dataclasses import dataclass

from .notebooks import CourseError

HEADING = re.compile(r"^## +(\S+) +\((\d{4}-\d{2}-\d{2})\) *$", re.MULTILINE)


@dataclass(frozen=True)
class Edition:
    """version: as in pyproject.toml, such as "0.1.0". date: of its publication. Its text is a line at a page's foot."""

    version: str
    date: datetime.date

    def __str__(self):
        return f"Edition {self.version}, {self.date.day} {self.date:%B %Y}"


def edition(root):
    """The Edition of the book in the folder ``root``. Raises CourseError if the two files do not agree."""
    try:
        version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise CourseError(f"pyproject.toml tells no version of the book: {' '.join(str(error).split())}.") from error
    changes = root / "CHANGELOG.md"
    latest = HEADING.search(changes.read_text(encoding="utf-8")) if changes.exists() else None
    if latest is None:
        raise CourseError("CHANGELOG.md has no heading of an edition: begin it with '## VERSION (YYYY-MM-DD)'.")
    if latest[1] != version:
        raise CourseError(f"CHANGELOG.md begins with {latest[1]} and pyproject.toml has {version}: make them agree.")
    try:
        return Edition(version, datetime.date.fromisoformat(latest[2]))
    except ValueError as error:
        raise CourseError(f"CHANGELOG.md: {latest[2]} is no date: {error}.") from error
