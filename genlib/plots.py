"""Figures in the book's one style (book.mplstyle, set when this module is imported): opaque paper, legible on a light
page and as a card on a dark one. Every function returns the Figure; a cell ends with the call and a semicolon.

A phone (390 px) shows a figure 3.6 inches wide. The style's text of 10.5 pt is 7 pt there or more if the figure is at
most ``WIDTH`` wide, as are all that these functions make unless they are told otherwise.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from .data import as_numpy

INK = "#222222"
GREY = "#8A8A8A"
GREY_INK = "#595959"  # of small text: 7 to 1 on white

plt.style.use(Path(__file__).with_name("book.mplstyle"))
COLOURS = plt.rcParams["axes.prop_cycle"].by_key()["color"]
WIDTH = 5.4  # inches


def figure(rows=1, cols=1, width=WIDTH, height=None, **kw):
    """A Figure and its axes in the book's style; width and height in inches (height: 2.4 a row unless told). At most
    three panels a row, and no wider than ``WIDTH``, can be read on a phone."""
    return plt.subplots(rows, cols, figsize=(width, height or 2.4 * rows), **kw)


def mosaic(images, rows, cols, pad=2):
    """Images (N, C, H, W) as one array (rows·(H+pad) − pad, cols·(W+pad) − pad, C), paper-coloured between them."""
    images = as_numpy(images)[: rows * cols]
    channels, height, width = images.shape[1:]
    paper = 0.0 if channels == 1 else 1.0  # grey images are drawn inverted: 0 is paper
    out = np.full((rows * (height + pad) - pad, cols * (width + pad) - pad, channels), paper)
    for i, image in enumerate(images):
        top, left = (i // cols) * (height + pad), (i % cols) * (width + pad)
        out[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return out


def _show(ax, images, rows, cols, pad=2, **kw):
    """A mosaic without axes; grey images dark on paper."""
    ax.imshow(mosaic(images, rows, cols, pad).clip(0, 1), vmin=0, vmax=1, interpolation="nearest", **kw)
    ax.set_axis_off()


def grid(images, cols=10, title=None, ax=None, scale=None):
    """Images (N, C, H, W) in [0, 1], ``cols`` to a row; scale: inches an image, by default what fills the width."""
    if ax and scale:
        raise ValueError("grid(..., scale=...) sets the size of its own figure: leave out scale or ax.")
    rows, scale = -(-len(images) // cols), scale or min(0.9, WIDTH / cols)
    ax = ax or figure(width=scale * cols, height=scale * rows + 0.3 * bool(title))[1]
    _show(ax, images, rows, cols)
    ax.set_title(title or "")
    return ax.figure


def compare(named, cols=10, scale=None, texts=None):
    """{row label: images (N, C, H, W)}: one row per entry under its label, the same examples above one another.

    texts: {row label: a text or a number per image}, written under its images: a label, an error. scale: inches an
    image, by default what fills the width.
    """
    texts, scale = texts or {}, scale or min(0.9, WIDTH / cols)
    if odd := set(texts) - set(named):
        raise ValueError(f"There is no row {sorted(odd)[0]!r} to write texts under: the rows are {', '.join(named)}.")
    heights = [scale + 0.22 + 0.2 * (label in texts) for label in named]
    size = {"width": scale * cols, "height": sum(heights), "height_ratios": heights}
    fig, axes = figure(len(named), 1, squeeze=False, **size)
    fig.get_layout_engine().set(h_pad=0.01, hspace=0.0)
    for ax, (label, images) in zip(axes[:, 0], named.items(), strict=True):
        _show(ax, images, 1, cols)
        ax.text(0, 1.04, label, transform=ax.transAxes, ha="left", va="bottom", color=INK)
        each = images.shape[-1] + 2  # two pixels of paper stand between images
        for i, text in enumerate(list(texts.get(label, ()))[:cols]):
            text = text if isinstance(text, str) else f"{float(text):.3g}"
            ax.text((i + 0.5) * each - 1.5, images.shape[-2] + 0.5, text, ha="center", va="top", color=INK)
    return fig


def over_time(seen, cols=8, scale=None):
    """{step: images (N, C, H, W)} of the same codes over training, a row per step: what ``history.at`` holds."""
    return compare({f"after {step:,} steps": images for step, images in sorted(seen.items())}, cols, scale)


def scatter2d(z, y=None, ax=None, title=None, labels=("$z_1$", "$z_2$"), size=4, classes=None):
    """Points z (N, 2), coloured by class y (N,) with a legend of the classes."""
    if classes and y is None:
        raise ValueError("scatter2d(..., classes=...) names the classes that y holds: give y, too.")
    z = as_numpy(z)
    ax = ax or figure(width=4.6, height=4.2)[1]
    if y is None:
        ax.scatter(*z.T, s=size, lw=0, alpha=0.6, color=COLOURS[0], rasterized=True)
    else:
        y = as_numpy(y)
        for i, c in enumerate(np.unique(y)):
            name = classes[int(c)] if classes else str(c)
            ax.scatter(*z[y == c].T, s=size, lw=0, alpha=0.6, color=COLOURS[i % 10], label=name, rasterized=True)
        beside = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "ncols": 1 + (len(np.unique(y)) - 1) // 12}
        ax.legend(markerscale=3, handletextpad=0, **beside)
    ax.set(xlabel=labels[0], ylabel=labels[1], title=title or "")
    return ax.figure


def curves(history, names=None, smooth=None, unit="nats", log=False):
    """One panel per term of a History: every step pale, the running mean over ``smooth`` steps (2 % of them) on top."""
    names = list(names or history)
    if not names or not all(name in history and len(history[name]) for name in names):
        missing = [
            f"has no term {name!r}: it has {', '.join(history) or 'none'}." for name in names if name not in history
        ]
        raise ValueError(f"The history {(*missing, 'is empty: the fit made no step that could be drawn.')[0]}")
    smooth = smooth or max(1, len(history[names[0]]) // 50)
    cols = min(2, len(names))
    rows = -(-len(names) // cols)
    fig, axes = figure(rows, cols, width=WIDTH if cols > 1 else 4.2, height=2.2 * rows, squeeze=False)
    for i, (ax, name) in enumerate(zip(axes.flat, names, strict=False)):
        steps = np.arange(1, len(history[name]) + 1)
        shown = slice(None, None, max(1, len(steps) // 1500))  # more points than pixels only make the file larger
        ax.plot(steps[shown], as_numpy(history[name])[shown], color=COLOURS[i % 10], alpha=0.25, lw=0.8)
        ax.plot(steps[shown], as_numpy(history.smooth(name, smooth))[shown], color=COLOURS[i % 10])
        calm = as_numpy(history[name])[len(steps) // 50 :]  # the first steps would flatten the rest
        low, high = float(calm.min()), float(calm.max())
        if high > low and not log:  # a constant term is left to matplotlib
            ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        ax.set(xlabel="step", title=f"{name} [{unit}]" if unit else name, yscale="log" if log else "linear")
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    return fig


@torch.no_grad()
def manifold(decode, n=15, device="cpu", title=None):
    """decode(z) on an n×n grid of 2-D codes, equally spaced in probability under N(0, I); z₁ to the right, z₂ up."""
    values = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(n) + 0.5) / n)  # quantiles (i + ½)/n
    z = torch.stack([values.repeat(n), values.flip(0).repeat_interleave(n)], 1).to(device)
    fig, ax = figure(width=5.2, height=5.2)
    _show(ax, decode(z), n, n, pad=0, extent=(0, n, 0, n))
    ticks = np.arange(n)[:: max(1, n // 5)]
    text = [f"{values[i]:.1f}" for i in ticks]
    ax.set_axis_on()
    ax.grid(False)
    ax.set(xlabel="$z_1$", ylabel="$z_2$", title=title or "")
    ax.set_xticks(ticks + 0.5, text)
    ax.set_yticks(ticks + 0.5, text)
    return fig


@torch.no_grad()
def traversal(decode, z, dims, values, names=None):
    """decode of one code z (Z,) with one coordinate at a time set to each of ``values``: a row per coordinate."""
    rows = {}
    for d in dims:
        moved = z.repeat(len(values), 1)
        moved[:, d] = torch.as_tensor(values, dtype=z.dtype, device=z.device)
        rows[names[d] if names else f"$z_{{{d + 1}}}$"] = decode(moved)
    return compare(rows, cols=len(values))


def bars(values, labels=None, xlabel="", ylabel="", title=None, ax=None, line=None):
    """A bar per value; ``line`` draws a horizontal reference (value, label)."""
    values = as_numpy(values)
    ax = ax or figure(height=2.4)[1]
    ax.bar(range(len(values)), values, color=COLOURS[0], width=0.75)
    if labels is not None:
        ax.set_xticks(range(len(values)), labels)
    if line is not None:
        ax.axhline(line[0], color=COLOURS[1], lw=1.2, ls="--", label=line[1])
        ax.legend()
    ax.grid(axis="x", visible=False)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title or "")
    return ax.figure


def diagram(boxes, arrows, free=(), width=WIDTH, row=0.85):
    """Boxes and arrows of a model. boxes: {text: (column, row)}, row 0 on top, halves allowed; arrows: (from, to) or
    (from, to, label), by the boxes' texts; free: texts that stand without a box (data, noise, a loss).

    Four short texts to a row can be read on a phone. row: inches a row.
    """
    columns, rows = (max(place[i] for place in boxes.values()) + 1 for i in (0, 1))
    if unknown := [end for arrow in arrows for end in arrow[:2] if end not in boxes]:
        raise ValueError(f"An arrow begins or ends at {unknown[0]!r}, and no box is called so.")
    fig, ax = figure(width=width, height=row * rows)
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    ax.set_axis_off()
    drawn = {}
    for text, place in boxes.items():
        edge, paper = ("none", "none") if text in free else (COLOURS[0], "#EAF2F8")
        look = {"boxstyle": "round,pad=0.45", "edgecolor": edge, "facecolor": paper, "linewidth": 1.4}
        drawn[text] = ax.text(*place, text, ha="center", va="center", color=INK, bbox=look, zorder=3)
    fig.canvas.draw()  # a box has its size now
    for begin, end, *label in arrows:
        a, b = np.array(boxes[begin], float), np.array(boxes[end], float)
        shape = {
            "arrowstyle": "-|>,head_width=0.25,head_length=0.5",
            "color": INK,
            "lw": 1.2,
            "shrinkA": 0,
            "shrinkB": 2,
        }
        patches = {"patchA": drawn[begin].get_bbox_patch(), "patchB": drawn[end].get_bbox_patch()}
        ax.annotate("", b, a, arrowprops=shape | patches)
        for text in label:
            level = abs(b[1] - a[1]) < 0.25
            ax.annotate(
                text, (a + b) / 2, (0, 4) if level else (4, 0), textcoords="offset points", color=GREY_INK,
                ha="center" if level else "left", va="bottom" if level else "center",
            )  # fmt: skip
    return fig
