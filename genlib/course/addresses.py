"""Where the book is found: its pages, its repository, a chapter in Colab. All of it follows ``_config.yml``."""

from . import notebooks

EXPORTS = "notebooks"  # the branch of the exports, if _config.yml names none for the pages' buttons
GITHUB = "https://github.com/"


class Addresses:
    """The addresses of the project in the folder ``root``; each is "" if the project has none."""

    def __init__(self, root):
        config = notebooks.read_yaml(root / "_config.yml") or {}
        repository = config.get("repository") or {}
        self.repository = (repository.get("url") or "").rstrip("/")
        self.branch = repository.get("branch", "main")
        options = ((config.get("sphinx") or {}).get("config") or {}).get("html_theme_options") or {}
        self.exports = options.get("repository_branch", EXPORTS)
        self.site = ((config.get("html") or {}).get("baseurl") or "").rstrip("/")
        if not self.site and self.repository.startswith(GITHUB):  # where GitHub Pages puts it
            owner, name = self.repository.removeprefix(GITHUB).split("/")
            self.site = f"https://{owner.lower()}.github.io/{name}"

    def page(self, document, anchor=""):
        """The published page of a document such as ``/chapters/vae/vae``."""
        return f"{self.site}/{document.strip('/')}.html{f'#{anchor}' * bool(anchor)}" if self.site else ""

    def picture(self, path):
        """A picture of the book, where Sphinx puts all of them."""
        return f"{self.site}/_images/{path.rsplit('/', 1)[-1]}" if self.site else ""

    def file(self, path):
        """A file of the repository, on GitHub and the like."""
        return f"{self.repository}/blob/{self.branch}/{path}" if self.repository else ""

    def colab(self, chapter):
        """The export of a chapter (notebooks.Chapter), opened in Colab."""
        if not self.repository.startswith(GITHUB):
            return ""
        name = self.repository.removeprefix(GITHUB)
        return f"https://colab.research.google.com/github/{name}/blob/{self.exports}/chapters/{chapter.name}.ipynb"
