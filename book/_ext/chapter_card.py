"""Under the title of a chapter: where, how long and with which preset its outputs were made.

Everything comes from the stamp that the run wrote into the notebook's metadata; if the code has changed since, the line
says so instead of hiding it. Under it stands what the preset gpu would take, as ``genlib rehearse`` projected it.
"""

import re
from datetime import date
from html import escape
from pathlib import Path

from genlib.course import notebooks, results, stamp

TITLE = re.compile(r"</h1>")


def card(notebook):
    """The line as HTML; empty for a notebook that is no chapter."""
    if not stamp.chapter_of(notebook):
        return ""
    run, told = stamp.stamp_of(notebook), results.projected(notebook)
    projection = f'<p class="executed projected">projected, not measured: {escape(told)}</p>\n' if told else ""
    if not run:
        return f'<p class="executed never">not executed yet</p>\n{projection}'
    parts = [f"executed on {escape(str(run['device']))} in {duration(run['seconds'])}"]
    parts += [f"preset {escape(run['preset'])}", f"seed {run['seed']}", day(run["date"])]
    state = stamp.status(notebook)
    text = " · ".join(f"<span>{part}</span>" for part in parts)
    if state == "stale":
        text += ' · <strong class="stale">outputs are older than the code</strong>'
    return f'<p class="executed {state}">{text}</p>\n{projection}'


def duration(seconds):
    """'41 s', '3 min 4 s', '1 h 2 min'."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{max(seconds, 1)} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def day(iso):
    """'2026-01-15' -> '15 January 2026'."""
    d = date.fromisoformat(iso[:10])
    return f"{d.day} {d:%B %Y}"


def cards(env):
    """docname -> card, of every notebook in the book."""
    found = {}
    for name in env.found_docs:
        path = Path(env.doc2path(name))
        if path.suffix == ".ipynb":
            found[name] = card(notebooks.read(path))
    return found


def rewrite_changed(app, env):
    """A card may change without its page being read again, for instance by way of the rules in genlib."""
    now, before = cards(env), getattr(env, "chapter_cards", {})
    env.chapter_cards = now
    return [name for name in now if now[name] != before.get(name)]


def insert(app, pagename, templatename, context, doctree):
    line = getattr(app.env, "chapter_cards", {}).get(pagename)
    if line and context.get("body"):
        context["body"] = TITLE.sub(lambda end: end.group() + "\n" + line, context["body"], count=1)


def setup(app):
    app.connect("env-updated", rewrite_changed)
    app.connect("html-page-context", insert)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
