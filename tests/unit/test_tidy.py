"""What all chapters share: sorted by a rule, and two people who begin a chapter each do not meet in it."""

import shutil
import subprocess

import pytest
import yaml

from genlib.course import notebooks
from genlib.course.author import order, scaffold, tidy
from genlib.course.notebooks import CourseError
from genlib.course.teach import plans

SHARED = ("_toc.yml", "_config.yml", ".gitattributes", "book", "chapters")


def entry(key):
    return f"@misc{{{key},\n  author = {{A. Author}},\n  title = {{{{About {key}}}}},\n  year = {{2017}},\n}}\n"


def git(folder, *arguments):
    own = ["-c", "user.name=one", "-c", "user.email=one@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *own, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def book(root, tmp_path):
    """A copy of what the rule is about, in a git repository of its own."""
    for name in SHARED:
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, tmp_path / name)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message=begun")
    return tmp_path


def test_the_project_is_in_order(root):
    wrong = [path.name for path, text in tidy.wanted(root).items() if path.read_text(encoding="utf-8") != text]
    assert not wrong, f"{', '.join(wrong)}: make lint puts it right"


def test_the_order_has_sixty_chapters_each_after_what_it_builds_on_in_its_family(root):
    plan = plans.Plan(root)
    told = list(plan.titles)
    assert len(told) == len(set(told)) == 60
    for name in told:
        for needed in plan.builds_on(name):
            if needed.split("/")[0] == name.split("/")[0]:
                assert told.index(needed) < told.index(name), f"{name} stands before {needed}"


# --- two people -------------------------------------------------------------------------------------------------------


def begin(folder, name, term, key, symbol):
    """What a person does who begins a chapter, on a branch of its own."""
    git(folder, "checkout", "--quiet", "-b", name.replace("/", "-"), "main")
    scaffold.new(folder, name)
    bib, glossary, notation = (folder / "book" / n for n in ("references.bib", "glossary.md", "notation.md"))
    bib.write_text(bib.read_text(encoding="utf-8") + "\n" + entry(key), encoding="utf-8")
    said = f"\n{term}\n  {{ko}}`말` What {term} means.\n"
    glossary.write_text(glossary.read_text(encoding="utf-8").replace("\n```\n", f"\n{said}```\n", 1), encoding="utf-8")
    last = "| $\\eta$ | `eta`, `lr` | size of a gradient step, the learning rate |\n"
    assert last in notation.read_text(encoding="utf-8")
    row = f"| ${symbol}$ | `{symbol}` | a symbol of its own |\n"
    notation.write_text(notation.read_text(encoding="utf-8").replace(last, last + row), encoding="utf-8")
    tidy.tidy(folder)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", f"--message={name}")


@pytest.mark.parametrize(
    "first, second",
    [
        (
            ("gan/wgan", "kantorovich", "author2017wgan", "u"),
            ("gan/wgan_gp", "kantorovich potential", "aname2017gp", "v"),
        ),
        (("gan/lsgan", "zebra", "zname2016", "u"), ("vae/cvae", "aardvark", "bname2015", "v")),
    ],
)
def test_two_who_begin_a_chapter_each_merge_without_a_conflict(book, first, second):
    begin(book, *first)
    begin(book, *second)
    git(book, "merge", "--quiet", "--no-edit", first[0].replace("/", "-"))
    tidy.tidy(book)
    assert tidy.tidy(book) == []
    toc = yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8"))
    names = [c.name for c in notebooks.chapters(book)]
    told = list(plans.Plan(book).titles)
    assert {first[0], second[0]} < set(names) and names == sorted(set(names), key=told.index) and toc["root"]
    bib = (book / "book/references.bib").read_text(encoding="utf-8")
    glossary = (book / "book/glossary.md").read_text(encoding="utf-8")
    notation = (book / "book/notation.md").read_text(encoding="utf-8")
    for _, term, key, symbol in (first, second):
        assert bib.count(entry(key)) == 1 and glossary.count(f"\n{term}\n  {{ko}}`말` What {term} means.\n\n") == 1
        assert notation.count(f"| ${symbol}$ | `{symbol}` |") == 1
    keys = [m[1] for m in tidy.ENTRY.finditer(bib)]
    assert keys == sorted(keys)


# --- the rules --------------------------------------------------------------------------------------------------------


def test_the_bibliography_is_sorted_by_key_and_keeps_every_entry():
    text = "% What is cited.\n\n% Flows\n\n" + entry("zeta2014") + "\n" + entry("alpha2017") + "\n" + entry("zeta2014")
    assert tidy.bibliography(text) == "% What is cited.\n\n" + entry("alpha2017") + "\n" + entry("zeta2014")


@pytest.mark.parametrize(
    "text, said",
    [
        (entry("a") + entry("a").replace("2017", "2018"), "two different entries called 'a'"),
        (entry("a").replace("}\n", "", 1).replace("\n}\n", "\n") + entry("b"), "the entry a does not end before"),
        (entry("a") + "<<<<<<< HEAD\n" + entry("b"), "'<<<<<<< HEAD' is part of no entry"),
    ],
)
def test_a_bibliography_that_sorting_cannot_mend_is_refused(text, said):
    with pytest.raises(CourseError) as error:
        tidy.bibliography(text)
    assert said in str(error.value)


def test_the_glossary_is_sorted_by_letters_and_a_lost_empty_line_is_mended():
    text = (
        "# G\n\n```{glossary}\n:sorted:\n\nβ\n  b\nk-means\n  k\nKalman\n  l\n\nÉlan\n  e\n\nelbo\n  f\n```\n\nafter\n"
    )
    body = "\n\n".join(["Élan\n  e", "elbo\n  f", "Kalman\n  l", "k-means\n  k", "β\n  b"])
    assert tidy.glossary(text) == f"# G\n\n```{{glossary}}\n:sorted:\n\n{body}\n\n```\n\nafter\n"


def test_a_chapter_without_a_place_in_the_order_is_refused_and_nothing_changes(book):
    before = (book / "book/references.bib").read_text(encoding="utf-8")
    (book / "book/references.bib").write_text(before + "\n" + entry("aaa"), encoding="utf-8")
    shutil.copy(book / "chapters/gan/gan.ipynb", book / "chapters/gan/strange.ipynb")
    with pytest.raises(CourseError, match="does not list gan/strange: add an entry"):
        tidy.tidy(book)
    assert (book / "book/references.bib").read_text(encoding="utf-8").endswith(entry("aaa"))


def test_a_chapter_in_a_group_without_a_part_is_refused(book):
    path = book / "book/systems.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("group: game, slug: gan,", "group: games, slug: gan,"))
    with pytest.raises(CourseError, match="has no part for gan/gan: give its family and group"):
        order.toc(book)
