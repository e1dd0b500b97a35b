"""The edition is said in one place for its version and one for its date, and all that repeats them agrees."""

import datetime
import re

import pytest
import yaml

from genlib.course import edition, notebooks
from genlib.course.notebooks import CourseError


def project(folder, version="1.2.0", heading="## 1.2.0 (2026-03-01)"):
    (folder / "pyproject.toml").write_text(f'[project]\nname = "x"\nversion = "{version}"\n')
    (folder / "CHANGELOG.md").write_text(f"# What changed\n\nWords.\n\n{heading}\n\n- a\n\n## 1.1.0 (2025-12-24)\n")
    return folder


def test_an_edition_is_its_version_and_the_date_of_the_latest_heading(tmp_path):
    told = edition.edition(project(tmp_path))
    assert told == edition.Edition("1.2.0", datetime.date(2026, 3, 1)) and str(told) == "Edition 1.2.0, 1 March 2026"


@pytest.mark.parametrize(
    "given, said",
    [
        ({"version": "1.3.0"}, "CHANGELOG.md begins with 1.2.0 and pyproject.toml has 1.3.0"),
        ({"heading": "## 1.2.0 (2026-13-01)"}, "2026-13-01 is no date"),
        ({"heading": "## Next"}, "begins with 1.1.0"),
        ({"version": '1"'}, "pyproject.toml tells no version"),
    ],
)
def test_what_does_not_agree_is_refused(tmp_path, given, said):
    with pytest.raises(CourseError) as error:
        edition.edition(project(tmp_path, **given))
    assert said in str(error.value)


def test_without_a_list_of_changes_there_is_no_date(tmp_path):
    (project(tmp_path) / "CHANGELOG.md").unlink()
    with pytest.raises(CourseError, match="no heading of an edition"):
        edition.edition(tmp_path)


def test_the_citation_says_what_the_project_says(root):
    cited = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    own, settings = edition.edition(root), notebooks.read_yaml(root / "_config.yml")
    assert {"cff-version", "message", "title", "authors"} <= cited.keys() and cited["cff-version"] == "1.2.0"
    assert cited["version"] == own.version and cited["date-released"] == own.date
    assert cited["repository-code"] == settings["repository"]["url"]
    entry = re.search(r"```bibtex\n(.*?)```", (root / "book/licence.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    assert cited["title"] in entry and f"{{{cited['authors'][0]['name']}}}" in entry
    assert f"{own.date.year}" in re.search(r"year += \{(\d+)\}", entry)[1]
    assert all(author.keys() == {"name"} for author in cited["authors"])


def test_errata_name_their_chapter_once(root):
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^- \*\*(.+?)\.\*\* ", text, re.MULTILINE)
    assert len(heads) == len(set(heads)) == len(re.findall(r"^- ", text, re.MULTILINE)) > 0
