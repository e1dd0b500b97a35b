"""The built pages as files: complete, self-contained, and in agreement with the notebooks that they show."""

import functools
import re
from datetime import date
from itertools import takewhile
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
import yaml
from bs4 import Tag
from pybtex.database import parse_file

from genlib import claims
from genlib.course import notebooks, results, stamp

FOREIGN = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
IN_CSS = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)
LOADS = {
    "script": "src",
    "img": "src",
    "source": "src",
    "iframe": "src",
    "video": "src",
    "embed": "src",
    "object": "data",
}
LOADED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch", "manifest"}


@pytest.fixture(scope="module")
def systems(root):
    return yaml.safe_load((root / "book" / "systems.yml").read_text(encoding="utf8"))


@pytest.fixture(scope="module")
def anchors(soup):
    """A function: the name of a document -> the ids that a link may point to there."""
    return functools.cache(lambda name: {tag["id"] for tag in soup(name).find_all(id=True)})


# --- the whole ----------------------------------------------------------------------------------------------------


def test_the_pages_are_those_of_the_table_of_contents(site, pages):
    files = [path for folder in ("book", "chapters") for path in (site / folder).rglob("*.html")]
    assert {path.relative_to(site).with_suffix("").as_posix() for path in files} == set(pages)
    assert (site / "index.html").exists() and (site / "search.html").exists()


def test_nothing_comes_from_another_host(soup, page):
    foreign = []
    for name, attribute in LOADS.items():
        foreign += [tag[attribute] for tag in soup(page).find_all(name) if FOREIGN.match(tag.get(attribute, ""))]
    for link in soup(page).find_all("link", href=True):
        if LOADED_LINKS & set(link.get("rel", [])) and FOREIGN.match(link["href"]):
            foreign.append(link["href"])
    for script in soup(page).find_all("script", src=False):
        foreign += re.findall(r"https?://[^\"'\s]+\.(?:m?js|css)\b", script.get_text())
    foreign += [url for style in soup(page).find_all("style") for url in IN_CSS.findall(style.get_text())]
    foreign += [url for tag in soup(page).find_all(style=True) for url in IN_CSS.findall(tag["style"])]
    assert not foreign


def test_the_one_sheet_has_the_rules_of_all(site):
    """Also after a build in which few pages were written."""
    packed = (site / "_static" / "site.css").read_text(encoding="utf8")
    assert ".teaching" in packed and ".prerequisites" in packed and ".systems-map" in packed and ".solution" in packed


def test_no_style_sheet_asks_another_host(site):
    sheets = {p.name: IN_CSS.findall(p.read_text(encoding="utf8")) for p in (site / "_static").rglob("*.css")}
    assert sheets and not {name: urls for name, urls in sheets.items() if urls}


def test_pictures_say_what_they_show(soup, page):
    pictures = {img["src"]: img.get("alt", "").strip() for img in soup(page).find_all("img")}
    assert not [src for src, alt in pictures.items() if not alt or alt.endswith((".png", ".svg", ".gif"))]


def test_links_within_the_book_lead_somewhere(site, soup, anchors, page):
    broken = []
    for a in soup(page).find_all("a", href=True):
        url, anchor = urldefrag(a["href"])
        if urlsplit(url).scheme or FOREIGN.match(url):
            continue
        target = (site / page).parent.joinpath(unquote(url)).resolve() if url else site / f"{page}.html"
        if not target.is_file():
            broken.append(a["href"])
        elif anchor and target.suffix == ".html":
            name = target.relative_to(site.resolve() if url else site).with_suffix("").as_posix()
            if unquote(anchor) not in anchors(name):
                broken.append(a["href"])
    assert not broken


# --- chapters -------------------------------------------------------------------------------------------------------


def test_a_chapter_has_equations_figures_and_outputs(soup, chapter):
    article = soup(chapter).article
    assert len(article.select("div.math")) >= 3
    assert len(article.select(".cell_output figure img")) >= 3
    assert len(article.select(".cell_output figure figcaption")) >= 3
    assert len(article.select(".cell_output")) >= 8
    assert article.select(".cell_output table.claim")
    assert [h.get_text().rstrip("#").strip() for h in article.find_all("h2")] == list(notebooks.HEADINGS)


def test_a_chapter_shows_no_error(soup, chapter):
    for output in soup(chapter).article.select(".cell_output"):
        assert "Traceback (most recent call last)" not in output.get_text()
        assert not output.select(".traceback, .stderr")


def prose(element):
    """The texts below an element that are neither code nor mathematics."""
    for child in element.children:
        if not isinstance(child, Tag):
            yield child
        elif child.name not in ("pre", "code", "script", "style") and "math" not in child.get("class", []):
            yield from prose(child)


def test_colours_come_from_the_style_sheets(soup, page):
    """They know the light and the dark; a colour in the text itself does not."""
    coloured = re.compile(r"(?:^|[;\s-])(?:color|background(?:-color)?)\s*:")
    assert not [str(tag)[:80] for tag in soup(page).article.find_all(style=coloured)]
    assert not soup(page).article.find_all(["font", "style"])


def test_no_markup_is_left_over(soup, page):
    assert not re.findall(r"\{[a-z:]+\}`|\$\$|:::|^```", "\n".join(prose(soup(page).article)), re.MULTILINE)


def test_the_setup_cells_are_behind_one_toggle(soup, chapter, notebook):
    before = list(takewhile(lambda c: not "".join(c["source"]).startswith("## "), notebook(chapter)["cells"]))
    hidden = [c for c in before if "hide-input" in c["metadata"].get("tags", [])]
    toggles = soup(chapter).select("details.setup")
    assert len(toggles) == 1 and len(toggles[0].select(".cell_input")) == len(hidden)


def test_the_line_under_the_title_is_the_stamp(soup, chapter, notebook):
    lines = soup(chapter).select("p.executed:not(.projected)")
    assert len(lines) == 1 and lines[0].find_previous("h1") is not None
    told = results.projected(notebook(chapter))  # by genlib rehearse, on a line of its own
    projected = [line.get_text() for line in soup(chapter).select("p.executed.projected")]
    assert projected == [f"projected, not measured: {told}"] * bool(told)
    text, run = lines[0].get_text(), stamp.stamp_of(notebook(chapter))
    if not run:
        assert text.strip() == "not executed yet"
        return
    seconds = sum(int(n) * {"h": 3600, "min": 60, "s": 1}[unit] for n, unit in re.findall(r"(\d+) (h|min|s)\b", text))
    assert abs(seconds - run["seconds"]) <= max(1, 60 * (run["seconds"] >= 3600))
    day = date.fromisoformat(run["date"][:10])
    for part in (f"executed on {run['device']} in ", f"preset {run['preset']}", f"seed {run['seed']}", f"{day:%B %Y}"):
        assert part in text
    assert ("older than the code" in text) == (stamp.status(notebook(chapter)) == "stale")


def test_the_colab_link_follows_from_the_configuration(soup, chapter, config):
    repository = config["repository"]
    name = repository["url"].removeprefix("https://github.com/")
    branch = config["sphinx"]["config"]["html_theme_options"]["repository_branch"]  # where the exports are
    wanted = f"https://colab.research.google.com/github/{name}/blob/{branch}/{chapter}.ipynb"
    found = {a["href"] for a in soup(chapter).find_all("a", href=re.compile("colab"))}
    assert found == {wanted}


# --- results, map, glossary, bibliography ---------------------------------------------------------------------------


def test_the_results_are_the_records_of_the_chapters(soup, root):
    rows = results.collect([c.path for c in notebooks.chapters(root)])
    lines = soup("book/results").select("table.results tbody tr")
    assert len(lines) == len(rows) > 0
    plain = lambda text: re.sub(r"\W+", "", text)  # smart quotes and spaces are the typesetter's
    for line, row in zip(lines, rows, strict=True):
        cells = [plain(cell.get_text()) for cell in line.find_all("td")]
        assert plain(row["statement"]) in cells[0]
        assert plain(claims.spread(row["ours"])) in cells[1]
        assert plain(claims.spread(row["baseline"]["values"])) in cells[2]
        told = row["paper"]["value"]  # a number, or words where the paper gives none
        assert plain(told if isinstance(told, str) else f"{told:g}") in cells[3]
        assert plain(row["verdict"].split(" (")[0]) in cells[4]


def test_the_runs_are_those_of_the_stamps(soup, root):
    stamps = [stamp.stamp_of(notebooks.read(c.path)) for c in notebooks.chapters(root)]
    *lines, total = [
        [cell.get_text(strip=True) for cell in line.find_all("td")]
        for line in soup("book/results").select("table.runs tbody tr")
    ]
    seconds = lambda told: [int(n) for n in re.fullmatch(r"(\d+) min (\d+) s", told).groups()]
    for line, run in zip(lines, stamps, strict=True):
        assert line[1:3] == [run["preset"], run["device"]] and line[4] == f"{run['peak_memory_mb']:,} MB"
        minutes, rest = seconds(line[3])
        assert abs(60 * minutes + rest - run["seconds"]) <= 1
    minutes, rest = seconds(total[3])
    assert abs(60 * minutes + rest - sum(run["seconds"] for run in stamps)) <= 1


def test_the_map_shows_every_system_once(soup, systems):
    links = soup("book/index").select(".systems-map tbody li")
    assert [len(systems["systems"]) + 1, len(links)] == [60, 59]
    for title in (s["title"] for s in systems["systems"]):
        assert sum(li.a.find(string=True) == title for li in links) == 1


def test_the_map_leads_to_the_chapters_that_are_written(soup, systems, notebook, chapters):
    written = {a["href"] for a in soup("book/index").select(".systems-map li.written a")}
    assert written == {f"../{name}.html" for name in chapters}
    for name in chapters:
        chapter = stamp.chapter_of(notebook(name))
        entry = next(s for s in systems["systems"] if name == f"chapters/{s['family']}/{s['slug']}")
        assert [chapter["slug"], chapter["family"], chapter["year"]] == [entry["slug"], entry["family"], entry["year"]]
        assert chapter["paper"] in entry["cite"]


def test_every_glossary_term_has_its_korean_equivalent(soup):
    entries = soup("book/glossary").select("dl.glossary dt")
    assert len(entries) >= 60
    assert not [dt.get_text() for dt in entries if not dt.find_next("dd").select("span.ko[lang=ko]")]


def test_every_work_can_be_found(root, systems):
    entries = parse_file(str(root / "book" / "references.bib")).entries
    lost = [key for key, entry in entries.items() if not {"doi", "eprint", "url"} & set(entry.fields)]
    assert not lost and {key for s in systems["systems"] for key in s["cite"]} <= set(entries)
