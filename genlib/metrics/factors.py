"""Disentanglement: codes z against ground-truth factors v.

Factors are integer columns v (N, F). The metrics that intervene draw factors themselves, from ``sizes`` (values per
factor), and ask represent(v (N, F) int array) -> codes (N, Z).
"""

import numpy as np
from scipy.stats import entropy
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, mutual_info_score

from ..data import as_numpy


def mutual_information(z, v, bins=20):
    """(Z, F) matrix of I(z_j; v_k) in nats, z cut into ``bins`` equal-width bins, and the entropies H(v_k) (F,)."""
    z, v = as_numpy(z), as_numpy(v)
    cut = np.stack([np.digitize(c, np.histogram_bin_edges(c, bins)[1:-1]) for c in z.T], 1)
    information = np.array([[mutual_info_score(v[:, k], c) for k in range(v.shape[1])] for c in cut.T])
    return information, np.array([mutual_info_score(c, c) for c in v.T])


def mig(z, v, bins=20):
    """Mutual information gap (Chen et al. 2018), histogram form of Locatello et al. 2019: 1 if every factor is told by
    one code dimension alone, 0 if the two best tell as much. Factors of a single value are left out.
    Misses two factors in one dimension (1, if the bins keep them apart), and how much of the code is noise to a decoder
    where z are means."""
    information, whole = mutual_information(z, v, bins)
    best = np.sort(information, 0)[::-1]
    gap = best[0] - (best[1] if len(best) > 1 else 0)
    return float((gap[whole > 0] / whole[whole > 0]).mean())


def sap(z, v, categorical=()):
    """Separated attribute predictability (Kumar et al. 2018): mean gap between the two best single-dimension scores.
    Ordinal factors score by R² of a straight line, those in ``categorical`` by the held-out balanced accuracy of a
    linear classifier, rescaled so that chance is 0. Dimensions of standard deviation below 0.01 score 0.
    Misses what no straight line tells: an ordinal factor in a dimension that takes its values in another order."""
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
    forest per factor, fitted on one half of the codes (so shuffle them); informativeness is its mean accuracy on the
    other half. Disentanglement alone misses a factor told by several dimensions; completeness, several in one."""
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
    images from the mean |z − z′| over them; two thirds of the votes train it. Chance is 1/F.
    Misses one factor that the code leaves out (it is shared where nothing else is), and nearly every rotation."""
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
    majority table on the last 500 votes. Dimensions of standard deviation below 0.05 take no part. Chance is 1/F.
    Misses a mixture in which each factor still has a dimension that it moves most, and a factor told several times."""
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
