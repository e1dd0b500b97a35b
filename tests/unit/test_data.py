"""Data by name, drawn sets, and batches by index."""

import math

import numpy as np
import pytest
import torch

from genlib import data
from genlib.data import Batches, DataError, Split

pytestmark = pytest.mark.usefixtures("own")


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text and text.endswith("."), text
    return text


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong, near", [("minst", "mnist"), ("fashion_mnist", "fashion-mnist"), ("moon", "moons")])
def test_an_unknown_data_set_is_one_sentence_with_the_nearest(wrong, near):
    with pytest.raises(DataError) as error:
        data.load(wrong)
    assert f"no data set {wrong!r} (did you mean {near!r}?)" in one_sentence(error) and "digits" in str(error.value)


# --- digits -----------------------------------------------------------------------------------------------------------


def test_digits_are_scikit_learns_in_mnists_frame():
    from sklearn.datasets import load_digits

    digits = data.load("digits")
    assert digits.train.x.shape == (1500, 1, 28, 28) and digits.test.x.shape == (297, 1, 28, 28)
    x, y = torch.cat([digits.train.x, digits.test.x]), torch.cat([digits.train.y, digits.test.y])
    assert x.min() == 0 and 0.99 < x.max() <= 1
    assert x[:, :, :4].sum() + x[:, :, -4:].sum() + x[..., :4].sum() + x[..., -4:].sum() == 0  # the margin
    raw = load_digits()
    assert y.bincount().tolist() == np.bincount(raw.target).tolist()
    # Every image is one of scikit-learn's, with its label: the means of 4×4 blocks tell which, up to near twins.
    blocks = lambda a: a.reshape(len(a), 4, a.shape[1] // 4, 4, a.shape[1] // 4).mean((2, 4)).reshape(len(a), 16)
    ours, theirs = blocks(x[:, 0, 4:24, 4:24].numpy()), blocks(raw.images / 16)
    apart = torch.cdist(torch.tensor(ours).double(), torch.tensor(theirs))
    found = apart.argmin(1).numpy()
    assert (raw.target[found] == y.numpy()).mean() > 0.999 and len(set(found)) > 1700
    assert digits.classes == tuple("0123456789") and digits.name == "digits"


def test_the_split_of_digits_is_disjoint_and_always_the_same():
    digits = data.load("digits")
    torch.manual_seed(99)
    again = data.load("digits")
    assert torch.equal(digits.train.x, again.train.x) and torch.equal(digits.test.y, again.test.y)
    rows = {row.numpy().tobytes() for row in digits.train.x}
    assert not any(row.numpy().tobytes() in rows for row in digits.test.x)
    assert digits.test.y.bincount(minlength=10).min() >= 15  # all classes are tested


# --- toys -------------------------------------------------------------------------------------------------------------


def moments(name):
    """(mean (2,), second moments E[x xᵀ] (2, 2)) in closed form."""
    if name == "ring":  # radius 2, noise 0.1; eight-fold symmetry
        return [0, 0], [[2.01, 0], [0, 2.01]]
    # moons: a half circle about (½, ¼) and its point reflection; noise 0.08
    xx, yy = 0.5 + 0.25 + 0.0064, 0.5 - 0.5 * 2 / math.pi + 0.0625 + 0.0064
    return [0, 0], [[xx, 0.125 - 1 / math.pi], [0.125 - 1 / math.pi, yy]]


@pytest.mark.parametrize("name", ["moons", "ring"])
def test_moments_of_the_toys(name):
    x, y = data.toy(name, 40_000, torch.Generator().manual_seed(3))
    assert x.shape == (40_000, 2) and x.dtype == torch.float32 and y.dtype == torch.int64
    mean, second = (torch.tensor(np.array(m), dtype=torch.float64) for m in moments(name))
    x = x.double()
    outer = x[:, :, None] * x[:, None, :]
    for samples, exact in ((x, mean), (outer, second)):
        error = samples.std(0) / len(x) ** 0.5
        assert ((samples.mean(0) - exact).abs() < 4.5 * error).all(), name
    toy = data.load(name)
    assert len(toy.train) == 20_000 and len(toy.test) == 5_000
    assert torch.equal(toy.train.x, data.load(name).train.x)
    assert not torch.equal(toy.train.x[:5_000], toy.test.x)


def test_parts_of_the_ring():
    x, y = data.toy("ring", 40_000, torch.Generator().manual_seed(0))
    share = y.bincount(minlength=8) / 40_000
    assert ((share - 1 / 8).abs() < 4.5 * (1 / 8 * 7 / 8 / 40_000) ** 0.5).all()
    for k in range(8):
        part = x[y == k]
        centre = torch.tensor([2 * math.cos(k * math.pi / 4), 2 * math.sin(k * math.pi / 4)])
        assert ((part.mean(0) - centre).abs() < 4.5 * 0.1 / len(part) ** 0.5).all()
        assert ((part.std(0) - 0.1).abs() < 4.5 * 0.1 / (2 * len(part)) ** 0.5).all()


# --- curves and binary pixels -----------------------------------------------------------------------------------------


def test_curves_are_repeatable_images_whose_ink_grows_with_their_length():
    first, again, other = data.curves(300, 5), data.curves(300, 5), data.curves(300, 6)
    assert first.shape == (300, 1, 28, 28) and first.dtype == torch.float32
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.min() >= 0 and first.max() <= 1 and first.max() > 0.7
    points = torch.rand(300, 3, 2, generator=torch.Generator().manual_seed(5)) * 20 + 3.5
    t = torch.linspace(0, 1, 1001)[:, None]
    at = (1 - t) ** 2 * points[:, :1] + 2 * t * (1 - t) * points[:, 1:2] + t**2 * points[:, 2:]
    length = (at[:, 1:] - at[:, :-1]).norm(dim=2).sum(1)
    ink = first.sum((1, 2, 3))
    assert torch.corrcoef(torch.stack([length, ink]))[0, 1] > 0.95
    order = length.argsort()
    assert ink[order[:50]].mean() < ink[order[125:175]].mean() < ink[order[-50:]].mean()


def test_a_curve_lies_where_its_points_are():
    """The ink's centre follows the curve's, x to the right and y down; few curves are drawn as many are."""
    images = data.curves(2100, 1)
    points = torch.rand(2100, 3, 2, generator=torch.Generator().manual_seed(1)) * 20 + 3.5
    for i in (0, 7, 1999, 2000, 2099):
        t = torch.linspace(0, 1, 2000)[:, None]
        p = points[i]
        at = (1 - t) ** 2 * p[0] + 2 * t * (1 - t) * p[1] + t**2 * p[2]
        speed = (at[1:] - at[:-1]).norm(dim=1, keepdim=True)
        centre = (at[1:] * speed).sum(0) / speed.sum()
        image = images[i, 0]
        axis = torch.arange(28.0)
        x, y = (image.sum(0) * axis).sum() / image.sum(), (image.sum(1) * axis).sum() / image.sum()
        assert (torch.stack([x, y]) - centre).abs().max() < 0.6


def test_binarise_is_bernoulli_in_the_grey_level_and_repeatable():
    grey = torch.linspace(0, 1, 11).repeat(4000, 1)
    binary = data.binarise(grey, seed=1)
    assert set(binary.unique().tolist()) == {0.0, 1.0} and torch.equal(binary, data.binarise(grey, seed=1))
    assert not torch.equal(binary, data.binarise(grey, seed=2))
    error = (grey[0] * (1 - grey[0]) / 4000).sqrt()
    assert ((binary.mean(0) - grey[0]).abs() <= 4 * error).all()
    state = torch.get_rng_state()
    data.binarise(grey)
    assert torch.equal(state, torch.get_rng_state())


def a_head(**factors):
    """Factors (1, 7) in the middle, but for those named."""
    v = torch.full((1, 7), 0.5)
    for name, value in factors.items():
        v[0, data.HEAD.index(name)] = value
    return v


def shade_of(normal, light, albedo):
    """Lambert's law for the light at this azimuth (radians) and 20° above, one pixel at a time."""
    up = math.radians(20)
    to_light = (math.cos(up) * math.sin(light), math.sin(up), math.cos(up) * math.cos(light))
    return albedo * (0.15 + 0.85 * max(0.0, sum(n * l for n, l in zip(normal, to_light, strict=True))))


@pytest.mark.parametrize("light", [0.5, 0.9])
def test_a_round_head_is_shaded_as_a_sphere(light):
    """Radius 0.75, seen from the front: its normal at (x, y) is (x, y, √(r² − x² − y²)) / r. Below the nose and beside
    the eyes, for those are not of the sphere."""
    drawn = data.heads(a_head(light=light).double(), side=44)[0, 0]
    for row, column in [(30, 22), (33, 15), (31, 30), (8, 22), (22, 33)]:
        x, y = ((column + 0.5) / 44 - 0.5) * 2.2, -((row + 0.5) / 44 - 0.5) * 2.2
        normal = (x / 0.75, y / 0.75, math.sqrt(0.75**2 - x * x - y * y) / 0.75)
        expected = shade_of(normal, math.radians(160 * light - 80), 0.75)
        assert drawn[row, column].item() == pytest.approx(expected, abs=1e-5)


def test_a_head_has_the_size_of_its_axes_and_turns_them():
    """The outline of an ellipsoid along an axis is the ellipse of the other two; turned, it is between the two."""
    area = lambda **f: (data.heads(a_head(**f), side=220) > 0).sum().item() * (2.2 / 220) ** 2
    assert area(width=1.0, height=0.0) == pytest.approx(math.pi * 0.9 * 0.6, rel=0.01)
    turn = math.radians(40)  # a quarter of the range from the middle to the end; the nose is within the outline
    seen = math.sqrt((0.9 * math.cos(turn)) ** 2 + (0.6 * math.sin(turn)) ** 2)
    assert area(width=1.0, depth=0.0, azimuth=0.75) == pytest.approx(math.pi * seen * 0.75, rel=0.01)


def test_the_mirror_image_of_a_head_looks_and_is_lit_the_other_way():
    v = torch.rand(20, 7, generator=torch.Generator().manual_seed(0))
    mirrored = v.clone()
    mirrored[:, [0, 2]] = 1 - v[:, [0, 2]]
    away = (data.heads(v) - data.heads(mirrored).flip(3)).abs()
    assert away.flatten(1).median(1).values.max() < 1e-5 and (away > 1e-3).float().mean() < 2e-3  # edges may round
    assert (data.heads(v) - data.heads(v).flip(3)).abs().mean() > 0.02


def test_the_albedo_of_a_head_scales_its_image_and_its_eyes_are_dark():
    bright, dim = data.heads(a_head(albedo=1.0)), data.heads(a_head(albedo=0.0))
    assert torch.allclose(dim, bright / 2) and 0 <= dim.min() and bright.max() <= 1
    eyes = data.heads(a_head(), side=220)[0, 0, 60:100] < 0.12
    hit = data.heads(a_head(), side=220)[0, 0, 60:100] > 0
    assert 2 * math.pi * (0.13 * 0.75) ** 2 == pytest.approx((eyes & hit).sum().item() * 1e-4, rel=0.1)
    up, down = (data.heads(a_head(elevation=e), side=220)[0, 0] for e in (0.8, 0.2))
    rows = lambda x: ((x > 0) & (x < 0.12))[:, 60:160].float().sum(1) @ torch.arange(220.0)
    count = lambda x: ((x > 0) & (x < 0.12))[:, 60:160].sum()
    assert rows(up) / count(up) < rows(down) / count(down)  # a head that is raised has its eyes higher


def test_sprites_have_the_place_size_and_symmetry_of_their_factors():
    rng = np.random.default_rng(0)
    v = torch.tensor(np.stack([rng.integers(n, size=200) for n in (3, 6, 40, 32, 32)], 1))
    drawn = data.sprites(v)
    assert drawn.shape == (200, 1, 64, 64) and set(drawn.unique().tolist()) == {0.0, 1.0}
    round_ones = v[:, 0] < 2  # squares and ellipses have their centre in the middle
    ink, axis = drawn[:, 0], torch.arange(64) + 0.5
    area = ink.sum((1, 2))
    for column, dim in ((3, 1), (4, 2)):  # x to the right, y down
        centre = (ink.sum(dim) * axis).sum(1) / area
        assert (centre - (16 + 32 * v[:, column] / 31))[round_ones].abs().max() <= 0.5  # of a pixel
    radius = 11 * (0.5 + 0.1 * v[:, 1])
    exact = torch.where(v[:, 0] == 0, (1.6 * radius) ** 2, math.pi * 0.6 * radius**2)
    assert (area / exact - 1)[round_ones].abs().max() < 0.25
    turned = v.clone()
    turned[:, 2] = (v[:, 2] + 20) % 40  # half a turn
    same = (data.sprites(turned) == drawn).flatten(1).float().mean(1)
    assert same[round_ones].min() > 0.995 and same[~round_ones].max() < 0.995
    turned[:, 2] = (v[:, 2] + 10) % 40  # a quarter
    same = (data.sprites(turned) == drawn).flatten(1).float().mean(1)
    assert same[v[:, 0] == 0].min() > 0.995 and same[v[:, 0] == 1].max() < 0.995
    border = torch.cat([ink[:, 0], ink[:, -1], ink[:, :, 0], ink[:, :, -1]], 1)
    assert border.sum() == 0  # nothing is cut off
    small = data.sprites(v, side=32)
    assert (small[:, 0].sum((1, 2)) * 4 / area - 1).abs().max() < 0.35


def test_the_grid_and_the_roll():
    grid, roll = data.load("grid").train, data.load("roll").train
    means = data.grid_means()
    assert len({tuple(m) for m in means.tolist()}) == 25 and means.min() == -2 and means.max() == 2
    off = grid.x - means[grid.y]
    assert off.std() == pytest.approx(data.GRID_SD, rel=0.02) and off.abs().max() < 0.3
    assert grid.y.bincount().tolist() == pytest.approx([800] * 25, rel=0.15)
    radius, angle = roll.x.norm(dim=1), torch.atan2(roll.x[:, 1], roll.x[:, 0])
    along = (radius * 3 / 2 - 1) / 2  # the radius grows with the angle: both tell where on the roll a point lies
    turned = torch.remainder(3 * math.pi * (0.5 + along) - angle + math.pi, 2 * math.pi) - math.pi
    expected = math.hypot(3 * math.pi * 0.75 * 0.05, 0.05 / 1.3) * (2 / math.pi) ** 0.5  # of the noise of 0.05
    assert (
        turned.abs().mean() == pytest.approx(expected, rel=0.05)
        and (along * 3).clamp(0, 2.99).long().eq(roll.y).double().mean() > 0.9
    )


def test_stacked_images_are_three_of_the_split():
    split = data.load("digits").train.take(200)
    x, y = data.stacked(split, 50, seed=3)
    assert x.shape == (50, 3, 28, 28) and y.min() >= 0 and y.max() <= 999
    for image, label in zip(x[:5], y[:5].tolist(), strict=True):
        for channel, digit in zip(image, divmod(label // 10, 10) + (label % 10,), strict=True):
            same = (split.x[:, 0] == channel).flatten(1).all(1)
            assert digit in split.y[same].tolist()
    assert torch.equal(y, data.stacked(split, 50, seed=3)[1]) and not torch.equal(y, data.stacked(split, 50, seed=4)[1])


# --- batches ----------------------------------------------------------------------------------------------------------


def test_batches_and_peek():
    x = torch.arange(10.0)
    make = lambda: Batches(Split(x, x.long() + 100), 3, torch.Generator().manual_seed(0))
    batches, twin = make(), make()
    drawn = []
    for _ in range(7):
        shape = [t.shape for t in batches.next(peek=True)]
        values, labels = batches.next()
        assert shape == [values.shape, labels.shape] == [(3,), (3,)]
        assert torch.equal(values.long() + 100, labels)
        assert torch.equal(values, twin.next()[0])  # peeking leaves the order where it is
        drawn.append(values)
    for epoch in (drawn[:3], drawn[3:6]):
        assert len(torch.cat(epoch).unique()) == 9


def test_split_and_as_numpy():
    split = Split(torch.arange(6.0).view(3, 2), torch.arange(3))
    assert len(split) == 3 and torch.equal(split.take(2).x, split.x[:2]) and split.take(2).y.tolist() == [0, 1]
    assert Split(split.x).take(1).y is None and len(Split(split.x).tensors) == 1 and len(split.tensors) == 2
    assert data.as_numpy(torch.ones(2, requires_grad=True)).tolist() == [1, 1]
    assert data.as_numpy(np.zeros(2)).tolist() == [0, 0] and data.as_numpy([1, 2]).tolist() == [1, 2]
