"""What travels in a notebook's outputs for programs: its types. Whoever reads notebooks needs no torch for them."""

CLAIM = "application/vnd.genlib.claim+json"
ROW = "application/vnd.genlib.row+json"
LIVE = "application/vnd.genlib.live+json"


def asked(question):
    """The question of a live figure. Raises ValueError if it asks nothing."""
    if not question.endswith("?"):
        raise ValueError(f"A live figure answers a question, and {question!r} does not end in a question mark.")
    return question
