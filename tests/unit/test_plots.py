"""Figures: made without a screen and without a warning, with every pixel and tick where it belongs."""

import io

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy.stats import norm

from genlib import plots
from genlib.run import History

pytestmark = [pytest.mark.usefixtures("drawn"), pytest.mark.filterwarnings("error")]


@pytest.fixture
def drawn(monkeypatch):
    """No screen; figures are closed afterwards."""
    plt.switch_backend("agg")
    yield
    plt.close("all")


def png(figure):
    """The figure as it would be stored, which also lays it out."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    return buffer.getvalue()


def images(n, channels=1, height=28, width=28):
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(n))


def pixels(ax):
    return np.asarray(ax.images[0].get_array())


# --- mosaics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "n, rows, cols, pad, channels", [(6, 2, 3, 2, 1), (5, 2, 3, 1, 3), (9, 2, 3, 0, 1), (1, 1, 1, 4, 3)]
)
def test_a_mosaic_pixel_by_pixel(n, rows, cols, pad, channels):
    given = images(n, channels, 4, 5)
    made = plots.mosaic(given, rows, cols, pad)
    assert made.shape == (rows * (4 + pad) - pad, cols * (5 + pad) - pad, channels)
    paper = 0.0 if channels == 1 else 1.0
    for y in range(made.shape[0]):
        for x in range(made.shape[1]):
            row, inner_y = divmod(y, 4 + pad)
            col, inner_x = divmod(x, 5 + pad)
            i = row * cols + col
            inside = inner_y < 4 and inner_x < 5 and i < n
            expected = given[i, :, inner_y, inner_x].numpy() if inside else paper
            assert np.array_equal(made[y, x], np.broadcast_to(expected, channels).astype(made.dtype)), (y, x)


def test_a_grid_shows_the_mosaic_of_what_it_was_given():
    given = images(7)
    figure = plots.grid(given, cols=3, title="seven")
    assert np.allclose(pixels(figure.axes[0]), plots.mosaic(given, 3, 3)[..., 0])
    assert figure.axes[0].get_title() == "seven" and not figure.axes[0].axison
    colour = plots.grid(2 * images(4, 3, 8, 8) - 0.5, cols=4)  # out of range is clipped, not wrapped
    assert pixels(colour.axes[0]).shape == (8, 38, 3)
    assert pixels(colour.axes[0]).min() == 0 and pixels(colour.axes[0]).max() == 1


def test_grey_is_ink_on_paper():
    """0 is drawn white and 1 black, whatever else the picture holds."""
    figure = plots.grid(torch.tensor([0.0, 0.5, 0.25]).view(3, 1, 1, 1).expand(3, 1, 8, 8), cols=3)
    shown = figure.axes[0].images[0]
    assert shown.norm(0.0) == 0 and shown.norm(1.0) == 1  # a fixed scale, so that pictures can be compared
    assert shown.cmap(0.0)[:3] == (1, 1, 1) and shown.cmap(1.0)[:3] == (0, 0, 0)


def test_compare_puts_the_same_examples_above_one_another():
    first, second = images(12), 1 - images(12)
    figure = plots.compare({"data": first, "autoencoder": second}, cols=5)
    assert [ax.texts[0].get_text() for ax in figure.axes] == ["data", "autoencoder"]
    for ax, given in zip(figure.axes, (first, second), strict=True):
        assert np.allclose(pixels(ax), plots.mosaic(given[:5], 1, 5)[..., 0])
    assert len(png(figure)) < 150_000


# --- codes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7, 15])
def test_the_manifold_lies_on_quantiles(n):
    asked = []
    plots.manifold(lambda z: asked.append(z) or torch.zeros(len(z), 1, 2, 2), n=n)
    values = norm.ppf((np.arange(n) + 0.5) / n)
    assert np.allclose(asked[0][:n, 0], values, atol=1e-5) and np.allclose(asked[0][::n, 1], values[::-1], atol=1e-5)
    assert asked[0].shape == (n * n, 2) and asked[0].dtype == torch.float32


def test_the_manifold_has_z1_to_the_right_and_z2_up():
    def decode(z):  # the image of z shows z₁ in its upper half and z₂ in its lower
        share = torch.distributions.Normal(0.0, 1.0).cdf(z)
        return share.repeat_interleave(2, 1).view(-1, 1, 4, 1).expand(-1, 1, 4, 3)

    n = 6
    figure = plots.manifold(decode, n=n)
    ax = figure.axes[0]
    shown, equal = pixels(ax), (np.arange(n) + 0.5) / n
    assert shown.shape == (4 * n, 3 * n)
    assert np.allclose(shown[0, ::3], equal, atol=1e-5)  # along the top row z₁ grows
    assert np.allclose(shown[2::4, 0], equal[::-1], atol=1e-5)  # down the first column z₂ falls
    assert ax.images[0].origin == "upper" and ax.images[0].get_extent() == [0, n, 0, n]
    figure.canvas.draw()
    for axis, name in ((ax.xaxis, "$z_1$"), (ax.yaxis, "$z_2$")):
        assert axis.get_label_text() == name
        for tick, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True):
            expected = norm.ppf((int(tick) + 0.5) / n)
            assert float(label.get_text().replace("−", "-")) == pytest.approx(expected, abs=0.0501)
    assert len(png(figure)) < 150_000


def test_the_manifold_asks_for_no_gradient_and_takes_colour():
    weight = torch.ones(2, 3, requires_grad=True)
    figure = plots.manifold(lambda z: (z @ weight).sigmoid().view(-1, 3, 1, 1).expand(-1, 3, 4, 4), n=3)
    assert pixels(figure.axes[0]).shape == (12, 12, 3) and weight.grad is None


def test_a_traversal_moves_one_coordinate_at_a_time():
    seen = []

    def decode(z):
        seen.append(z.clone())
        return z.sigmoid().view(-1, 1, 1, 3)

    z = torch.tensor([0.1, 0.2, 0.3])
    figure = plots.traversal(decode, z, dims=[2, 0], values=[-1.0, 0.0, 2.0, 3.0])
    expected = z.repeat(4, 1)
    expected[:, 2] = torch.tensor([-1.0, 0.0, 2.0, 3.0])
    assert torch.equal(seen[0], expected)
    assert seen[1][:, 0].tolist() == [-1.0, 0.0, 2.0, 3.0] and torch.equal(seen[1][:, 1:], z[1:].repeat(4, 1))
    assert [ax.texts[0].get_text() for ax in figure.axes] == ["$z_{3}$", "$z_{1}$"]
    assert z.tolist() == pytest.approx([0.1, 0.2, 0.3])
    named = plots.traversal(decode, z, dims=[0, 1], values=[0.0], names=["width", "slant", "x"])
    assert [ax.texts[0].get_text() for ax in named.axes] == ["width", "slant"]


def test_a_scatter_gives_each_class_its_points_and_its_name():
    z, y = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 3 + 4
    ax = plots.scatter2d(z, y, title="codes", classes=[f"class {i}" for i in range(10)]).axes[0]
    for i, dots in enumerate(ax.collections):
        assert np.allclose(dots.get_offsets(), z[y == i + 4])
        assert matplotlib.colors.to_hex(dots.get_facecolor()[0]) == plots.COLOURS[i].lower()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["class 4", "class 5", "class 6"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("$z_1$", "$z_2$", "codes")
    _, given = plots.figure(1, 2)
    assert plots.scatter2d(z, ax=given[1]) is given[1].figure and len(given[1].collections) == 1


# --- histories and bars -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 49, 60, 4000])
def test_curves_show_every_term_and_its_running_mean(steps):
    values = torch.randn(steps, 4, generator=torch.Generator().manual_seed(1)).cumsum(0)
    history = History(zip(("elbo", "kl", "likelihood", "norm"), values.T, strict=True))
    figure = plots.curves(history)
    shown = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title() for ax in shown] == ["elbo [nats]", "kl [nats]", "likelihood [nats]", "norm [nats]"]
    for ax, name in zip(shown, history, strict=True):
        raw, smooth = ax.lines
        x = raw.get_xdata()
        assert x[0] == 1 and len(x) <= 3000 and np.array_equal(raw.get_ydata(), history[name].numpy()[x - 1])
        expected = history.smooth(name, max(1, steps // 50)).numpy()[x - 1]
        assert np.array_equal(smooth.get_ydata(), expected)
    assert len(png(figure)) < 150_000


def test_curves_of_some_terms_of_constants_and_on_a_logarithmic_axis():
    history = History(loss=torch.linspace(5, 1, 300), flat=torch.ones(300), rate=torch.logspace(0, -3, 300))
    png(plots.curves(history, names=["flat"], unit=""))
    figure = plots.curves(history, names=["rate", "loss"], smooth=10, log=True)
    assert [ax.get_yscale() for ax in figure.axes] == ["log", "log"]
    png(figure)
    low, high = plots.curves(history, names=["loss"]).axes[0].get_ylim()
    assert low < 1 and 5 - 4 * 0.02 <= high + 0.05 < 5.2  # the first steps do not set the scale


def test_bars_and_their_line():
    ax = plots.bars(torch.tensor([3.0, 1.0, 2.0]), labels=["a", "b", "c"], ylabel="KL", line=(1.5, "half")).axes[0]
    assert [bar.get_height() for bar in ax.patches] == [3, 1, 2]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "c"]
    assert list(ax.lines[0].get_ydata()) == [1.5, 1.5] and ax.get_legend().get_texts()[0].get_text() == "half"


# --- odd sizes, the style ---------------------------------------------------------------------------------------------


def test_odd_sizes_make_no_warning():
    for n, cols in ((1, 1), (1, 10), (3, 10), (11, 10), (40, 7)):
        png(plots.grid(images(n, 1, 9, 13), cols=cols))
    for entries in (1, 5):
        png(plots.compare({f"row {i}": images(3, 3, 5, 5) for i in range(entries)}, cols=10))
    png(plots.manifold(lambda z: torch.zeros(len(z), 1, 2, 2), n=1))
    png(plots.bars([0.0]))
    png(plots.scatter2d(torch.zeros(1, 2), torch.zeros(1).long()))
    png(plots.scatter2d(torch.randn(30, 2), torch.arange(30)))  # more classes than colours


def test_a_page_of_digits_is_a_small_file():
    from genlib import data

    digits = data.load("digits").train
    assert len(png(plots.grid(digits.x[:100]))) < 100_000
    assert len(png(plots.scatter2d(torch.randn(5000, 2), torch.arange(5000) % 10))) < 150_000


def test_the_style_is_set_on_import_and_figures_are_opaque():
    assert matplotlib.rcParams["image.cmap"] == "gray_r" and matplotlib.rcParams["savefig.facecolor"] == "white"
    figure, axes = plots.figure(2, 3, width=5)
    assert axes.shape == (2, 3) and tuple(figure.get_size_inches()) == pytest.approx((5, 4.8))
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert len(set(plots.COLOURS)) == 10


# --- on a phone -------------------------------------------------------------------------------------------------------


def smallest(figure):
    """The size in points of the figure's smallest text on a phone of 390 px, whose column is 3.6 inches wide."""
    figure.canvas.draw()
    texts = [t for t in figure.findobj(matplotlib.text.Text) if t.get_text().strip() and t.get_visible()]
    return min(t.get_fontsize() for t in texts) * min(1, 3.6 / figure.get_size_inches()[0])


def test_text_is_legible_on_a_phone_in_all_that_is_drawn_here():
    history = History({name: torch.randn(100) for name in ("elbo", "kl", "likelihood", "norm")})
    for made in (
        plots.curves(history),
        plots.curves(history, names=["kl"]),
        plots.compare({"data": images(10), "autoencoder": images(10)}, texts={"data": range(10)}),
        plots.grid(images(30), title="thirty"),
        plots.over_time({0: images(8), 500: images(8)}),
        plots.scatter2d(torch.randn(50, 2), torch.arange(50) % 5),
        plots.bars([1.0, 2.0], labels=["a", "b"], ylabel="KL", line=(1.5, "half")),
        plots.manifold(lambda z: torch.zeros(len(z), 1, 4, 4), n=5),
        plots.diagram({"x": (0, 0), "encoder": (1, 0)}, [("x", "encoder", "in")], free=["x"]),
    ):
        assert smallest(made) >= 7
        assert made.get_size_inches()[0] <= plots.WIDTH + 1e-9
        plt.close(made)
    assert smallest(plots.grid(images(30), cols=10, title="wide", scale=0.9)) < 7  # the rule can fail


def test_texts_stand_under_their_images_and_nothing_overlaps():
    figure = plots.compare(
        {"data": images(5), "rebuilt": images(5)}, cols=5, texts={"rebuilt": [0.12345, "9", torch.tensor(2.0), 3, 4]}
    )
    figure.canvas.draw()
    first, second = figure.axes
    assert [t.get_text() for t in second.texts] == ["rebuilt", "0.123", "9", "2", "3", "4"] and len(first.texts) == 1
    for i, text in enumerate(second.texts[1:]):
        x, y = text.get_position()
        assert x == pytest.approx(30 * i + 13.5) and y == pytest.approx(28.5)  # the middle of the i-th 28 pixels
    boxes = [t.get_window_extent() for ax in figure.axes for t in ax.texts]
    pictures = [ax.images[0].get_window_extent() for ax in figure.axes]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :] + pictures), i
    with pytest.raises(ValueError, match="no row 'rebuild'"):
        plots.compare({"data": images(5)}, texts={"rebuild": range(5)})


def test_over_time_has_a_row_per_step_in_order():
    seen = {1000: images(3), 0: images(4)}
    figure = plots.over_time(seen, cols=3)
    assert [ax.texts[0].get_text() for ax in figure.axes] == ["after 0 steps", "after 1,000 steps"]
    assert np.allclose(pixels(figure.axes[1]), plots.mosaic(seen[1000], 1, 3)[..., 0])


def test_a_diagrams_arrows_end_at_its_boxes():
    boxes = {"x": (0, 0), "encoder": (1, 0), "z": (2, 0), "loss": (1, 1)}
    figure = plots.diagram(boxes, [("x", "encoder"), ("encoder", "z", "μ, σ"), ("z", "loss")], free=("x", "z"))
    ax = figure.axes[0]
    figure.canvas.draw()
    drawn = {t.get_text(): t for t in ax.texts if t.get_text() in boxes}
    assert {name: t.get_position() for name, t in drawn.items()} == boxes
    filled = {name for name, t in drawn.items() if t.get_bbox_patch().get_edgecolor()[3] > 0}
    assert filled == {"encoder", "loss"}
    arrows = [t.arrow_patch for t in ax.texts if getattr(t, "arrow_patch", None)]
    assert len(arrows) == 3 and "μ, σ" in [t.get_text() for t in ax.texts]
    ends = [drawn[name].get_window_extent() for name in boxes]
    assert not any(a.overlaps(b) for i, a in enumerate(ends) for b in ends[i + 1 :])
    assert figure.get_window_extent().height > 0 and len(png(figure)) < 60_000
    with pytest.raises(ValueError, match="no box is called so"):
        plots.diagram(boxes, [("x", "decoder")])


def test_an_empty_history_is_one_sentence():
    with pytest.raises(ValueError, match="The history is empty: the fit made no step"):
        plots.curves(History())
    with pytest.raises(ValueError, match="The history is empty"):
        plots.curves(History(loss=torch.zeros(0)))
    with pytest.raises(ValueError, match="no term 'los': it has loss"):
        plots.curves(History(loss=torch.ones(3)), names=["los"])
