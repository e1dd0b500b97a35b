"""Metrics against loops, exact values and other libraries' implementations."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
import sklearn.ensemble
import torch
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


def test_other_data_have_features_of_their_own(trained, monkeypatch):
    class Trains(Exception):
        pass

    def begin(*_, **__):
        raise Trains

    monkeypatch.setenv("XDG_CACHE_HOME", str(trained[1]))
    digits = data.load("digits")
    digits.train, digits.test = digits.train.take(200), digits.test.take(50)
    monkeypatch.setattr(torch.optim, "Adam", begin)
    with pytest.raises(Trains):
        metrics.Features(digits)


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
