"""Numbers by which chapters compare models: likelihood by importance sampling, a Fréchet distance, probes of a code."""

import hashlib
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .data import as_numpy, cache


@torch.no_grad()
def importance_log_likelihood(log_weight, x, k=500, chunk=50, rows=1000):
    """log (1/K) Σ_k w_k per example, a lower bound on log p(x) in expectation that tightens with K
    (Burda et al. 2016, equation 8).

    log_weight: a function of x (B, ...) that draws one z ~ q(z | x) per example and returns
        log p(x, z) − log q(z | x), in nats, (B,). x: (N, ...). k: samples per example; ``chunk`` of them at once on
        ``rows`` examples bound the memory. Returns (N,) float64.
    """
    parts = []
    for some in x.split(rows):
        total = torch.full((len(some),), -math.inf, dtype=torch.float64, device=x.device)
        for first in range(0, k, chunk):
            n = min(chunk, k - first)
            w = log_weight(some.repeat_interleave(n, 0)).double().view(len(some), n)
            total = torch.logaddexp(total, w.logsumexp(1))
        parts.append(total - math.log(k))
    return torch.cat(parts)


class Features(nn.Module):
    """A small classifier trained on the data set itself; its 64 penultimate activations are the features.

    Trained once per data set (a few seconds on a laptop) with a fixed seed and cached in the user's cache; prints its
    test accuracy, because a distance between features means no more than they do. Fréchet distances on these features
    compare models within this book, and with nothing outside it.
    """

    def __init__(self, dataset, device="cpu"):
        super().__init__()
        channels, side = dataset.train.x.shape[1], dataset.train.x.shape[-1]
        classes = int(dataset.train.y.max()) + 1
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body = nn.Sequential(
                nn.Conv2d(channels, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 5, 2, 2), nn.ReLU(),
                nn.Flatten(), nn.Linear(32 * (-(-side // 4)) ** 2, 64), nn.ReLU(),
            )  # fmt: skip
            self.head = nn.Linear(64, classes)
            self.to(device)
            key = hashlib.sha256(as_numpy(dataset.train.x[:200]).tobytes() + str(len(dataset.train)).encode())
            path = cache() / f"features-{dataset.name}-{key.hexdigest()[:12]}.safetensors"
            self._fetch(path, dataset, device)
        with torch.no_grad():
            guess = torch.cat([self.head(self.body(x)).argmax(1) for x in dataset.test.x.split(1000)])
        self.accuracy = (guess == dataset.test.y).float().mean().item()
        print(f"features: a classifier of {dataset.title}, test accuracy {self.accuracy:.1%}")

    def _fetch(self, path, dataset, device):
        import os

        from safetensors import SafetensorError
        from safetensors.torch import load_file, save_file

        try:
            self.load_state_dict(load_file(path))
            return
        except (FileNotFoundError, SafetensorError, RuntimeError):
            pass  # not there, cut short, or of another shape: train it (again)
        opt = torch.optim.Adam(self.parameters(), lr=2e-3)
        x, y = dataset.train.x, dataset.train.y
        generator = torch.Generator().manual_seed(0)
        for _ in range(max(2, 12_000 // len(x) + 1)):
            for index in torch.randperm(len(x), generator=generator).split(128):
                index = index.to(x.device)
                loss = F.cross_entropy(self.head(self.body(x[index])), y[index])
                opt.zero_grad()
                loss.backward()
                opt.step()
        beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        save_file({k: v.cpu().contiguous() for k, v in self.state_dict().items()}, beside)
        os.replace(beside, path)

    @torch.no_grad()
    def forward(self, x):
        """Images (N, C, H, W) in [0, 1] -> features (N, 64)."""
        return torch.cat([self.body(part) for part in x.split(1000)])


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
    moments = []
    for images in (real, fake):
        f = as_numpy(features(images)).astype(np.float64)
        moments += [f.mean(0), np.cov(f, rowvar=False)]
    return frechet_from_moments(*moments)


def knn_accuracy(z_train, y_train, z_test, y_test, k=5):
    """Share of test codes whose k nearest training codes vote for the right class."""
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(k).fit(as_numpy(z_train), as_numpy(y_train))
    return float(model.score(as_numpy(z_test), as_numpy(y_test)))


def linear_probe(z_train, y_train, z_test, y_test):
    """Test accuracy of a logistic regression on standardised codes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(model.fit(as_numpy(z_train), as_numpy(y_train)).score(as_numpy(z_test), as_numpy(y_test)))


@torch.no_grad()
def nearest(queries, images, k=1):
    """Index (N, k) of and distance (N, k) to the nearest of ``images`` (Euclidean, in pixels): is a sample a copy?"""
    found = [torch.cdist(q.flatten(1), images.flatten(1)).topk(k, largest=False) for q in queries.split(200)]
    return torch.cat([f.indices for f in found]), torch.cat([f.values for f in found])
