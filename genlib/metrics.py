"""Numbers by which chapters compare models: likelihood by importance sampling, a Fréchet distance, probes of a code."""

import hashlib
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from scipy.stats import entropy
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, mutual_info_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
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
        x, y = dataset.train.tensors
        channels, side = x.shape[1], x.shape[-1]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body = nn.Sequential(
                nn.Conv2d(channels, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 5, 2, 2), nn.ReLU(),
                nn.Flatten(), nn.Linear(32 * (-(-side // 4)) ** 2, 64), nn.ReLU(),
            )  # fmt: skip
            self.head = nn.Linear(64, int(y.max()) + 1)
        self.to(device)
        key = hashlib.sha256(as_numpy(x[:200]).tobytes() + str(len(x)).encode()).hexdigest()[:12]
        path = cache() / f"features-{dataset.name}-{key}.safetensors"
        try:
            self.load_state_dict(load_file(path))
        except (FileNotFoundError, SafetensorError, RuntimeError):  # not there, cut short, or of another shape
            self._train(x, y)
            beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
            save_file({k: v.cpu().contiguous() for k, v in self.state_dict().items()}, beside)
            os.replace(beside, path)
        self.accuracy = (self.head(self(dataset.test.x)).argmax(1) == dataset.test.y).float().mean().item()
        print(f"features: a classifier of {dataset.title}, test accuracy {self.accuracy:.1%}")

    def _train(self, x, y):
        opt = torch.optim.Adam(self.parameters(), lr=2e-3)
        generator = torch.Generator().manual_seed(0)
        for _ in range(max(2, 12_000 // len(x) + 1)):
            for index in torch.randperm(len(x), generator=generator).to(x.device).split(128):
                loss = F.cross_entropy(self.head(self.body(x[index])), y[index])
                opt.zero_grad()
                loss.backward()
                opt.step()

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
    model = KNeighborsClassifier(k).fit(as_numpy(z_train), as_numpy(y_train))
    return float(model.score(as_numpy(z_test), as_numpy(y_test)))


def linear_probe(z_train, y_train, z_test, y_test):
    """Test accuracy of a logistic regression on standardised codes."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(model.fit(as_numpy(z_train), as_numpy(y_train)).score(as_numpy(z_test), as_numpy(y_test)))


@torch.no_grad()
def nearest(queries, images, k=1):
    """Index (N, k) of and distance (N, k) to the nearest of ``images`` (Euclidean, in pixels): is a sample a copy?"""
    near, apart = [], []
    for q in queries.split(200):
        index = torch.cdist(q.flatten(1), images.flatten(1)).topk(k, largest=False).indices
        near.append(index)
        # cdist rounds, a copy would be at 0.01: the distance of the nearest is computed again
        apart.append((q[:, None] - images[index]).flatten(2).norm(dim=2))
    return torch.cat(near), torch.cat(apart)


# --- disentanglement: codes z against ground-truth factors v --------------------------------------------------------
# Factors are integer columns v (N, F). The metrics that intervene draw factors themselves, from `sizes` (values per
# factor), and ask represent(v (N, F) int array) -> codes (N, Z).


def mutual_information(z, v, bins=20):
    """(Z, F) matrix of I(z_j; v_k) in nats, z cut into ``bins`` equal-width bins, and the entropies H(v_k) (F,)."""
    z, v = as_numpy(z), as_numpy(v)
    cut = np.stack([np.digitize(c, np.histogram_bin_edges(c, bins)[1:-1]) for c in z.T], 1)
    information = np.array([[mutual_info_score(v[:, k], c) for k in range(v.shape[1])] for c in cut.T])
    return information, np.array([mutual_info_score(c, c) for c in v.T])


def mig(z, v, bins=20):
    """Mutual information gap (Chen et al. 2018), histogram form of Locatello et al. 2019: 1 if every factor is told by
    one code dimension alone, 0 if the two best tell as much. Factors of a single value are left out."""
    information, whole = mutual_information(z, v, bins)
    best = np.sort(information, 0)[::-1]
    gap = best[0] - (best[1] if len(best) > 1 else 0)
    return float((gap[whole > 0] / whole[whole > 0]).mean())


def sap(z, v, categorical=()):
    """Separated attribute predictability (Kumar et al. 2018): mean gap between the two best single-dimension scores.
    Ordinal factors score by R² of a straight line, those in ``categorical`` by the held-out balanced accuracy of a
    linear classifier, rescaled so that chance is 0. Dimensions of standard deviation below 0.01 score 0."""
    z, v = as_numpy(z).astype(np.float64), as_numpy(v)
    z, half = z[:, z.std(0) > 0.01], len(z) // 2
    z = (z - z.mean(0)) / z.std(0)
    scores = (z.T @ ((v - v.mean(0)) / v.std(0)) / len(z)) ** 2  # (Z, F)
    for k in categorical:
        for j in range(z.shape[1]):
            guess = LogisticRegression().fit(z[:half, [j]], v[:half, k]).predict(z[half:, [j]])
            scores[j, k] = max(0.0, balanced_accuracy_score(v[half:, k], guess, adjusted=True))
    second, best = np.sort(np.pad(scores, ((2, 0), (0, 0))), 0)[-2:]  # dimensions that are not there score 0 too
    return float((best - second).mean())


def dci(z, v, seed=0):
    """Disentanglement, completeness and informativeness (Eastwood & Williams 2018) from the importances of a random
    forest per factor, fitted on one half of the codes; informativeness is its mean accuracy on the other half."""
    z, v = as_numpy(z), as_numpy(v)
    half, importance, accuracy = len(z) // 2, [], []
    forest = RandomForestClassifier(20, max_features=None, max_depth=12, random_state=seed)
    for k in range(v.shape[1]):
        forest.fit(z[:half], v[:half, k])
        importance.append(forest.feature_importances_)
        accuracy.append(forest.score(z[half:], v[half:, k]))
    R = np.array(importance).T + 1e-12  # (Z, F)
    certainty = lambda P: 1 - entropy(P, base=P.shape[1], axis=1)  # of the rows, scaled to sum to 1
    return {
        "disentanglement": float((certainty(R) * R.sum(1) / R.sum()).sum()),
        "completeness": float((certainty(R.T) * R.sum(0) / R.sum()).sum()),
        "informativeness": float(np.mean(accuracy)),
    }


def _draw(rng, sizes, n):
    """n rows of independent, uniform factors."""
    return np.stack([rng.integers(s, size=n) for s in sizes], 1)


def beta_vae_metric(represent, sizes, votes=1500, pairs=64, seed=0):
    """Higgins et al. 2017: held-out accuracy of a linear classifier that names the factor shared by ``pairs`` pairs of
    images from the mean |z − z′| over them; two thirds of the votes train it. Chance is 1/F."""
    rng = np.random.default_rng(seed)
    shared = rng.integers(len(sizes), size=votes)
    apart = []
    for k in shared:
        first, second = _draw(rng, sizes, pairs), _draw(rng, sizes, pairs)
        second[:, k] = first[:, k]
        z = as_numpy(represent(np.concatenate([first, second])))
        apart.append(np.abs(z[:pairs] - z[pairs:]).mean(0))
    apart, cut = np.array(apart), 2 * votes // 3
    apart = apart / (apart[:cut].std(0) + 1e-12)
    model = LogisticRegression(max_iter=2000, C=10).fit(apart[:cut], shared[:cut])
    return float(model.score(apart[cut:], shared[cut:]))


def factor_vae_metric(represent, sizes, votes=1300, batch=64, seed=0):
    """Kim & Mnih 2018: fix a factor, the code dimension of least normalised variance votes for it; accuracy of the
    majority table on the last 500 votes. Dimensions of standard deviation below 0.05 take no part. Chance is 1/F."""
    rng = np.random.default_rng(seed)
    spread = as_numpy(represent(_draw(rng, sizes, 5000))).var(0)
    alive = spread > 0.05**2
    if not alive.any():
        return 0.0
    fixed, chosen = rng.integers(len(sizes), size=votes), []
    for k in fixed:
        v = _draw(rng, sizes, batch)
        v[:, k] = v[0, k]
        chosen.append((as_numpy(represent(v)).var(0)[alive] / spread[alive]).argmin())
    table = np.zeros((alive.sum(), len(sizes)))
    np.add.at(table, (chosen[:-500], fixed[:-500]), 1)
    return float((table.argmax(1)[chosen[-500:]] == fixed[-500:]).mean())
