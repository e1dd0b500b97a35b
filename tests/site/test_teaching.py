"""The teaching pages as they are built: the generated parts say what the chapters say, and link what is written."""

import re

import pytest

from genlib.course import beside
from genlib.course.teach import plans

plain = lambda text: re.sub(r"\W+", "", text)  # smart quotes and spaces are the typesetter's


@pytest.fixture(scope="module")
def plan(root):
    return plans.Plan(root)


def minutes(text):
    return int(re.search(r"(\d+) min", text)[1])


def test_the_table_of_facts_has_every_written_chapter(soup, plan):
    rows = soup("book/teaching/index").select("table.facts tbody tr")
    assert len(rows) == len(plan.facts) > 0
    for row, (name, fact) in zip(rows, plan.facts.items(), strict=True):
        cells = row.find_all("td")
        assert cells[0].a["href"] == f"../../chapters/{name}.html"
        assert minutes(cells[2].get_text()) == fact["reading"]
        assert cells[4].get_text(strip=True) == (
            ", ".join(f"{n} ({p} point{'s' * (p != 1)})" for n, p in fact["exercises"]) or "–"
        )
        assert cells[5].get_text(strip=True) == (str(fact["slides"]) if fact["slides"] else "–")


def test_every_chapter_has_a_page_of_notes_which_others_link(soup, plan):
    links = {a["href"] for a in soup("book/teaching/instructors").select("article .teaching a")}
    assert links == {f"notes/{name}.html#{beside.notes_label(name)}" for name in plan.written}
    rows = soup("book/teaching/index").select("table.facts tbody tr")
    assert [row.select_one(".run a")["href"] for row in rows] == [
        f"notes/{name}.html#{beside.notes_label(name)}" for name in plan.facts
    ]


def test_the_notes_show_their_chapters_goals(soup, plan):
    for name in plan.written:
        (box,) = soup(f"book/teaching/notes/{name}").select(".chapter-facts")
        assert box.a["href"] == f"../../../../chapters/{name}.html"
        assert [plain(li.get_text()) for li in box.select("li")] == [plain(goal) for goal in plan.facts[name]["goals"]]
        assert minutes(box.get_text()) == plan.facts[name]["reading"]


@pytest.mark.parametrize("number", [6, 12, 14])
def test_a_syllabus_shows_each_week_and_its_state(soup, plan, number):
    rows = soup(f"book/teaching/syllabus_{number}").select("table.weeks tbody tr")
    assert len(rows) == number
    ready = 0
    for i, (row, week) in enumerate(zip(rows, plan.syllabi[number], strict=True), 1):
        state = plan.state(week)
        ready += state == "ready"
        assert row.select(f".state.{state.replace(' ', '-')}") and f"{i}. {week.title}" in row.get_text()
        links = {a["href"] for a in row.find_all("a")}
        assert links == {f"../../chapters/{n}.html" for n in (*week.core, *week.options) if n in plan.written}
        coming = {plain(span.get_text()) for span in row.select(".coming")}
        assert coming == {plain(plan.titles[n]) for n in (*week.core, *week.options) if n not in plan.written}
    said = soup(f"book/teaching/syllabus_{number}").select_one(".syllabus").get_text()
    assert f"{ready} of {number} weeks" in said


def test_the_graph_has_every_chapter_below_what_it_needs(soup, plan):
    items = soup("book/teaching/prerequisites").select(".prerequisites li")
    named = lambda li: plain(li.p.find(["a", "span"]).get_text())
    names = {plain(title): name for name, title in plan.titles.items()}
    assert sorted(names[named(li)] for li in items) == sorted(plan.titles)
    for li in items:
        name, above = names[named(li)], li.find_parent("li")
        needed = set(plan.builds_on(name))
        if above:
            assert names[named(above)] in needed
            needed.remove(names[named(above)])
        after = plain(li.p.get_text())
        assert all(plain(plan.titles[n]) in after for n in needed)
        assert bool(li.p.find("a")) == (name in plan.written)
