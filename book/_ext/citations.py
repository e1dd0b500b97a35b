"""Citations in a fraction of the time: sphinxcontrib-bibtex asks pybtex for its plain-text backend at each of them, and
pybtex searches all installed packages for it each time, unless it is registered."""

from pybtex import plugin


def setup(app):
    backend = plugin.find_plugin("pybtex.backends", "plaintext")
    plugin.register_plugin("pybtex.backends", "plaintext", backend, force=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
