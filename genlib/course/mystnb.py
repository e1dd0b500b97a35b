"""How the book renders what genlib stores in notebooks (entry point ``myst_nb.mime_renderers``)."""

from ..claims import MIME


class ClaimRenderer:
    """The machine-readable claim is for programs: it makes no mark on the page, the table beside it does."""

    mime_priority_overrides = [("*", MIME, None)]

    @staticmethod
    def handle_mime(renderer, data, inline):
        """No nodes for a claim's record; None, "not mine", for everything else."""
        return [] if data.mime_type == MIME else None
