"""How the book renders what genlib stores in notebooks (entry point ``myst_nb.mime_renderers``)."""

import json

from docutils import nodes

from .. import mime
from . import live_page


class RecordRenderer:
    """A machine-readable claim or row is for programs: it makes no mark on the page, the table beside it does. A live
    figure's record makes the box in which the figure will stand."""

    # None: never shown, whatever stands beside it in the output; 1: before the words that stand beside it
    mime_priority_overrides = [("*", mime.CLAIM, None), ("*", mime.ROW, None), ("*", mime.LIVE, 1)]

    @staticmethod
    def handle_mime(renderer, data, inline):
        """No nodes for a claim's record, a box for a live figure; None, "not mine", for everything else."""
        if data.mime_type == mime.LIVE:
            record = data.content if isinstance(data.content, dict) else json.loads(data.string)
            return [nodes.raw("", live_page.box(record["kind"], record["question"], record["name"]), format="html")]
        return [] if data.mime_type in (mime.CLAIM, mime.ROW) else None


ClaimRenderer = RecordRenderer  # the entry point of environments that were installed before it had this name
