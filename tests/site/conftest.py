"""The built site: made once if it is not there already, served once, and looked at in one browser."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "book" / "_ext"), str(Path(__file__).parent)]

import build_inputs  # noqa: E402
from axe import DESKTOP  # noqa: E402

BUILD_SECONDS = 600
PATIENCE = 120_000  # milliseconds, for a machine that has other things to do
READY = "() => Promise.resolve(window.MathJax?.startup?.promise).then(() => document.fonts.ready).then(() => true)"
NO_CHROMIUM = (
    "The browser tests need Chromium: install it (on Debian: apt-get install chromium), or set CHROMIUM to its path."
)


def toc_files(node):
    """The documents of _toc.yml in its order, the root first."""
    if isinstance(node, list):
        return [name for item in node for name in toc_files(item)]
    if not isinstance(node, dict):
        return []
    own = [node[key] for key in ("root", "file") if key in node]
    return own + [name for value in node.values() for name in toc_files(value)]


PAGES = toc_files(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8")))
CHAPTERS = [name for name in PAGES if name.startswith("chapters/")]
LATEST = {name.split("/")[1]: name for name in CHAPTERS}
NOTES = [name for name in PAGES if name.startswith("book/teaching/notes/")]
# Chapters are of one make, and to judge one takes many seconds: the latest stands for its family, as one page of notes
# stands for all of them.
JUDGED = [name for name in PAGES if name in (*LATEST.values(), *NOTES[-1:]) or name not in (*CHAPTERS, *NOTES)]


def pytest_generate_tests(metafunc):
    """A test that asks for `page` runs for each page of the book, one that asks for `chapter` for each chapter, and one
    that asks for `judged` for those whose colours are measured and which axe is given."""
    for name, values in (("page", PAGES), ("chapter", CHAPTERS), ("judged", JUDGED)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values)


@pytest.fixture(scope="session")
def pages():
    return PAGES


@pytest.fixture(scope="session")
def chapters():
    return CHAPTERS


@pytest.fixture(scope="session")
def judged_pages():
    return JUDGED


@pytest.fixture(scope="session")
def config():
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))


@pytest.fixture(scope="session")
def notebook():
    """A function: the name of a chapter's document -> its notebook as a dict."""
    return functools.cache(lambda name: json.loads((ROOT / f"{name}.ipynb").read_text(encoding="utf8")))


@pytest.fixture(scope="session")
def site():
    """The folder of the built site. It is built here, without a warning, unless it is current already."""
    (ROOT / "_build").mkdir(exist_ok=True)
    with FileLock(ROOT / "_build" / ".site.lock"):  # one of several workers builds, the others wait
        if not build_inputs.is_current(ROOT):
            command = [str(Path(sys.executable).parent / "jupyter-book"), "build", ".", "-W", "-n", "--keep-going"]
            built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=BUILD_SECONDS)
            said = [line for line in built.stderr.splitlines() if "WARNING" in line or "ERROR" in line]
            assert built.returncode == 0, "\n".join(["the site does not build:", *(said or built.stderr.splitlines())])
    return ROOT / "_build" / "html"


@pytest.fixture(scope="session")
def soup(site):
    """A function: the name of a document -> its parsed page."""
    read = lambda name: BeautifulSoup((site / f"{name}.html").read_text(encoding="utf8"), "html.parser")
    return functools.cache(read)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def serve():
    """A function: a folder -> the address at which it is served on this machine."""
    servers = []

    def begin(folder):
        handler = functools.partial(Quiet, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        servers[-1].handle_error = lambda *_: None  # a browser that has gone on to another page
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield begin
    for server in servers:
        server.shutdown()


@pytest.fixture(scope="session")
def base(site, serve):
    """The address at which the site is served on this machine."""
    return serve(site)


@pytest.fixture(scope="session")
def launch():
    """A function: environment variables -> headless Chromium that can resolve no host but this one."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.fail(NO_CHROMIUM, pytrace=False)
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
    alone = ["--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        yield lambda **env: playwright.chromium.launch(
            executable_path=found, args=[*quiet, *alone], env={**os.environ, **env}
        )


@pytest.fixture(scope="session")
def browser(launch):
    """Chromium as this machine has it."""
    chromium = launch()
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def open_page(browser, base):
    """A function: the name of a document -> its page with formulas set, in a browser context of its own or ``within``.

    What it asked for and what went wrong is on `page.log`: requests to other hosts, failed ones, errors of scripts.
    """

    def open_(name, within=None, **context):
        page = (within or browser.new_context(**{"viewport": DESKTOP, **context})).new_page()
        page.set_default_timeout(PATIENCE)
        page.log = log = {"elsewhere": [], "failed": [], "errors": []}
        local = (base, "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(local) else log["elsewhere"].append(r.url))
        page.on("response", lambda r: log["failed"].append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.on("pageerror", lambda error: log["errors"].append(str(error)))
        page.on("console", lambda m: log["errors"].append(m.text) if m.type == "error" else None)
        page.goto(f"{base}{name}.html" if "?" not in name else base + name)
        page.wait_for_function(READY, timeout=PATIENCE)
        return page

    return open_
