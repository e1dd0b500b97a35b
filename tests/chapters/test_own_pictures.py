"""The recipe of the book for one's own pictures, as it is printed, in chapters of each family."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from genlib.course import notebooks
from genlib.course.author import one_run

KNOBS = 'FOLDER, SIDE, GREY = "pictures", 28, True'
CHAPTERS = ("ae/denoising", "ae/autoencoder", "vae/vae", "vae/cvae", "gan/gan", "gan/lsgan", "flow/coupling_flows")
CHAPTERS += ("flow/glow", "gan/cgan", "gan/dcgan", "gan/wgan_gp", "gan/wgan", "gan/infogan", "vae/vq_vae")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Colour photographs, so to speak, of five things: neither square nor of one size, and not ten classes."""
    from sklearn.datasets import load_digits

    folder, digits = tmp_path_factory.mktemp("pictures"), load_digits()
    kept = np.isin(digits.target, [0, 1, 2, 3, 7])
    for number, (image, thing) in enumerate(zip(digits.images[kept], digits.target[kept], strict=True)):
        ink = np.kron(image / 16, np.ones((5 + number % 2, 6)))
        colour = np.stack([255 * ink, 150 * ink, 255 - 200 * ink], 2).astype(np.uint8)
        path = folder / f"thing {thing}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(colour).save(path)
    return folder


def recipe(root, folder, side, grey):
    """The code of the page, with these knobs."""
    page = (root / "book" / "how_to_use.md").read_text(encoding="utf-8")
    (code,) = (m[1] for m in re.finditer(r"```python\n(.*?)```", page, re.DOTALL) if KNOBS in m[1])
    return code.replace(KNOBS, f"FOLDER, SIDE, GREY = {str(folder)!r}, {side}, {grey}")


def with_own(root, chapter, code):
    """A chapter's notebook as text, with the recipe where the page says: behind the imports."""
    notebook = notebooks.read(root / f"chapters/{chapter}.ipynb")
    imports = notebooks.code_cells(notebook)[1]
    cell = {"cell_type": "code", "id": "own", "metadata": {}, "source": code, "outputs": [], "execution_count": None}
    notebook["cells"].insert(notebook["cells"].index(imports) + 1, cell)
    return json.dumps(notebook)


@pytest.mark.parametrize("side, grey", [(28, True), (32, True), (28, False)])
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_own(root, pictures, monkeypatch, tmp_path, chapter, side, grey):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = one_run.execute(with_own(root, chapter, recipe(root, pictures, side, grey)), "smoke", 0)
    assert not result.error, result.error
