"""Metrics against loops, exact values and other libraries' implementations."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
import sklearn.ensemble
import torch
import torch.nn.functional as F
from sklearn.ensemble import RandomForestClassifier
from torch.distributions import Normal

from genlib import data, metrics
from genlib.dist import LinearGaussian

pytestmark = [pytest.mark.usefixtures("own"), pytest.mark.filterwarnings("ignore:failed to JIT compile")]  # disent


# --- likelihood by importance sampling --------------------------------------------------------------------------------


@pytest.fixture
def bed():
    return LinearGaussian(2, 4, 0.7, seed=3)


def proposal(bed, x, widen=1.3):
    """A diagonal q near the posterior, not equal to it, with heavier tails."""
    posterior = bed.posterior(x)
    sd = posterior.covariance_matrix.expand(len(x), 2, 2).diagonal(dim1=1, dim2=2).sqrt()
    return Normal(posterior.mean + 0.1, widen * sd)


def weight(bed):
    def log_weight(x):
        q = proposal(bed, x)
        z = q.sample()
        return bed.log_joint(x, z) - q.log_prob(z).sum(-1)

    return log_weight


@pytest.mark.parametrize(
    "k, chunk, rows", [(1, 50, 1000), (7, 3, 1000), (7, 7, 4), (12, 5, 3), (12, 1, 10), (12, 100, 7)]
)
def test_importance_sampling_against_loops_whatever_the_chunks(k, chunk, rows):
    """The weights of an example are the same numbers whatever the chunks: so is their log-mean-exp."""
    table = 30 * torch.randn(10, k, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 500
    used = [0] * 10

    def log_weight(x):
        out = []
        for i in x[:, 0].long().tolist():
            out.append(table[i, used[i]])
            used[i] += 1
        return torch.stack(out)

    x = torch.arange(10.0)[:, None].repeat(1, 3)
    found = metrics.importance_log_likelihood(log_weight, x, k=k, chunk=chunk, rows=rows)
    assert found.dtype == torch.float64 and used == [k] * 10
    for i in range(10):
        top = max(table[i].tolist())
        loop = top + math.log(sum(math.exp(w - top) for w in table[i].tolist()) / k)
        assert found[i].item() == pytest.approx(loop, abs=1e-10)


def test_importance_sampling_is_unbiased_for_the_evidence(bed):
    """E[p̂_K(x)] = p(x) at any K; the mean of log p̂_K lies below log p(x) and rises with K."""
    torch.manual_seed(0)
    x = bed.sample(3)
    exact = bed.log_evidence(x)
    many = x.repeat_interleave(4000, 0)
    means = []
    for k in (1, 4, 32):
        found = metrics.importance_log_likelihood(weight(bed), many, k=k, chunk=16).view(3, 4000)
        ratio = (found - exact[:, None]).exp()
        assert ((ratio.mean(1) - 1).abs() < 4.5 * ratio.std(1) / 4000**0.5).all()
        means.append(found.mean(1))
    assert (means[0] < means[1]).all() and (means[1] < means[2]).all() and (means[2] < exact + 1e-3).all()
    assert (exact - means[0] > 0.02).all() and (exact - means[2] < 0.02).all()
    # K = 1 is the ELBO of this q, in closed form.
    one = metrics.importance_log_likelihood(weight(bed), many, k=1).view(3, 4000)
    assert ((one.mean(1) - bed.elbo(x, proposal(bed, x))).abs() < 4.5 * one.std(1) / 4000**0.5).all()


def test_at_the_posterior_one_sample_is_exact():
    bed = LinearGaussian(1, 4, 0.7, seed=3)
    x = bed.sample(5)

    def log_weight(x):
        q = bed.posterior(x)
        z = q.sample()
        return bed.log_joint(x, z) - q.log_prob(z)

    found = metrics.importance_log_likelihood(log_weight, x, k=3)
    assert torch.allclose(found, bed.log_evidence(x), atol=1e-10)


# --- Fréchet ----------------------------------------------------------------------------------------------------------


def moments(size, seed, rank=None):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(size, rank or size))
    return rng.normal(size=size), a @ a.T / size


def test_frechet_against_scipy_and_torchmetrics():
    from torchmetrics.image.fid import _compute_fid

    for size in (1, 3, 20):
        (m1, c1), (m2, c2) = moments(size, 1), moments(size, 2)
        found = metrics.frechet_from_moments(m1, c1, m2, c2)
        root = scipy.linalg.sqrtm(c1 @ c2).real
        assert found == pytest.approx(((m1 - m2) ** 2).sum() + np.trace(c1 + c2 - 2 * root), rel=1e-9)
        theirs = _compute_fid(*(torch.tensor(part) for part in (m1, c1, m2, c2))).item()
        assert found == pytest.approx(theirs, rel=1e-6)
        assert found == pytest.approx(metrics.frechet_from_moments(m2, c2, m1, c1), rel=1e-9)  # symmetric


def test_frechet_of_diagonal_gaussians_in_closed_form():
    m1, m2, s1, s2 = np.random.default_rng(0).uniform(0.1, 2, (4, 6))
    exact = ((m1 - m2) ** 2).sum() + ((s1 - s2) ** 2).sum()
    assert metrics.frechet_from_moments(m1, np.diag(s1**2), m2, np.diag(s2**2)) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("rank", [None, 3])
def test_frechet_of_equal_gaussians_is_zero(rank):
    """Also where dimensions are dead and the covariance is singular."""
    mean, cov = moments(64, 5, rank)
    assert metrics.frechet_from_moments(mean, cov, mean, cov) == pytest.approx(0, abs=1e-5)
    assert metrics.frechet_from_moments(mean, cov, mean + 1, cov) == pytest.approx(64, abs=1e-5)
    assert metrics.frechet_from_moments(mean, cov, mean, 4 * cov) == pytest.approx(np.trace(cov), abs=1e-4)


def test_frechet_takes_the_moments_of_the_features():
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.rand(500, 1, 2, 2, generator=rng), torch.rand(400, 1, 2, 2, generator=rng) * 0.7
    features = lambda x: x.flatten(1) @ torch.tensor([[1.0, 2], [0, 1], [3, 0], [1, 1]])
    f, g = (features(x).double().numpy() for x in (real, fake))
    expected = metrics.frechet_from_moments(f.mean(0), np.cov(f.T), g.mean(0), np.cov(g.T))
    assert metrics.frechet(features, real, fake) == pytest.approx(expected, rel=1e-9)


# --- features ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(features, cache folder, random state after − before) of a first training on digits."""
    folder = tmp_path_factory.mktemp("features")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        torch.manual_seed(123)
        before = torch.get_rng_state()
        features = metrics.Features(data.load("digits"))
        return features, folder, torch.equal(before, torch.get_rng_state())


@pytest.fixture
def fits(monkeypatch):
    """How many optimisers were made since: one per training."""
    made = []
    adam = torch.optim.Adam
    monkeypatch.setattr(torch.optim, "Adam", lambda *a, **kw: made.append(1) or adam(*a, **kw))
    return made


def test_features_know_their_digits_and_leave_the_generator_alone(trained, monkeypatch, fits, capsys):
    features, folder, untouched = trained
    digits = data.load("digits")
    assert untouched and features.accuracy > 0.93
    with torch.no_grad():
        guess = features.head(features(digits.test.x)).argmax(1)
    assert features.accuracy == pytest.approx((guess == digits.test.y).float().mean().item())
    assert features(digits.test.x[:7]).shape == (7, 64)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    again = metrics.Features(digits)  # from the cache: nothing is trained, and the features are the same bits
    assert fits == [] and torch.equal(again(digits.test.x), features(digits.test.x))
    expected = f"features: a classifier of digits (scikit-learn, 28×28), test accuracy {features.accuracy:.1%}\n"
    assert capsys.readouterr().out == expected


def test_a_damaged_cache_file_is_trained_again(trained, monkeypatch, own, fits):
    features, folder, _ = trained
    (stored,) = folder.rglob("*.safetensors")
    small = data.load("digits")
    expected = features(small.test.x)
    for content in (stored.read_bytes()[:-100], b"spoilt" * 100):
        (data.cache() / stored.name).write_bytes(content)
        assert torch.equal(metrics.Features(small)(small.test.x), expected)  # a fixed seed: the same features
        assert (data.cache() / stored.name).read_bytes() == stored.read_bytes()
    assert len(fits) == 2 and [p.name for p in own.iterdir()] == [stored.name]


def fewer(digits, monkeypatch):
    digits.train, digits.test = digits.train.take(200), digits.test.take(50)


def other_labels(digits, monkeypatch):
    digits.train.y = (digits.train.y + 1) % 10


def other_pixel(digits, monkeypatch):
    digits.train.x = digits.train.x.clone()
    digits.train.x[7, 0, 14, 14] += 0.01


def more_classes(digits, monkeypatch):
    digits.classes = (*digits.classes, "none of them")


def other_threads(digits, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 17)


def other_torch(digits, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "9.9.9")


def other_seed(digits, monkeypatch):
    return {"seed": 1}


@pytest.mark.parametrize(
    "change", [fewer, other_labels, other_pixel, more_classes, other_threads, other_torch, other_seed]
)
def test_whatever_made_them_is_in_the_features_key(trained, monkeypatch, change):
    class Trains(Exception):
        pass

    def begin(*_, **__):
        raise Trains

    monkeypatch.setenv("XDG_CACHE_HOME", str(trained[1]))
    monkeypatch.setattr(torch.optim, "Adam", begin)
    digits = data.load("digits")
    metrics.Features(digits)  # as it is, it is in the cache
    given = change(digits, monkeypatch) or {}
    with pytest.raises(Trains):
        metrics.Features(digits, **given)


def test_a_set_whose_name_is_no_file_name_has_features_too(own):
    digits = data.load("digits")
    digits.name = "../my own/pictures: " + "x" * 300
    metrics.Features(digits)
    assert [p.parent for p in own.parent.parent.rglob("*.safetensors")] == [own]


def test_the_frechet_distance_orders_what_is_near_and_far(trained):
    features, digits = trained[0], data.load("digits")
    first, second = digits.train.x[:700], digits.train.x[700:1400]
    noise = torch.randn(first.shape, generator=torch.Generator().manual_seed(0))
    near = metrics.frechet(features, first, second)
    noisy = [metrics.frechet(features, first, (second + s * noise).clamp(0, 1)) for s in (0.2, 0.4, 0.8)]
    assert metrics.frechet(features, first, first) == pytest.approx(0, abs=1e-3)
    assert 0 < near < noisy[0] < noisy[1] < noisy[2]
    one_class = first[digits.train.y[:700] == 3].repeat(10, 1, 1, 1)[:700]
    assert metrics.frechet(features, first, one_class) > 5 * near  # a collapsed model is seen


# --- probes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("probe", [metrics.knn_accuracy, metrics.linear_probe])
def test_probes_tell_perfect_codes_from_noise(probe):
    torch.manual_seed(0)
    y, y_test = torch.arange(10).repeat(60), torch.arange(10).repeat(40)
    one_hot = lambda y: torch.eye(10)[y] + 0.05 * torch.randn(len(y), 10)
    assert probe(one_hot(y), y, one_hot(y_test), y_test) == 1.0
    noise = probe(torch.randn(600, 10), y, torch.randn(400, 10), y_test)
    assert abs(noise - 0.1) < 4.5 * (0.09 / 400) ** 0.5
    half = torch.eye(5)[y % 5], torch.eye(5)[y_test % 5]  # five classes of two digits each: at most one half is right
    assert probe(half[0], y, half[1], y_test) <= 0.5 + 1e-9


def test_the_linear_probe_is_linear_and_indifferent_to_scale():
    torch.manual_seed(0)
    z = torch.randn(800, 2)
    ring = (z.norm(dim=1) > 1.18).long()  # told by the radius, by no line
    assert metrics.linear_probe(z[:400], ring[:400], z[400:], ring[400:]) < 0.65
    assert metrics.knn_accuracy(z[:400], ring[:400], z[400:], ring[400:]) > 0.9
    line = (z[:, 0] > 0.3).long()
    stretched = z * torch.tensor([1e-4, 1e4])
    assert metrics.linear_probe(stretched[:400], line[:400], stretched[400:], line[400:]) > 0.97


def test_nearest_against_loops():
    torch.manual_seed(0)
    images, queries = torch.rand(300, 1, 28, 28), torch.rand(250, 1, 28, 28)
    queries[5], queries[240] = images[17], images[299]
    index, apart = metrics.nearest(queries, images, k=3)
    assert index.shape == apart.shape == (250, 3)
    for i in (0, 5, 120, 199, 200, 240, 249):
        loop = torch.stack([(queries[i] - image).square().sum().sqrt() for image in images])
        assert index[i].tolist() == loop.argsort()[:3].tolist()
        assert torch.allclose(apart[i], loop.sort().values[:3], atol=1e-4)
    assert index[5, 0] == 17 and apart[5, 0] < 1e-4 and index[240, 0] == 299  # a copy is at no distance


# --- disentanglement --------------------------------------------------------------------------------------------------

SIZES = (3, 6, 8, 5)


@pytest.fixture(scope="module")
def factors():
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(s, size=4000) for s in SIZES], 1)


def rotated(z):
    """The codes mixed evenly over all axes."""
    return z @ np.linalg.qr(np.random.default_rng(1).normal(size=(z.shape[1], z.shape[1])))[0]


def test_disentanglement_of_perfect_mixed_and_random_codes(factors):
    perfect = (factors / np.array(SIZES))[:, [2, 0, 3, 1]]  # in another order
    noise = np.random.default_rng(2).normal(size=(4000, 4))
    assert metrics.mig(perfect, factors) == pytest.approx(1, abs=0.01)
    assert metrics.mig(noise, factors) < 0.01 and metrics.mig(rotated(perfect), factors) < 0.4
    assert metrics.mig(np.concatenate([perfect, perfect], 1), factors) == pytest.approx(0, abs=1e-9)  # told twice
    assert metrics.sap(perfect, factors) == pytest.approx(1, abs=0.01) and metrics.sap(noise, factors) < 0.01
    assert metrics.sap(rotated(perfect), factors) < 0.6
    best = metrics.dci(perfect, factors)
    assert all(value == pytest.approx(1, abs=0.01) for value in best.values()) and len(best) == 3
    worst = metrics.dci(noise, factors)
    assert worst["disentanglement"] < 0.1 and worst["completeness"] < 0.1
    assert worst["informativeness"] == pytest.approx(np.mean([1 / s for s in SIZES]), abs=0.04)


CODES = {
    "perfect": lambda v: (v / np.array(SIZES))[:, [2, 0, 3, 1]],
    "rotated": lambda v: rotated(v / np.array(SIZES)),
    "told twice": lambda v: np.concatenate([v / np.array(SIZES), rotated(v / np.array(SIZES))], 1),
    "curved": lambda v: np.stack([v[:, 0] * v[:, 1], v[:, 1] ** 2, np.sin(v[:, 2]), v[:, 3] - v[:, 2]], 1).astype(
        float
    ),
    "noisy": lambda v: v / np.array(SIZES) + 0.3 * np.random.default_rng(v[:, 0].sum()).normal(size=v.shape),
}


@pytest.mark.parametrize("name", CODES)
def test_mig_sap_and_dci_against_another_library(factors, name, monkeypatch):
    """disent's, which follow disentanglement_lib; its own forest of gradient-boosted trees is exchanged for ours."""
    from disent.metrics import _dci, _mig, _sap

    z = CODES[name](factors)
    assert metrics.mig(z, factors) == pytest.approx(_mig._compute_mig(z.T, factors.T)["mig.discrete_score"], abs=1e-12)
    theirs = _sap._compute_sap(z.T, factors.T, None, None, continuous_factors=True)["sap.score"]
    assert metrics.sap(z, factors) == pytest.approx(theirs, abs=1e-12)
    forest = lambda: RandomForestClassifier(20, max_features=None, max_depth=12, random_state=0)
    monkeypatch.setattr(sklearn.ensemble, "GradientBoostingClassifier", forest)
    theirs = _dci._compute_dci(z[:2000].T, factors[:2000].T, z[2000:].T, factors[2000:].T)
    ours = metrics.dci(z, factors)
    assert ours["disentanglement"] == pytest.approx(theirs["dci.disentanglement"], abs=1e-8)
    assert ours["completeness"] == pytest.approx(theirs["dci.completeness"], abs=1e-8)
    assert ours["informativeness"] == pytest.approx(theirs["dci.informativeness_test"], abs=1e-12)


@pytest.mark.parametrize("name", CODES)
def test_the_factor_vae_metric_against_another_library(name, monkeypatch):
    """disent's on the very draws that ours made: the column that is constant in a batch is the factor held."""
    from disent.metrics import metric_factor_vae

    asked, code = [], CODES[name]
    ours = metrics.factor_vae_metric(lambda v: asked.append(v) or code(v), SIZES, votes=1000)
    held = [int((v == v[0]).all(0).argmax()) for v in asked[1:]]
    assert len(asked) == 1001 and set(held) == {0, 1, 2, 3}
    draws, batches = iter(held), iter(asked[1:])

    class Replayed:
        gt_data = SimpleNamespace(num_factors=4, sample_factors=lambda n: next(batches))
        dataset_sample_batch = staticmethod(lambda n, mode: asked[0])
        dataset_batch_from_factors = staticmethod(lambda v, mode: v)

    monkeypatch.setattr(np.random, "randint", lambda n: next(draws))
    theirs = metric_factor_vae.unwrap(Replayed, code, num_train=500, num_eval=500, num_variance_estimate=5000)
    assert ours == pytest.approx(theirs["factor_vae.eval_accuracy"], abs=1e-12)


@pytest.mark.parametrize("name", CODES)
def test_the_beta_vae_metric_against_loops_and_another_solver(name):
    """The pairs' differences by hand; the same penalised likelihood brought to its optimum by torch."""
    asked, code = [], CODES[name]
    ours = metrics.beta_vae_metric(lambda v: asked.append(v) or code(v), SIZES, votes=600, pairs=32)
    rows, shared = [], []
    for v in asked:
        z, same = code(v), [all(v[i, k] == v[32 + i, k] for i in range(32)) for k in range(4)]
        assert sum(same) == 1
        shared.append(same.index(True))
        rows.append([sum(abs(z[i, j] - z[32 + i, j]) for i in range(32)) / 32 for j in range(z.shape[1])])
    x, y = torch.tensor(rows, dtype=torch.float64), torch.tensor(shared)
    x = x / x[:400].std(0, unbiased=False)
    weight, bias = (torch.zeros(size, dtype=torch.float64, requires_grad=True) for size in ((x.shape[1], 4), (4,)))
    opt = torch.optim.LBFGS([weight, bias], max_iter=2000, line_search_fn="strong_wolfe", tolerance_change=1e-12)

    def penalised():
        opt.zero_grad()
        logits = x[:400] @ weight + bias
        loss = 10 * torch.nn.functional.cross_entropy(logits, y[:400], reduction="sum") + 0.5 * (weight**2).sum()
        loss.backward()
        return loss

    opt.step(penalised)
    theirs = ((x[400:] @ weight + bias).argmax(1) == y[400:]).double().mean().item()
    assert ours == pytest.approx(theirs, abs=0.011)  # two votes of 200, near the boundary


def test_sap_of_a_categorical_factor_by_counting():
    """Three classes told by the thresholds of one code: its held-out balanced accuracy, less chance, is the gap."""
    rng = np.random.default_rng(0)
    v = rng.choice(3, p=[0.6, 0.3, 0.1], size=(4000, 1))
    z = np.concatenate([v + 0.25 * rng.normal(size=v.shape), rng.normal(size=v.shape)], 1)
    guess = z[2000:, 0].round().clip(0, 2)
    recalls = [(guess[v[2000:, 0] == c] == c).mean() for c in range(3)]
    assert metrics.sap(z, v, categorical=(0,)) == pytest.approx((np.mean(recalls) - 1 / 3) / (1 - 1 / 3), abs=0.06)
    assert metrics.sap(z[:, 1:], v, categorical=(0,)) < 0.03
    assert metrics.sap(np.zeros((100, 3)), v[:100]) == metrics.sap(np.zeros((100, 3)), v[:100], categorical=(0,)) == 0


def test_information_against_a_loop(factors):
    z = (factors / np.array(SIZES))[:, :2]
    information, entropy = metrics.mutual_information(z, factors)
    joint = np.zeros((3, 6))
    np.add.at(joint, (factors[:, 0], factors[:, 1]), 1 / len(factors))
    outer = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    assert information[0, 1] == pytest.approx((joint * np.log(joint / outer)).sum(), abs=1e-9)
    p = joint.sum(1)
    assert information[0, 0] == pytest.approx(-(p * np.log(p)).sum(), abs=1e-9) == entropy[0]


@pytest.mark.parametrize("metric", [metrics.beta_vae_metric, metrics.factor_vae_metric])
def test_metrics_that_intervene(metric):
    perfect = lambda v: v[:, [2, 0, 3, 1]] / np.array(SIZES)[[2, 0, 3, 1]]
    rng = np.random.default_rng(0)
    assert metric(perfect, SIZES, votes=900) > 0.99
    noise = metric(lambda v: rng.normal(size=(len(v), 4)), SIZES, votes=900)
    assert abs(noise - 1 / 4) < 4.5 * (3 / 16 / 300) ** 0.5
    blind = metric(lambda v: perfect(v) * np.array([1, 1, 0, 0]), SIZES, votes=900)  # two factors are not told
    assert blind < 0.85


def scored(code, sizes):
    """All scores of a code, a function of factors v (N, F), on every combination of them, shuffled."""
    v = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, len(sizes))
    v = np.random.default_rng(0).permutation(np.repeat(v, -(-1500 // len(v)), 0))
    dci = metrics.dci(code(v), v)
    return {
        "MIG": metrics.mig(code(v), v), "SAP": metrics.sap(code(v), v), "D": dci["disentanglement"],
        "C": dci["completeness"], "I": dci["informativeness"],
        "β-VAE": metrics.beta_vae_metric(code, sizes, votes=900),
        "FactorVAE": metrics.factor_vae_metric(code, sizes, votes=900),
    }  # fmt: skip


def test_what_each_score_of_disentanglement_misses():
    """Constructed codes, one blind spot each: the score that its docstring names is full, others see the fault."""
    centred = lambda v: v - 1.5
    whole = scored(centred, (4, 4, 4))
    assert all(value == pytest.approx(1, abs=0.01) for value in whole.values())
    both = scored(lambda v: v @ np.array([[4.0, 0], [1, 0]]), (4, 4))  # two factors in one dimension of two
    assert both["MIG"] == pytest.approx(1, abs=1e-9) and both["C"] == pytest.approx(1, abs=0.01) and both["I"] == 1
    assert both["D"] < 0.3 and both["FactorVAE"] < 0.6
    order = np.array([1, 3, 0, 2])  # one dimension each, its values in another order
    mixed_up = scored(lambda v: order[v] + 0.0, (4, 4, 4))
    assert mixed_up["SAP"] < 0.05 and min(mixed_up[name] for name in ("MIG", "D", "C", "FactorVAE")) > 0.99
    twice = scored(lambda v: np.concatenate([v, v], 1) + 0.0, (4, 4, 4))  # every factor told by two dimensions
    assert twice["MIG"] == twice["SAP"] == pytest.approx(0, abs=1e-9)
    assert twice["D"] > 0.99 and twice["FactorVAE"] > 0.99 and twice["C"] < 0.8
    without = scored(lambda v: centred(v)[:, :2], (4, 4, 4))  # the third factor is not told
    assert without["β-VAE"] > 0.97 and without["MIG"] == pytest.approx(2 / 3, abs=0.01)
    assert without["FactorVAE"] < 0.8 and without["I"] < 0.8
    t = np.radians(20)  # each dimension moved most by one factor, and by the other too
    turned = scored(lambda v: v @ np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]]), (12, 12))
    assert turned["FactorVAE"] > 0.97 and turned["β-VAE"] > 0.97 and turned["MIG"] < 0.8


# --- chunks, clusters, pairs, modes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_in_chunks_is_the_function_at_once(size):
    x, y = torch.rand(7, 3, requires_grad=True), torch.rand(7)
    seen = []
    function = lambda x, y: seen.append(len(x)) or (x * y[:, None], x.sum(1))
    product, total = metrics.in_chunks(function, x, y, size=size)
    assert torch.equal(product, x * y[:, None]) and torch.equal(total, x.sum(1)) and not product.requires_grad
    assert max(seen) <= size and torch.equal(metrics.in_chunks(torch.exp, x, size=size), x.exp())


def test_frechet_moments_of_many_images_against_numpy():
    images = torch.rand(2300, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    mean, cov = metrics.frechet_moments(lambda x: x.flatten(1), images)
    flat = images.flatten(1).double().numpy()
    assert np.allclose(mean, flat.mean(0)) and np.allclose(cov, np.cov(flat.T)) and cov.dtype == np.float64


def labelled(y=None, shape=(1, 12, 20), n=120, scale=1.0, classes=()):
    """A small data set whose classes are bright in different columns."""
    rng = torch.Generator().manual_seed(0)
    y = torch.arange(n) % 3 if y is None else y
    x = 0.3 * torch.rand(n, *shape, generator=rng)
    for i in range(n):
        x[i, ..., 4 * (i % 3) : 4 * (i % 3) + 4] += 0.7
    return data.Dataset("own", "own pictures", data.Split(scale * x, y), data.Split(scale * x[:30], y[:30]), classes)


def test_features_of_own_pictures_of_another_size_and_count(own, capsys):
    features = metrics.Features(labelled(shape=(3, 12, 20)))
    assert features.accuracy > 0.95 and features.head.out_features == 3
    assert features(torch.rand(4, 3, 12, 20)).shape == (4, 64)
    with pytest.raises(data.DataError, match=r"images \(3, 12, 20\), not \(3, 20, 12\): resize"):
        features(torch.rand(4, 3, 20, 12))


def test_features_are_keyed_by_all_that_made_them(own, monkeypatch):
    """Other labels, one other pixel in the last image, other classes: each is trained anew; the same is read again."""
    trained = []
    monkeypatch.setattr(metrics.Features, "_train", lambda self, x, y, seed: trained.append(1))
    last, swapped = labelled(), labelled(y=(torch.arange(120) + 1) % 3)
    last.train.x[-1, 0, 0, 0] = 0.123
    for made in (labelled(), last, swapped, labelled(classes=("a", "b", "c", "d"))):
        before = len(trained)
        metrics.Features(made)
        assert len(trained) == before + 1
        metrics.Features(made)
        assert len(trained) == before + 1


@pytest.mark.parametrize(
    "made, says",
    [
        (lambda: data.load("ring"), "of one shape, (N, C, H, W)"),
        (
            lambda: data.Dataset("c", "c", data.Split(torch.rand(9, 1, 8, 8)), data.Split(torch.rand(9, 1, 8, 8))),
            "labels",
        ),
        (lambda: labelled(shape=(1, 4, 12)), "4×12, the smallest it can read are 8×8"),
        (lambda: labelled(scale=255.0), "[0, 1] is expected"),
        (lambda: labelled(y=torch.rand(120)), "a whole number from 0 on"),
    ],
)
def test_what_features_cannot_take_is_one_sentence(own, made, says):
    with pytest.raises(data.DataError) as error:
        metrics.Features(made())
    assert says in str(error.value) and "\n" not in str(error.value) and str(error.value).endswith(".")


def test_the_probe_chooses_its_penalty_on_its_own_labels():
    """Sixty noisy features, eighty labels: a fixed C = 1 overfits, the chosen one does not."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rng = torch.Generator().manual_seed(0)
    means = 0.3 * torch.randn(4, 60, generator=rng)
    y, y_test = torch.arange(4).repeat(20), torch.arange(4).repeat(500)
    code = lambda y: means[y] + torch.randn(len(y), 60, generator=rng)
    z, z_test = code(y), code(y_test)
    scale = StandardScaler().fit(z)
    fixed = {
        C: LogisticRegression(C=C, max_iter=2000).fit(scale.transform(z), y).score(scale.transform(z_test), y_test)
        for C in 10.0 ** np.arange(-4, 2)
    }
    found = metrics.linear_probe(z, y, z_test, y_test)
    assert any(found == pytest.approx(score, abs=0.01) for score in fixed.values())
    assert found > fixed[1.0] + 0.04 and found == metrics.linear_probe(z, y, z_test, y_test)
    with pytest.raises(ValueError, match="each class needs two training codes"):
        metrics.linear_probe(z[:5], y[:5], z_test, y_test)


def test_kmeans_finds_the_rings_modes():
    ring = data.load("ring").train.take(2000)
    centres, which = metrics.kmeans(ring.x, 8)
    apart, nearest = torch.cdist(data.ring_means(), centres).min(1)
    assert apart.max() < 0.05 and sorted(nearest.tolist()) == list(range(8)) and centres.dtype == ring.x.dtype
    assert torch.equal(which, nearest[ring.y]) and torch.equal(metrics.kmeans(ring.x, 8)[0], centres)


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_a_gaussian_mixture_is_the_density_of_the_ring(covariance):
    ring = data.load("ring")
    fitted = metrics.gaussian_mixture(ring.train.x[:4000], 8, covariance=covariance, starts=3)
    parts = Normal(data.ring_means().double(), data.RING_SD)
    true = (parts.log_prob(ring.test.x[:, None].double()).sum(2) - math.log(8)).logsumexp(1)
    assert abs(fitted.log_prob(ring.test.x.double()).mean() - true.mean()) < 0.02
    torch.manual_seed(0)
    assert metrics.modes_covered(fitted.sample((2000,)), data.ring_means(), data.RING_SD)[0] == 8
    with pytest.raises(ValueError, match="'full' or 'diag'"):
        metrics.gaussian_mixture(ring.train.x, 8, covariance="tied")


def test_w1_of_points_in_closed_form_and_by_every_pairing():
    from itertools import permutations

    x, y = (torch.randn(6, 2, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    best = min(sum((x[i] - y[j]).norm().item() for i, j in enumerate(p)) / 6 for p in permutations(range(6)))
    assert metrics.wasserstein1(x, y) == pytest.approx(best, rel=1e-6)
    line = torch.randn(300, 1, generator=torch.Generator().manual_seed(2))
    other = torch.randn(300, 1, generator=torch.Generator().manual_seed(3)) + 1
    exact = (line.sort(0).values - other.sort(0).values).abs().mean().item()
    assert metrics.wasserstein1(line, other) == pytest.approx(exact, rel=1e-5)
    assert metrics.wasserstein1(x, x[[3, 1, 0, 2, 5, 4]]) == 0 and metrics.wasserstein1(x, x + 3) == pytest.approx(
        18**0.5
    )
    with pytest.raises(ValueError, match="as many points with as many"):
        metrics.wasserstein1(x, y[:5])


def test_modes_covered_by_hand():
    means = torch.tensor([[0.0, 0], [10, 0], [0, 10]])
    x = torch.cat([torch.zeros(20, 2), torch.tensor([[10.0, 0.29]]).repeat(19, 1), torch.tensor([[0.31, 0]])])
    assert metrics.modes_covered(x, means, 0.1) == (1, 39 / 40)
    assert metrics.modes_covered(x, means, 0.1, least=19) == (2, 39 / 40)
    ring = data.load("ring").test
    covered, share = metrics.modes_covered(ring.x, data.ring_means(), data.RING_SD)
    assert covered == 8 and abs(share - (1 - math.exp(-4.5))) < 4.5 * (0.011 * 0.989 / len(ring)) ** 0.5
    assert metrics.modes_covered(ring.x[ring.y < 5], data.ring_means(), data.RING_SD)[0] == 5


# --- a judge of samples -----------------------------------------------------------------------------------------------


class Sure:
    """A judge whose logits are what the first pixels of an image say."""

    head = staticmethod(lambda f: f)

    def __call__(self, x):
        return x.flatten(1)[:, :4]


def images_of(logits):
    return F.pad(torch.as_tensor(logits, dtype=torch.float32), (0, 60)).view(-1, 1, 8, 8)


def test_the_class_score_in_closed_form():
    sure = 100.0 * torch.eye(4)
    assert metrics.class_score(Sure(), images_of(sure)) == pytest.approx(4)  # one sure image a class
    assert metrics.class_score(Sure(), images_of(sure[[0, 0, 1, 1]])) == pytest.approx(2)
    assert metrics.class_score(Sure(), images_of(sure[[2, 2]])) == pytest.approx(1)
    assert metrics.class_score(Sure(), images_of(0 * sure)) == pytest.approx(1)  # unsure of all
    logits = torch.randn(30, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = logits.float().double().softmax(1)
    kl = sum(float(p[i, k] * (p[i, k] / p[:, k].mean()).log()) for i in range(30) for k in range(4)) / 30
    assert metrics.class_score(Sure(), images_of(logits)) == pytest.approx(math.exp(kl), rel=1e-5)


def test_agreement_and_classes_covered():
    x = images_of(100.0 * torch.eye(4)[[0, 1, 1, 3]])
    assert metrics.agreement(Sure(), x, torch.tensor([0, 1, 2, 3])) == 0.75
    covered, entropy = metrics.classes_covered(Sure(), x)
    assert covered == 3 and entropy == pytest.approx(-(0.5 * math.log(0.5) + 0.5 * math.log(0.25)))
    assert metrics.classes_covered(Sure(), x, least=0.3)[0] == 1


def test_gan_train_tells_good_samples_from_bad(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    digits = data.load("digits")
    real = metrics.gan_train(digits, digits.train.x, digits.train.y)
    wrong = metrics.gan_train(digits, digits.train.x, digits.train.y.roll(1))
    assert real > 0.9 > 0.3 > wrong and not list(tmp_path.rglob("*"))  # trained on samples: nothing is kept of it
    with pytest.raises(data.DataError, match="1500 samples, 2 labels"):
        metrics.gan_train(digits, digits.train.x, digits.train.y[:2])
