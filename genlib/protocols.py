"""Protocols: one experiment that several chapters run with the thing each is about, so that the numbers stand side by
side on the book's page of results (see ``genlib.rows``)."""

import torch
from torch import nn

from . import data, metrics, nets
from .rows import record

GAN_LOSSES = "Losses of adversarial networks"


def _ring(device):
    """The task of the eight Gaussians: networks, training points, and scores, first the one to tune by."""
    x = data.load("ring", device)
    real = x.test.x[:500]

    def scores(draw):
        modes, near = metrics.modes_covered(draw(2500), data.ring_means(), data.RING_SD)
        return {
            "ring: W₁": metrics.wasserstein1(real, draw(500)),
            "ring: modes of 8": modes,
            "ring: near a mode, %": 100 * near,
        }

    networks = lambda: (nets.mlp([8, 128, 128, 2]), nets.mlp([2, 128, 128, 1]))
    return networks, x.train.x, scores


def _digits(name, device):
    """The task of the digits, as ``_ring``: fully connected networks, images flat in [0, 1]."""
    images = data.load(name, device)
    features = metrics.Features(images, device, quiet=True)
    side = images.train.x.shape[-1]

    def scores(draw):
        x_hat = draw(min(2000, len(images.test))).view(-1, 1, side, side)
        return {
            "digits: Fréchet": metrics.frechet(features, images.test.x[: len(x_hat)], x_hat),
            "digits: classes of 10": metrics.classes_covered(features, x_hat)[0],
        }

    slope, pixels = (lambda: nn.LeakyReLU(0.2)), side**2
    networks = lambda: (
        nets.mlp([64, 256, 256, pixels], out=nn.Sigmoid),
        nets.mlp([pixels, 256, 256, 1], slope),
    )
    return networks, images.train.x.flatten(1), scores


def gan_losses(run, name, trainer, critic_steps=1, rates=(3e-4, 1e-3, 3e-3, 1e-2)):
    """Train this chapter's loss on the book's two tasks for losses of adversarial networks, and record its row.

    trainer: (G, D, rate) -> (step, state), the chapter's own: G maps z (B, Z), standard normal, Z = G[0].in_features,
        to x (B, D); D maps x to (B, 1), without a sigmoid; ``step`` takes x, updates G once, and D as often as
        ``critic_steps`` says, on as many equal parts of x; ``state`` are the modules and optimisers it changes.
    The same for all losses: two tasks (eight Gaussians; digits of 28×28 as vectors), networks, 64 images a batch,
    2,000 updates of G on the ring and 1,000 on the digits, and four rates, of which the best under seed 100 (by W₁,
    by the Fréchet distance) is taken for each task. Then three seeds that the rate was not chosen on. Presets cpu and
    gpu do the same; smoke, ten updates of one seed and one rate on the embedded digits.
    """
    smoke = run.preset == "smoke"
    updates, seeds, rates = ((10, 10), 1, rates[:1]) if smoke else ((2000, 1000), 3, rates)
    tasks = (_ring(run.device), _digits("digits" if smoke else "mnist", run.device))
    numbers, chosen = {}, []
    for (networks, x, scores), steps in zip(tasks, updates, strict=True):

        def train(seed, rate, networks=networks, x=x, steps=steps, scores=scores):
            run.reseed(seed)
            G, D = (net.to(run.device) for net in networks())
            step, state = trainer(G, D, rate)
            run.fit(step, x, steps=steps, batch=64 * critic_steps, state=state, label=f"{name}, protocol", quiet=True)
            with torch.no_grad():
                return scores(lambda n: G(torch.randn(n, G[0].in_features, device=run.device)))

        best = rates[0]
        if len(rates) > 1:
            best = min(rates, key=lambda rate: next(iter(train(100, rate).values())))
        chosen.append(best)
        for seed in range(run.seed, run.seed + seeds):
            for column, value in train(seed, best).items():
                numbers.setdefault(column, []).append(value)
    run.reseed(run.seed)
    conditions = (
        f"{updates[0]:,} updates of G on the ring and {updates[1]:,} on the digits, batches of 64, fully connected "
        f"networks, the best of {len(rates)} learning rate{'s' * (len(rates) > 1)} under another seed, "
        f"{seeds} seed{'s' * (seeds > 1)}."
    )
    notes = f"Rates taken: {chosen[0]:g} and {chosen[1]:g}; updates of D for each of G: {critic_steps}."
    return record(run, GAN_LOSSES, name, numbers, conditions, notes)
