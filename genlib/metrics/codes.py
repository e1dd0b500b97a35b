"""What a code or a set of points tells: probes, neighbours, clusters, modes, and the distance W₁."""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal

from ..data import as_numpy


def knn_accuracy(z_train, y_train, z_test, y_test, k=5):
    """Share of test codes whose k nearest training codes vote for the right class."""
    model = KNeighborsClassifier(k).fit(as_numpy(z_train), as_numpy(y_train))
    return float(model.score(as_numpy(z_test), as_numpy(y_test)))


def linear_probe(z_train, y_train, z_test, y_test, folds=3):
    """Test accuracy of a logistic regression on standardised codes, z (N, D) and y (N,).

    The strength of its L2 penalty is one of 10⁻⁴ … 10 (scikit-learn's C, by powers of ten), chosen by cross-validation
    in ``folds`` parts of the training codes alone: with one strength for all, codes of other sizes and scales would be
    compared by how well it happens to suit them. Raises ValueError if a class has fewer than two training codes.
    """
    z, y = as_numpy(z_train), as_numpy(y_train)
    fewest = np.unique(y, return_counts=True)[1].min()
    if fewest < 2:
        raise ValueError(
            "The probe's penalty is chosen on held-out labels: each class needs two training codes or more."
        )
    parts = StratifiedKFold(int(min(folds, fewest)), shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    search = GridSearchCV(model, {"logisticregression__C": 10.0 ** np.arange(-4, 2)}, cv=parts)
    return float(search.fit(z, y).score(as_numpy(z_test), as_numpy(y_test)))


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


def kmeans(x, k, seed=0, starts=10):
    """Centres (k, D) and the number of the nearest one (N,) int64 of points x (N, D), on x's device and in its type:
    scikit-learn's k-means, the best of ``starts``."""
    model = KMeans(k, n_init=starts, random_state=seed).fit(as_numpy(x))
    to = lambda array, dtype: torch.as_tensor(array, dtype=dtype, device=x.device)
    return to(model.cluster_centers_, x.dtype), to(model.labels_, torch.int64)


def gaussian_mixture(x, k, seed=0, covariance="full", floor=1e-6, starts=1):
    """k Gaussians fitted to points x (N, D) by scikit-learn's EM, as a torch distribution in float64 on x's device:
    it has ``log_prob`` in nats and ``sample``; ``component_distribution`` and ``mixture_distribution`` are its parts.

    covariance: "full" or "diag"; floor: added to each variance; starts: how many times EM begins, the best is kept.
    """
    if covariance not in ("full", "diag"):
        raise ValueError(f"covariance is 'full' or 'diag', not {covariance!r}.")
    model = GaussianMixture(k, covariance_type=covariance, reg_covar=floor, n_init=starts, random_state=seed)
    model.fit(as_numpy(x).astype(np.float64))
    to = lambda array: torch.as_tensor(array, dtype=torch.float64, device=x.device)
    mean, spread = to(model.means_), to(model.covariances_)
    parts = MultivariateNormal(mean, spread) if covariance == "full" else Independent(Normal(mean, spread.sqrt()), 1)
    return MixtureSameFamily(Categorical(to(model.weights_)), parts)


def wasserstein1(x, y):
    """W₁ of two sets of equally many points (N, D), exactly: the mean Euclidean distance under the best pairing
    (scipy's assignment, of order N³: 1,000 points take about a second).

    Two samples of one density are apart too, by an amount that falls with N: print that floor beside a distance.
    """
    if x.shape != y.shape or x.dim() != 2:
        raise ValueError(
            f"W1 pairs as many points with as many, (N, D) each, not {tuple(x.shape)} and {tuple(y.shape)}."
        )
    apart = cdist(as_numpy(x).astype(np.float64), as_numpy(y).astype(np.float64))
    return float(apart[linear_sum_assignment(apart)].mean())


def modes_covered(x, means, sd, least=20):
    """How many modes samples x (N, D) reach, and the share of them that is near one.

    A sample is near the closest of ``means`` (K, D) if it lies within 3 ``sd`` of it, Euclidean; a mode is covered by
    ``least`` such samples or more. Of a 2-D Gaussian 98.9 % lie within 3 sd, so a share of 1 is not the best one.
    """
    apart, mode = torch.cdist(x.double(), means.to(x.device).double()).min(1)
    near = apart <= 3 * sd
    count = mode[near].bincount(minlength=len(means))
    return int((count >= least).sum()), float(near.double().mean())
