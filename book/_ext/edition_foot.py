"""The edition at the foot of each page: version and date, and what changed for a reader."""

from pathlib import Path

from sphinx.errors import ExtensionError

from genlib.course import edition
from genlib.course.notebooks import CourseError


def tell(app, config):
    try:
        told = str(edition.edition(Path(app.confdir)))
    except CourseError as error:
        raise ExtensionError(str(error)) from error
    address = config.html_theme_options.get("repository_url", "").rstrip("/")
    branch = config.html_theme_options.get("repository_branch", "main")
    link = f' · <a href="{address}/blob/{branch}/CHANGELOG.md">what changed</a>' if address else ""
    config.html_theme_options["extra_footer"] = f'<p class="edition">{told}{link}</p>'


def setup(app):
    app.connect("config-inited", tell)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
