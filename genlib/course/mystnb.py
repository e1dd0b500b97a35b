"""How the book renders what genlib stores in notebooks (entry point ``myst_nb.mime_renderers``)."""

from .. import claims, rows


class ClaimRenderer:
    """A machine-readable claim or row is for programs: it makes no mark on the page, the table beside it does."""

    mime_priority_overrides = [("*", mime, None) for mime in (claims.MIME, rows.MIME)]

    @staticmethod
    def handle_mime(renderer, data, inline):
        """No nodes for a claim's record; None, "not mine", for everything else."""
        return [] if data.mime_type in (claims.MIME, rows.MIME) else None
