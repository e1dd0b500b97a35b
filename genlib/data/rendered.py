"""What is drawn instead of downloaded: strokes, sprites with their factors, 2-D toys, binary pixels."""

import math

import torch


def curves(n, seed=0, size=28, device="cpu"):
    """Images (n, 1, size, size) of smooth strokes, each from three random points: six intrinsic dimensions.

    Our rendering of the synthetic set of Hinton & Salakhutdinov (2006): a quadratic Bézier curve with control points
    uniform in the central part of the frame; ink is a line integral of a Gaussian pen along it, saturated to [0, 1].
    """
    points = torch.rand(n, 3, 2, generator=torch.Generator().manual_seed(seed)) * (size - 8) + 3.5  # in pixels
    t = torch.linspace(0, 1, 48)
    basis = torch.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2])  # (3, T)
    slope = torch.stack([-2 * (1 - t), 2 - 4 * t, 2 * t])
    pixels = torch.arange(size).float()
    images = []
    for p in points.split(2000):  # the sum over the curve's T points is a matrix product per image
        at = torch.einsum("nkd,kt->ntd", p, basis)  # (n, T, 2)
        speed = torch.einsum("nkd,kt->ntd", p, slope).norm(dim=2) / len(t)
        gx, gy = (torch.exp(-0.5 * (pixels - at[:, :, d, None]) ** 2) for d in (0, 1))  # (n, T, size)
        images.append(1 - torch.exp(-1.5 * torch.einsum("nt,nti,ntj->nij", speed, gy, gx)))
    return torch.cat(images)[:, None].to(device)


SIZES = (3, 6, 40, 32, 32)  # how many shapes, scales, orientations, x and y positions dSprites has


def sprites(v, sizes=SIZES, shapes=("square", "ellipse", "heart"), side=64):
    """White shapes on black, binary images (N, 1, side, side) from factors v (N, 5), rendered on v's device.

    The columns are those of dSprites (Higgins et al. 2017): shape, scale (0.5 to 1), orientation (a full turn), x and y
    position; ``sizes`` are their numbers of values, 737,280 combinations by default. The drawing is ours. A square is
    the same after a quarter turn and an ellipse after a half: their orientation cannot be told from the image.
    """
    last = [max(1, n - (i != 2)) for i, n in enumerate(sizes)]  # a full turn is no turn
    _, scale, turn, px, py = (column[:, None, None] / n for column, n in zip(v.float().T, last, strict=True))
    at = (torch.arange(side, device=v.device) + 0.5) / (side / 64)
    x, y = at[None, None, :] - 16 - 32 * px, at[None, :, None] - 16 - 32 * py
    angle, radius = 2 * math.pi * turn, 11 * (0.5 + 0.5 * scale)
    a, b = (angle.cos() * x + angle.sin() * y) / radius, (angle.cos() * y - angle.sin() * x) / radius
    inside = {
        "square": torch.maximum(a.abs(), b.abs()) <= 0.8,
        "ellipse": a**2 + (b / 0.6) ** 2 <= 1,
        "heart": ((1.3 * a) ** 2 + (1.3 * b) ** 2 - 1) ** 3 + (1.3 * a) ** 2 * (1.3 * b) ** 3 <= 0,
    }
    drawn = torch.stack([inside[name] for name in shapes])  # (shapes, N, side, side)
    return drawn[v[:, 0].long(), torch.arange(len(v), device=v.device)].float()[:, None]


RING_SD, GRID_SD = 0.1, 0.05  # of each of the eight Gaussians of the ring, of the twenty-five of the grid


def toy(name, n, generator):
    """n points (n, 2) float32 of a 2-D toy, of about unit size, and labels (n,) of the part each came from.

    ring, grid: Gaussians of ``ring_means`` and ``grid_means``; roll: a spiral of one and a half turns with noise 0.05,
    labelled by the third of its length; any other name: moons, two half circles.
    """
    g = lambda: torch.randn(n, generator=generator)
    if name in ("ring", "grid"):
        means, sd = (ring_means(), RING_SD) if name == "ring" else (grid_means(), GRID_SD)
        y = torch.randint(len(means), (n,), generator=generator)
        x = torch.stack([means[y, 0] + sd * g(), means[y, 1] + sd * g()], 1)
    elif name == "roll":  # as scikit-learn's Swiss roll seen from its end, the radius from 2/3 to 2
        at = torch.rand(n, generator=generator)
        y, angle, radius = (3 * at).long(), 3 * math.pi * (0.5 + at), 2 * (1 + 2 * at) / 3
        x = torch.stack([radius * angle.cos() + 0.05 * g(), radius * angle.sin() + 0.05 * g()], 1)
    else:  # two half circles, one the point reflection of the other
        y = torch.randint(2, (n,), generator=generator)
        angle = math.pi * torch.rand(n, generator=generator)
        sign = 1 - 2.0 * y
        x = torch.stack([sign * (angle.cos() - 0.5) + 0.08 * g(), sign * (angle.sin() - 0.25) + 0.08 * g()], 1)
    return x, y


def ring_means():
    """The means of the ring's eight Gaussians, on a circle of radius 2, (8, 2) float32."""
    angle = 2 * math.pi * torch.arange(8) / 8
    return torch.stack([2 * angle.cos(), 2 * angle.sin()], 1)


def grid_means():
    """The means of the grid's twenty-five Gaussians, one apart, (25, 2) float32."""
    return torch.cartesian_prod(torch.arange(-2.0, 3), torch.arange(-2.0, 3))


def stacked(split, n, seed=0):
    """n images (n, 3, H, W) of three random images of ``split`` each, one a colour channel, and their labels (n,): the
    three digits read as a number, 0 to 999 for ten classes (stacked MNIST, Metz et al. 2017). Returns (x, y)."""
    pick = torch.randint(len(split), (n, 3), generator=torch.Generator().manual_seed(seed)).to(split.x.device)
    y = split.y[pick]  # (n, 3)
    return split.x[pick, 0], (100 * y[:, 0] + 10 * y[:, 1] + y[:, 2])


def toys(name):
    """Title, training and test pairs (x, y) of a 2-D toy, and no class names."""
    generator = torch.Generator().manual_seed(0)
    return f"{name} (2-D)", toy(name, 20_000, generator), toy(name, 5_000, generator), ()


def binarise(x, seed=0):
    """Binary pixels drawn once from Bernoulli(grey) with a fixed seed: the test set of every comparison in nats."""
    return torch.bernoulli(x.cpu(), generator=torch.Generator().manual_seed(seed)).to(x.device)
