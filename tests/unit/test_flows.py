"""What the chapters on flows share, against closed forms, autograd and loops."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from genlib import flows

RNG = torch.Generator().manual_seed(0)
rand = lambda *shape: torch.rand(*shape, generator=RNG, dtype=torch.float64)


class Half(nn.Module):
    """Half of the channels leave, halved; the others go through ``rest``. ``lie`` is added to the log-determinant."""

    def __init__(self, rest, lie=0.0):
        super().__init__()
        self.rest, self.lie = rest, lie

    def forward(self, x):
        a, b = x.chunk(2, 1)
        z, log_det = self.rest(b)
        return torch.cat([a.flatten(1) / 2, z], 1), log_det - a[0].numel() * math.log(2) + self.lie

    def inverse(self, z):
        a, b = z.chunk(2, 1)
        b = self.rest.inverse(b)
        return torch.cat([2 * a.unflatten(1, b.shape[1:]), b], 1)

    def onwards(self, x):
        return self.rest, x.chunk(2, 1)[1]


def flow(lie=0.0):
    return flows.Chain(flows.Logit(0.05), flows.Squeeze(), Half(flows.Chain(flows.Flatten((2, 2, 2))), lie))


@pytest.mark.parametrize("layer", [flows.Logit(0.05), flows.Logit(), flows.Squeeze(), flows.Flatten((2, 4, 4)), flow()])
def test_each_layer_has_the_log_determinant_of_autograd_and_an_inverse(layer):
    x = rand(3, 1 if isinstance(layer, flows.Chain) else 2, 4, 4)
    y, log_det = layer(x)
    exact = flows.full_log_det(lambda one: layer(one[None])[0].flatten(), x, size=5)
    assert log_det.shape == (3,) and torch.allclose(log_det, exact, atol=1e-9)
    assert torch.allclose(layer.inverse(y), x, atol=1e-9)


def test_full_log_det_of_a_matrix():
    W = torch.randn(6, 6, generator=RNG, dtype=torch.float64)
    found = flows.full_log_det(lambda one: W @ one.flatten(), rand(4, 2, 3))
    assert torch.allclose(found, torch.linalg.slogdet(W).logabsdet.expand(4))


def test_errors_are_rounding_and_a_lie_behind_a_split_is_found():
    x = rand(2, 1, 4, 4)
    assert max(flows.errors(flow(), x)) < 1e-9
    of_det, of_inverse = flows.errors(flow(lie=0.5), x)
    assert of_det.item() == pytest.approx(0.5) and of_inverse < 1e-9
    assert [type(layer).__name__ for layer, _ in flows.visit(flow(), x)] == ["Logit", "Squeeze", "Half", "Flatten"]


def test_log_prob_by_jacobian_against_the_layers():
    x = rand(2, 1, 4, 4)
    z, log_det = flow()(x)
    assert torch.allclose(flows.log_prob_by_jacobian(flow(), x), Normal(0.0, 1.0).log_prob(z).sum(1) + log_det)


def test_a_chain_starts_each_layer_from_what_reaches_it():
    class Centre(flows.Flatten):
        def start(self, x):
            self.mean = x.mean().item()

    first, second = Centre((1, 4, 4)), Centre((16,))
    flows.Chain(first, flows.Logit(0.25), second).start(torch.full((5, 1, 4, 4), 1.0))
    assert first.mean == 1 and second.mean == pytest.approx(math.log(3))


def test_squeeze_makes_channels_of_blocks():
    y, _ = flows.Squeeze()(torch.arange(16.0).view(1, 1, 4, 4))
    assert y[0, :, 0, 0].tolist() == [0, 1, 4, 5] and y[0, :, 1, 1].tolist() == [10, 11, 14, 15]


def test_masks_by_hand():
    even, odd = flows.checkerboard(2, 3, 4), flows.checkerboard(2, 3, 4, odd=True)
    assert even.shape == (2, 3, 4) and torch.equal(even + odd, torch.ones(2, 3, 4))
    assert even[1].tolist() == [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
    first, second = flows.half_of_channels(4, 2, 3), flows.half_of_channels(4, 2, 3, second=True)
    assert first[:, 1, 2].tolist() == [1, 1, 0, 0] and torch.equal(first + second, torch.ones(4, 2, 3))


def test_a_new_convnet_gives_zero_and_keeps_the_size():
    out = flows.convnet(2, 5, 6)(torch.randn(3, 2, 7, 9))
    assert out.shape == (3, 6, 7, 9) and not out.any()


def test_dequantised_levels_are_uniform_in_their_cell():
    torch.manual_seed(0)
    k = torch.randint(0, 8, (20_000,)).double()
    u = 8 * flows.dequantise(k, levels=8) - k
    assert u.min() >= 0 and u.max() < 1
    assert abs(u.mean() - 0.5) < 4.5 * (1 / 12 / 20_000) ** 0.5 and abs(u.var() - 1 / 12) < 0.003


def test_bits_of_uniform_and_of_published_models():
    assert flows.to_bits(0.0, 10) == pytest.approx(8) and flows.to_bits(0.0, 10, levels=32) == pytest.approx(5)
    assert flows.to_bits(5371.78 + 3072 * math.log(2), 3072) == pytest.approx(4.48, abs=5e-3)  # NICE on CIFAR-10
    # a padded image: 5 pixels by their histograms, 3 certain ones in the first of 256 cells
    P = (2 * torch.randn(5, 256, generator=RNG, dtype=torch.float64)).softmax(1)
    k = torch.tensor([3, 100, 255, 0, 17])
    log_p = (256 * P[torch.arange(5), k]).log().sum() + 3 * math.log(256)
    counted = -P[torch.arange(5), k].log2().sum() / 5
    assert flows.to_bits(log_p, 5, carried=8).item() == pytest.approx(counted.item(), rel=1e-12)
    assert abs(flows.to_bits(log_p, 8, carried=8) - counted) > 0.1


@pytest.mark.parametrize("size", [1, 3, 500])
def test_bits_per_draw_in_chunks(size):
    """A density that is constant on cells has the same bits under every draw: those of counting."""
    P = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64)
    log_prob = lambda x: (4 * P[(4 * x).long()]).log().sum(1)
    k = torch.randint(0, 4, (7, 6), generator=RNG).double()
    found = flows.bits(log_prob, k, dims=6, draws=3, levels=4, size=size)
    exact = -P.log2()[k.long()].mean(1)
    assert found.shape == (7, 3) and torch.allclose(found, exact[:, None].expand(7, 3))


def test_tighten_is_the_mean_likelihood():
    b = rand(5, 4) * 0.01 + 1
    exact = -((2.0 ** (-b * 20)).mean(1)).log2() / 20
    assert torch.allclose(flows.tighten(b, 20), exact) and (flows.tighten(b, 20) <= b.mean(1)).all()


def test_the_histogram_against_counting():
    train, k = torch.randint(0, 4, (50, 3), generator=RNG).float(), torch.randint(0, 4, (9, 3), generator=RNG).float()
    found = flows.histogram(train, k, levels=4, prior=0.5)
    for n in range(9):
        for d in range(3):
            count = (train[:, d] == k[n, d]).sum().item()
            assert found[n, d].item() == pytest.approx(math.log2((count + 0.5) / (50 + 2)), abs=1e-5)


def test_a_randomised_copy_is_another_repeatable_and_in_float64():
    net = flows.convnet(1, 3, 2)
    a, b, c = flows.randomised(net), flows.randomised(net), flows.randomised(net, seed=1)
    x = rand(2, 1, 4, 4)
    assert a(x).dtype == torch.float64 and a(x).abs().min() > 0 and torch.equal(a(x), b(x))
    assert not torch.equal(a(x), c(x)) and not net(x.float()).any()
    weights = torch.cat([p.detach().flatten() for p in flows.randomised(nn.Linear(300, 30)).parameters()])
    assert weights.std().item() == pytest.approx(0.3, rel=0.05)
