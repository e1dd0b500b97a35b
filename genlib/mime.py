"""The types of what travels in a notebook's outputs for programs. Whoever reads notebooks needs no torch for them."""

CLAIM = "application/vnd.genlib.claim+json"
ROW = "application/vnd.genlib.row+json"
LIVE = "application/vnd.genlib.live+json"
