"""The chapters as others than the book show them: nothing of MyST is left, the numbers are the page's, and a real
JupyterLab shows one with its formulas typeset and its solutions closed."""

import contextlib
import copy
import functools
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from genlib import mime
from genlib.course import export, notebooks, stamp

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120_000

KINDS = {
    "a role": "see {eq}`eq-x`",
    "a directive": "```{note}\nx\n```",
    "a colon fence": "x\n\n:::\n",
    "an option": ":label: ex-1",
    "a label of an equation": "$$\na\n$$ (eq-x)",
    "a label": "(a-label)=\n## Heading",
    "a comment": "% said to nobody",
    "a break of blocks": "+++",
    "an attribute": "[words]{.run}",
    "a link into the source": "[the VAE](../vae/vae.ipynb)",
    "a substitution": "{{ name }}",
    "a footnote": "so it is[^1]",
}
CLEAN = "## Title\n\n$$\na_{{x}} \\tag{1}\n$$\n\n(1) is *so*: $[\\cdot]{b}$, `{eq}`, [x](https://a.b)."
CLEAN += "\n\n```python\nx = {1}\n% no\n```"


@functools.cache
def exported(chapter):
    return export.export(ROOT, notebooks.find_chapter(ROOT, chapter.removeprefix("chapters/")))


def prose(notebook):
    return "\n\n".join(notebooks.text(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")


# --- what is left of MyST ---------------------------------------------------------------------------------------------


def test_what_the_exports_cost_grows_with_the_book_and_no_faster(monkeypatch, tmp_path):
    """Each notebook is read a few times, however many chapters there are, though any may refer to any other."""
    read, times = notebooks.read, {}

    def counted(path):
        times[path] = times.get(path, 0) + 1
        return read(path)

    monkeypatch.setattr(notebooks, "read", counted)
    export.write(ROOT, notebooks.chapters(ROOT), tmp_path)
    assert max(times.values()) <= 5


def test_nothing_of_myst_is_left(chapter):
    assert export.leftovers(exported(chapter)) == []
    nbformat.validate(nbformat.from_dict(exported(chapter)))


@pytest.mark.parametrize("kind", export.LEFT)
def test_the_detector_finds(kind):
    look = lambda text: export.leftovers({"cells": [{"cell_type": "markdown", "source": text}]})
    assert kind in {what for _, what, _ in look(f"{CLEAN}\n\n{KINDS[kind]}\n")}
    assert look(CLEAN) == []


def test_a_chapter_as_it_is_written_is_full_of_it(chapter, notebook):
    found = {what for _, what, _ in export.leftovers(notebook(chapter))}
    assert {"a role", "a directive", "an option", "a label of an equation"} <= found


# --- the page's numbers -----------------------------------------------------------------------------------------------


def test_equations_have_the_numbers_of_the_page(soup, chapter, notebook):
    page = [n.get_text().strip("()#\uf0c1¶") for n in soup(chapter).article.select("div.math[id] .eqno")]
    assert re.findall(r"\\tag\{(\d+)\}", prose(exported(chapter))) == page and len(page) >= 3


def test_figures_have_the_numbers_of_the_page(soup, chapter):
    page = [n.get_text().strip() for n in soup(chapter).article.select("figcaption .caption-number")]
    captions = re.findall(r"^\*\*(Figures? [\d. and]+)\.\*\* ", prose(exported(chapter)), re.MULTILINE)
    named = [f"Figure {n}" for caption in captions for n in re.findall(r"\d+\.\d+", caption)]
    assert named == page and len(page) >= 3


def test_exercises_and_solutions_have_the_numbers_of_the_page(soup, chapter):
    article, text = soup(chapter).article, prose(exported(chapter))
    page = [re.match(r"Exercise [\d.]+", t.get_text())[0] for t in article.select(".exercise .admonition-title")]
    assert re.findall(r"^### (Exercise [\d.]+)(?::|$)", text, re.MULTILINE) == page and page
    solved = [s.get_text() for s in article.select("details.solution summary")]
    found = re.findall(r"<summary>Solution to (Exercise [\d.]+)", text)
    assert found == [re.search(r"Exercise [\d.]+", s)[0] for s in solved]


def test_links_lead_to_pages_and_anchors_that_are_there(site, soup, chapter):
    from genlib.course.addresses import Addresses

    address = Addresses(ROOT).site + "/"
    links = re.findall(rf"\]\({re.escape(address)}([^)#]+)\.html#?([^)]*)\)", prose(exported(chapter)))
    assert links
    for document, anchor in links:
        assert (site / f"{document}.html").is_file(), document
        assert not anchor or soup(document).find(id=anchor), f"{document}#{anchor}"


# --- what stays -------------------------------------------------------------------------------------------------------


def words(output):
    """An output as an export has it: of a live figure its words, the page alone has its weights."""
    data = {kind: value for kind, value in output.get("data", {}).items() if kind != mime.LIVE}
    return output | {"data": data} if data else output


def test_code_outputs_and_stamp_stay(chapter, notebook):
    source, made = notebook(chapter), exported(chapter)
    before, after = notebooks.code_cells(source), notebooks.code_cells(made)
    assert [[words(o) for o in c["outputs"]] for c in before] == [c["outputs"] for c in after]
    assert stamp.stamp_of(made) == stamp.stamp_of(source) and stamp.status(made) == stamp.status(source)
    for old, new in zip(before, after, strict=True):
        hidden = "hide-input" in notebooks.tags(old)
        first = notebooks.text(new["source"]).split("\n")[0]
        folded = new["metadata"].get("jupyter", {}).get("source_hidden", False), new["metadata"].get("cellView")
        assert notebooks.tags(new) == notebooks.tags(old)
        assert (
            folded == ((True, "form") if hidden else (False, None)) and first.startswith("#@title Show the ") == hidden
        )


def test_the_download_button_gives_the_export(site, chapter):
    assert notebooks.read(site / "_sources" / f"{chapter}.ipynb") == exported(chapter)


def test_the_same_chapter_gives_the_same_file(tmp_path, chapters):
    chapter = notebooks.find_chapter(ROOT, chapters[0].removeprefix("chapters/"))
    one, two = (export.write(ROOT, [chapter], tmp_path / n)[0].read_bytes() for n in "ab")
    assert one == two
    export.write(ROOT, [chapter], tmp_path / "a")  # an export is replaced


def test_a_source_is_never_replaced():
    chapter = notebooks.chapters(ROOT)[0]
    before = chapter.path.read_bytes()
    with pytest.raises(notebooks.CourseError, match="is no export and would be replaced"):
        export.write(ROOT, [chapter], ROOT / "chapters")
    assert chapter.path.read_bytes() == before


def test_what_would_be_left_is_refused(tmp_path, monkeypatch):
    chapter = notebooks.chapters(ROOT)[0]
    bad = copy.deepcopy(notebooks.read(chapter.path))
    bad["cells"][-1]["source"] = "so it is[^1]"
    monkeypatch.setattr(
        notebooks, "read", lambda path, read=notebooks.read: bad if path == chapter.path else read(path)
    )
    with pytest.raises(notebooks.CourseError, match="a footnote would be left in the export"):
        export.write(ROOT, [chapter], tmp_path)
    assert not list(tmp_path.iterdir())


# --- in JupyterLab ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab with the export of the VAE, alone on this machine."""
    folder = tmp_path_factory.mktemp("lab")
    export.write(ROOT, [notebooks.find_chapter(ROOT, "vae/vae")], folder / "files")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "XDG_"))} | {"HOME": str(folder)}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password="]
    command += [
        f"--ServerApp.root_dir={folder / 'files'}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=",
    ]
    command[-1] += "jupyterlab.handlers.announcements.NeverCheckForUpdate"
    with (
        open(folder / "log", "w") as log,
        subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log) as server,
    ):
        try:
            address = f"http://127.0.0.1:{port}/"
            for _ in range(240):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"{address}api", timeout=5).close()
                    break
                assert server.poll() is None, (folder / "log").read_text()[-3000:]
                time.sleep(0.5)
            yield address
        finally:
            server.terminate()


def test_jupyterlab_shows_an_export(browser, lab):
    page = browser.new_context(viewport={"width": 1280, "height": 60_000}).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{lab}lab/tree/vae/vae.ipynb?reset")
    page.wait_for_selector(".jp-RenderedMarkdown mjx-container")
    told = "[...document.querySelectorAll('.jp-RenderedMarkdown')].map(e => e.textContent).join()"
    page.wait_for_function(f"{told}.split('Solution to Exercise').length > 3")  # the last cells are rendered last
    seen = page.evaluate("""() => {
        const all = q => [...document.querySelectorAll(q)], words = all('.jp-RenderedMarkdown');
        const without = e => {
            const copy = e.cloneNode(true);
            copy.querySelectorAll('code, mjx-container').forEach(x => x.remove());
            return copy.textContent;
        };
        const bare = words.map(without).join('\\n');
        return {
            formulas: all('.jp-RenderedMarkdown mjx-container').length,
            errors: all('mjx-merror').map(e => e.textContent),
            open: all('.jp-RenderedMarkdown details[open]').length,
            raw: bare.match(/\\{[a-z:]+\\}|:::|:label:|\\$\\$|\\\\(frac|mathbb|tag|begin)/g),
            folded: all('.jp-CodeCell .jp-Placeholder').length,
        };
    }""")
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/lab.png")
    assert seen["formulas"] >= 60 and not seen["errors"] and not seen["open"] and not seen["raw"], seen
    assert seen["folded"] >= 4
    page.context.close()
