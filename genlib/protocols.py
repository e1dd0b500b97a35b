"""Protocols: one experiment that several chapters run with the thing each is about, so that the numbers stand side by
side on the book's page of results (see ``genlib.rows``)."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import data, metrics, nets
from .rows import record
from .run import cosine

GAN_LOSSES, DISENTANGLEMENT, FEW_LABELS = "Losses of adversarial networks", "Disentanglement", "Few labels"


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
    networks = lambda: (nets.mlp([64, 256, 256, pixels], out=nn.Sigmoid), nets.mlp([pixels, 256, 256, 1], slope))
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


SPRITES = (2, 6, 1, 16, 16)  # shapes, scales, orientations, x and y positions of the 3,072 images, as in data.sprites
TARGET = 25.0  # nats of reconstruction error


def code_scores(z, seed=0):
    """Scores of the codes z (3072, Z) of all images of ``SPRITES``, in the order of cartesian_prod, against the factors
    scale, x and y; the shape varies and is not scored. The factors themselves score 1 in each."""
    v = torch.cartesian_prod(*(torch.arange(n) for n in SPRITES))[:, [1, 3, 4]].numpy()
    rng, z = np.random.default_rng(seed), data.as_numpy(z)
    pick = lambda f: z[rng.integers(2, size=len(f)) * 1536 + np.ravel_multi_index(f.T, (6, 16, 16))]  # of either shape
    return {
        "MIG": metrics.mig(z, v),
        "SAP": metrics.sap(z, v),
        "DCI": metrics.dci(*(a[np.random.default_rng(0).permutation(3072)] for a in (z, v)), seed)["disentanglement"],
        "FactorVAE score": metrics.factor_vae_metric(pick, (6, 16, 16), seed=seed),
    }


def disentanglement(run, name, trainer, strengths=(1, 2, 4, 8), parts=1):
    """Train this chapter's loss on the book's images with known factors, and record its row.

    trainer: (encoder, decoder, opt, strength) -> (step, state), the chapter's own: encoder maps x (B, 1024) to mean and
        log-variance (B, 12), decoder z (B, 6) to logits (B, 1024), opt is the Adam of both; ``step`` takes x, 128
        images for each of its ``parts``; ``state``: what else it changes. None: nothing is trained, a bound from below.
    The same for all: 3,072 binary sprites of 32×32 pixels (SPRITES), networks, rates, 800 updates, four strengths.
    Which is taken asks no factor label: that whose reconstruction error E −log p(x | z) under seed 100 is nearest
    to ``TARGET`` in ratio, so that codes are compared at about one error. Then three seeds. Codes are posterior means
    of all images. Presets cpu and gpu do the same; smoke, ten updates, one strength and one seed.
    """
    smoke = run.preset == "smoke"
    steps, seeds, strengths = (10, 1, strengths[:1]) if smoke else (800, 3, strengths)
    v = torch.cartesian_prod(*(torch.arange(n, device=run.device) for n in SPRITES))
    x = data.sprites(v, SPRITES, ("heart", "ellipse"), 32).flatten(1)

    def train(seed, strength):
        run.reseed(seed)
        encoder, decoder = (nets.mlp(n).to(run.device) for n in ([1024, 128, 128, 12], [6, 128, 128, 1024]))
        with torch.no_grad():
            decoder[-1].bias += x.mean(0).logit(eps=0.01)  # it begins at the mean image
        if trainer:
            opt = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 3e-3, fused=True)
            step, state = trainer(encoder, decoder, opt, strength)
            kept = dict(state=(encoder, decoder, opt, *state), label=f"{name}, protocol", quiet=True)
            run.fit(step, x, steps=steps, batch=128 * parts, schedule=cosine, **kept)
        with torch.no_grad():
            mu, logvar = encoder(x).chunk(2, 1)
            z = mu + (logvar / 2).exp() * torch.randn_like(mu)
            error = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="none").sum(1).mean()
        return error.item(), z, mu, logvar

    best, numbers = strengths[0], {}
    if trainer and len(strengths) > 1:
        best = min(strengths, key=lambda strength: abs(math.log(train(100, strength)[0] / TARGET)))
    for seed in range(run.seed, run.seed + seeds):
        error, z, mu, logvar = train(seed, best)
        correlation = metrics.split_rate(z, mu, logvar, 16 if smoke else 1)[:, 1].mean().item()
        told = code_scores(mu, seed) | {"total correlation, nats": correlation, "reconstruction, nats": error}
        for column, value in told.items():
            numbers.setdefault(column, []).append(value)
    run.reseed(run.seed)
    conditions = (
        f"Scale, x and y of 3,072 sprites; {steps:,} updates of fully connected networks, batches of 128, six latents; "
        f"the one of {len(strengths)} strength{'s' * (len(strengths) > 1)} with a reconstruction error nearest to "
        f"{TARGET:g} nats under another seed, {seeds} seed{'s' * (seeds > 1)}. The factors themselves score 1."
    )
    notes = f"Strength: {best:g}." if trainer else "Not trained."
    return record(run, DISENTANGLEMENT, name, numbers, conditions, notes)


def labelled(y, n, seed, held=1000):
    """Indices of n examples with a label, as many of each class, and of ``held`` others to tune by: two (n,) tensors.
    y: the labels of all; the two depend on the seed alone, and on no image."""
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    classes, of = int(y.max()) + 1, y.cpu()[order]
    rows = torch.cat([(of == c).nonzero()[: n // classes, 0] for c in range(classes)])
    others = torch.ones(len(y), dtype=torch.bool)
    others[rows] = False
    return order[rows].to(y.device), order[others][:held].to(y.device)


def supervised(augment=False):
    """The two baselines of ``few_labels`` as its trainer: cross-entropy on the labelled images alone, as they are or
    moved by up to two pixels of 28 and turned by up to ten degrees."""

    def moved(x):
        side = round(x.shape[1] ** 0.5)
        turn = (torch.rand(len(x), device=x.device) * 2 - 1) * math.radians(10)
        shift = (torch.rand(len(x), 2, device=x.device) * 2 - 1) * 4 / 28
        c, s, (dx, dy) = turn.cos(), turn.sin(), shift.T
        about = torch.stack([c, -s, dx, s, c, dy], 1).view(-1, 2, 3)
        grid = F.affine_grid(about, [len(x), 1, side, side], align_corners=False)
        return F.grid_sample(x.view(-1, 1, side, side), grid, align_corners=False).flatten(1)

    def trainer(classifier, rate):
        opt = torch.optim.Adam(classifier.parameters(), rate, fused=True)

        def step(x, x_l, y_l):
            loss = F.cross_entropy(classifier(moved(x_l) if augment else x_l), y_l)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return {"cross-entropy": loss.detach()}

        return step, (classifier, opt)

    return trainer


def few_labels(run, name, trainer, rates=(3e-4, 1e-3, 3e-3)):
    """Train this chapter's way with 100 and with 1,000 labels of MNIST, and record its row: test errors in per cent.

    trainer: (classifier, rate) -> (step, state), the chapter's own: classifier maps images x (B, D), flat in [0, 1],
        to logits (B, 10), an MLP of two hidden layers of 256; ``step`` takes x (100, D) without labels and x_l (50, D),
        y_l (50,) with them; ``state``: the modules and optimisers that it changes. ``supervised`` is the baseline.
    The same for all: splits (as many labels of each class, another split for each seed), that network, batches, 1,000
    updates with a cosine schedule, and three rates, of which the best under seed 100, by the error on 1,000 training
    images kept for that, is taken for each number of labels. Then five seeds. The test set is asked once a training.
    Presets cpu and gpu do the same; smoke, ten updates of one seed and one rate on the embedded digits.
    """
    smoke = run.preset == "smoke"
    updates, seeds, rates = (10, 1, rates[:1]) if smoke else (1000, 5, rates)
    images = data.load("digits" if smoke else "mnist", run.device)
    x, y, pixels = images.train.x.flatten(1), images.train.y, images.train.x[0].numel()

    def train(n, seed, rate, tune=False):
        own, held = labelled(y, n, seed)
        rest = torch.ones(len(y), dtype=torch.bool, device=y.device)
        rest[held] = False  # under a seed, those held out are not trained on
        rest = rest.nonzero()[:, 0]
        run.reseed(seed)
        classifier = nets.mlp([pixels, 256, 256, 10]).to(run.device)
        step, state = trainer(classifier, rate)
        pick = lambda many, size: torch.randint(many, (size,), generator=run.generator, device=run.device)

        def batch(size):
            rows = own[pick(len(own), size // 2)]
            return x[rest[pick(len(rest), size)]], x[rows], y[rows]

        kept = dict(state=state, schedule=cosine, label=f"{name}, protocol", quiet=True)
        run.fit(step, batch, steps=updates, batch=100, **kept)
        classifier.eval()
        with torch.no_grad():
            asked = (x[held], y[held]) if tune else (images.test.x.flatten(1), images.test.y)
            return 100 * (classifier(asked[0])[:, :10].argmax(1) != asked[1]).float().mean().item()

    numbers, chosen = {}, []
    for n in (100, 1000):
        best = min(rates, key=lambda rate: train(n, 100, rate, tune=True)) if len(rates) > 1 else rates[0]
        chosen.append(best)
        numbers[f"{n:,} labels: error, %"] = [train(n, seed, best) for seed in range(run.seed, run.seed + seeds)]
    run.reseed(run.seed)
    conditions = (
        f"The same labelled images, {updates:,} updates, batches of 50 with a label and 100 without, fully connected "
        f"classifier, the best of {len(rates)} learning rate{'s' * (len(rates) > 1)} under another seed, "
        f"{seeds} seed{'s' * (seeds > 1)}."
    )
    return record(run, FEW_LABELS, name, numbers, conditions, f"Rates taken: {chosen[0]:g} and {chosen[1]:g}.")
