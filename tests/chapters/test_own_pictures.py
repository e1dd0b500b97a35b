"""The recipe of the book for one's own pictures, as it is printed, in chapters of each family."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from genlib.course import notebooks
from genlib.course.author import one_run

KNOBS = 'FOLDER, SIDE, GREY = "pictures", 28, True'
# (chapter, side, grey): whole chapters; sizes come from the data where a side is not 28.
WHOLE = [("ae/denoising", 32, True), ("ae/autoencoder", 28, True), ("vae/cvae", 32, True), ("gan/lsgan", 28, True)]
WHOLE += [("vae/hyperspherical", 28, True), ("gan/dcgan", 28, True), ("flow/coupling_flows", 32, True)]
# These train on other pictures, and stop at a later check or figure that is about the book's: see the page.
TRAINED = [("vae/vae", 28, True), ("gan/gan", 28, True), ("flow/glow", 28, True)]


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


def with_own(root, chapter, code, whole):
    """A chapter's notebook as text, to its end or that of its training, with the recipe behind the imports."""
    notebook = notebooks.read(root / f"chapters/{chapter}.ipynb")
    if not whole:
        notebook["cells"] = notebook["cells"][: notebooks.headings(notebook)[0].index("Results")]
    imports = notebooks.code_cells(notebook)[1]
    cell = {"cell_type": "code", "id": "own", "metadata": {}, "source": code, "outputs": [], "execution_count": None}
    notebook["cells"].insert(notebook["cells"].index(imports) + 1, cell)
    return json.dumps(notebook)


@pytest.mark.parametrize("name, side, grey", WHOLE + TRAINED)
def test_a_chapter_runs_on_own_pictures(root, pictures, monkeypatch, tmp_path, name, side, grey):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    whole = (name, side, grey) in WHOLE
    result = one_run.execute(with_own(root, name, recipe(root, pictures, side, grey), whole), "smoke", 0)
    assert not result.error, result.error


@pytest.mark.parametrize(
    "side, grey, shape", [(28, True, (1, 28, 28)), (32, False, (3, 32, 32)), (9, False, (3, 9, 9))]
)
def test_the_recipe_makes_a_set_of_any_size_and_colour(root, pictures, monkeypatch, side, grey, shape):
    from genlib import data

    monkeypatch.setattr(data, "load", data.load)  # and put back afterwards
    exec(recipe(root, pictures, side, grey), {})
    made = data.load("mnist", "cpu")
    number = len(list(pictures.rglob("*.png")))
    assert (len(made.test), len(made.train)) == (number // 5, number - number // 5)
    assert (
        made.train.x.shape[1:] == made.test.x.shape[1:] == shape and 0 <= made.train.x.min() < made.train.x.max() <= 1
    )
    assert made.classes == tuple(f"thing {n}" for n in (0, 1, 2, 3, 7)) and made.train.y.unique().tolist() == [
        0,
        1,
        2,
        3,
        4,
    ]
    for split in (
        made.train,
        made.test,
    ):  # a label belongs to its picture: a one has ink in its middle, a zero has none
        middle = split.x[:, 0, side // 2, side // 2]
        assert middle[split.y == 1].mean() > middle[split.y == 0].mean() + 0.2
