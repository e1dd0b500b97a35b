"""Distances between sets of images: features of a small classifier, and Fréchet distances between them."""

import hashlib
import re

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from ..data import DataError, as_numpy, cache
from ..data.published import keep
from .likelihood import in_chunks

RECIPE = "2 convolutions of 5 by 5, stride 2, 16 and 32 channels, 64 features; Adam 2e-3, batch 128"


class Features(nn.Module):
    """A small classifier trained on the data set itself; its 64 penultimate activations are the features.

    Trained once per data set (a few seconds on a laptop) with a fixed seed and kept in the user's cache under a key of
    everything that made it: all images, all labels, sizes, classes and the recipe. Prints its test accuracy, because a
    distance between features means no more than they do. Fréchet distances on these features compare models within this
    book, and with nothing outside it. dataset: images (N, C, H, W) in [0, 1] of any size from 8×8 with labels
    0 … K − 1; raises DataError in one sentence for what it cannot take.
    """

    def __init__(self, dataset, device="cpu", seed=0, kept=True, quiet=False):
        """kept=False: trained anew under ``seed``, not read from the cache nor kept in it, and nothing printed. quiet:
        nothing printed either way, for whoever has told the accuracy before."""
        super().__init__()
        x, y, count = self._checked(dataset)
        channels, height, width = self.shape = tuple(x.shape[1:])
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Sequential(
                nn.Conv2d(channels, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 5, 2, 2), nn.ReLU(),
                nn.Flatten(), nn.Linear(32 * -(-height // 4) * -(-width // 4), 64), nn.ReLU(),
            )  # fmt: skip
            self.head = nn.Linear(64, count)
        self.to(device)
        test = lambda: (in_chunks(self.head, self(dataset.test.x)).argmax(1) == dataset.test.y).float().mean().item()
        if not kept:
            self._train(x, y, seed)
            self.accuracy = test()
            return
        made = [RECIPE, seed, tuple(x.shape), x.dtype, y.dtype, count, dataset.classes, x.device.type]
        made += [torch.__version__, torch.get_num_threads(), torch.backends.cpu.get_cpu_capability()]  # bit for bit
        key = hashlib.sha256(repr(made).encode())
        for part in (x, y):
            key.update(np.ascontiguousarray(as_numpy(part)))
        name = re.sub(r"[^\w.-]+", "-", dataset.name)[:80]
        path = cache() / f"features-{name}-{key.hexdigest()[:16]}.safetensors"
        try:
            self.load_state_dict(load_file(path))
        except (OSError, SafetensorError, RuntimeError):  # not there, not to be read, cut short, or of another shape
            self._train(x, y, seed)
            keep(path, save({k: v.cpu().contiguous() for k, v in self.state_dict().items()}))
        self.accuracy = test()
        if not quiet:
            print(f"features: a classifier of {dataset.title}, test accuracy {self.accuracy:.1%}")

    @staticmethod
    def _checked(dataset):
        """Training images and labels, and the number of classes; what cannot be learned from is told."""
        x, y = dataset.train.x, dataset.train.y
        told = None
        if y is None or dataset.test.y is None:
            told = "it has no labels to learn from: give it labels, or compare the images otherwise"
        elif x.dim() != 4 or x.shape[1:] != dataset.test.x.shape[1:]:
            shapes = f"{tuple(x.shape)} and {tuple(dataset.test.x.shape)}"
            told = f"training and test images are of one shape, (N, C, H, W), and it has {shapes}"
        elif min(x.shape[2:]) < 8:
            told = f"its images are {x.shape[2]}×{x.shape[3]}, the smallest it can read are 8×8: enlarge them"
        elif y.is_floating_point() or y.shape != x.shape[:1] or y.min() < 0:
            told = "a label is a whole number from 0 on, one for each image"
        elif x.min() < 0 or x.max() > 1:
            told = f"its pixels lie in [{x.min():.3g}, {x.max():.3g}], and [0, 1] is expected: rescale them"
        if told:
            raise DataError(f"Features cannot be made of {dataset.title}: {told}.")
        return x, y, max(len(dataset.classes), int(max(y.max(), dataset.test.y.max())) + 1)

    def _train(self, x, y, seed):
        opt = torch.optim.Adam(self.parameters(), lr=2e-3)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(max(2, 12_000 // len(x) + 1)):
            for index in torch.randperm(len(x), generator=generator).to(x.device).split(128):
                loss = F.cross_entropy(self.head(self.body(x[index])), y[index])
                opt.zero_grad()
                loss.backward()
                opt.step()

    def forward(self, x):
        """Images (N, C, H, W) in [0, 1] -> features (N, 64), without gradients."""
        if tuple(x.shape[1:]) != self.shape:
            raise DataError(f"These features are of images {self.shape}, not {tuple(x.shape[1:])}: resize or reshape.")
        return in_chunks(self.body, x)


def frechet_moments(features, images):
    """Mean (K,) and covariance (K, K), float64, of the features of images (N, C, H, W); features: a function of images,
    1,000 at a time, that gives (n, K)."""
    f = as_numpy(in_chunks(features, images)).astype(np.float64)
    return f.mean(0), np.cov(f, rowvar=False)


def frechet_from_moments(mean1, cov1, mean2, cov2):
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½): squared 2-Wasserstein distance of two Gaussians (Dowson & Landau 1982).

    tr (Σ₁Σ₂)^½ is the sum of the roots of the eigenvalues of Σ₁Σ₂, which are real and non-negative up to rounding.
    """
    roots = np.sqrt(np.linalg.eigvals(cov1 @ cov2).real.clip(min=0)).sum()
    return float(((mean1 - mean2) ** 2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * roots)


def frechet(features, real, fake):
    """Fréchet distance between the features of two sets of images (N, C, H, W): FID with our own features.

    It falls with the number of images (the estimate is biased upwards): compare sets of equal size, and say the size.
    """
    return frechet_from_moments(*frechet_moments(features, real), *frechet_moments(features, fake))
