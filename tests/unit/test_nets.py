"""Small networks and averaged weights."""

import pytest
import torch
from torch import nn

from genlib import nets

pytestmark = pytest.mark.usefixtures("own")


def test_an_mlp_is_its_layers_by_hand():
    net = nets.mlp([3, 5, 4, 2], nn.Tanh, out=nn.Sigmoid)
    x = torch.randn(7, 3)
    first, second, third = (m for m in net if isinstance(m, nn.Linear))
    assert torch.allclose(net(x), third(second(first(x).tanh()).tanh()).sigmoid())
    assert len(nets.mlp([3, 2])) == 1 and isinstance(nets.mlp([2, 3, 1], lambda: nn.LeakyReLU(0.2))[1], nn.LeakyReLU)


def test_zero():
    layer = nets.zero(nn.Linear(3, 2))
    assert not layer(torch.randn(4, 3)).any() and layer.weight.requires_grad


def test_averaged_weights_against_the_recursion():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    mean = nets.Averaged(net, decay=0.5)
    expected = net[0].weight.detach().clone()
    start = expected.clone()
    for n in range(12):
        with torch.no_grad():
            net[0].weight.copy_(start + n)
        net[1].running_mean.fill_(n)
        mean.update()
        d = min(0.5, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * (start + n)
        assert torch.allclose(mean.module[0].weight, expected, atol=1e-5)
    assert torch.equal(mean.module[1].running_mean, net[1].running_mean)
    assert not any(p.requires_grad for p in mean.parameters()) and all(p.requires_grad for p in net.parameters())
    x = torch.randn(5, 2)
    assert torch.equal(mean.eval()(x), mean.module(x))
    assert len(list(mean.parameters())) == len(list(net.parameters()))  # the trained one is no part of it


def test_averaged_weights_come_back_from_a_checkpoint(begin, tmp_path):
    def train():
        run, net = begin(), nn.Linear(3, 1)
        mean, opt = nets.Averaged(net), torch.optim.SGD(net.parameters(), 0.1)

        def step(x):
            loss = net(x).square().mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
            mean.update()
            return {"loss": loss.detach()}

        run.fit(step, torch.ones(20, 3), steps=30, batch=5, state=(net, mean, opt), checkpoint=tmp_path / "c")
        return mean, net

    (mean, net), (again, _) = train(), train()  # the second makes no step
    assert all(torch.equal(mean.state_dict()[k], again.state_dict()[k]) for k in mean.state_dict())
    assert mean.updates == 30 and not torch.equal(mean.module.weight, net.weight)


def test_updates_never_wait_for_the_device(monkeypatch):
    net = nn.Linear(2, 2)
    mean = nets.Averaged(net)
    for name in ("item", "__bool__", "__float__", "tolist", "cpu"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_: pytest.fail("a device would be waited for"))
    mean.update()


# --- convolutions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size, times, left", [(28, 2, 7), (32, 3, 4), (64, 4, 4), (12, 1, 6), (40, 3, 5)])
def test_sides_are_halved(size, times, left):
    assert nets.halvings(size) == (times, left)
    assert nets.conv_encoder(size, 3, 5, width=4)(torch.rand(2, 3, size, size)).shape == (2, 5)
    decoder = nets.conv_decoder(5, 3, size, width=4, norm=nn.BatchNorm2d, out=nn.Sigmoid)
    x = decoder(torch.randn(2, 5))
    assert x.shape == (2, 3, size, size) and 0 < x.min() and x.max() < 1


@pytest.mark.parametrize("size", [7, 9, 27, 30, 6])
def test_a_side_that_cannot_be_halved_is_one_sentence(size):
    with pytest.raises(ValueError, match=f"A side of {size} pixels .* pad or resize"):
        nets.conv_encoder(size, 1, 1)


def seen(net, size, at):
    """Which input pixels the unit ``at`` of a convolutional net's output depends on: their bounding box's side."""
    x = torch.rand(1, 1, size, size, requires_grad=True)
    net(x)[(0, 0, *at)].backward()
    rows = x.grad[0, 0].abs().sum(1).nonzero()
    return int(rows.max() - rows.min()) + 1


def test_receptive_field_by_the_recursion():
    """Each 4×4 convolution of stride 2 adds 3 · 2^(layer − 1) pixels: 4, 10, 22."""
    body = nets.conv_encoder(64, 1, 1, width=4, act=nn.Softplus)[:-2]
    for layers, side in ((2, 4), (4, 10), (6, 22)):
        assert seen(body[:layers], 64, (3, 3) if layers == 6 else (8, 8)) == side


def test_the_decoder_covers_all_pixels_equally_often():
    """With weights of one and no activation, a constant image comes out constant but for the border: no checkerboard.
    A kernel of 3 with the same stride has one."""
    inner = lambda net: net[0, 0, 3:-3, 3:-3]
    even, odd = nn.ConvTranspose2d(1, 1, 4, 2, 1, bias=False), nn.ConvTranspose2d(1, 1, 3, 2, 1, bias=False)
    for layer in (even, odd):
        nn.init.ones_(layer.weight)
    flat = torch.ones(1, 1, 8, 8)
    assert inner(even(flat)).std() == 0 < inner(odd(flat)).std()
    kernels = [m for m in nets.conv_decoder(4, 1, 32).modules() if isinstance(m, nn.ConvTranspose2d)]
    assert len(kernels) == 3 and all(k.kernel_size[0] % k.stride[0] == 0 for k in kernels)


@pytest.mark.parametrize("size", [28, 32])
def test_dcgan_pair(size):
    torch.manual_seed(0)
    G, D = nets.dcgan(size, channels=1, latent=16, width=16)
    x = G(torch.randn(8, 16))
    assert x.shape == (8, 1, size, size) and D(x).shape == (8, 1)
    first_norm = [type(m) for m in D if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    assert first_norm[:2] == [nn.Conv2d, nn.Conv2d] and nn.BatchNorm2d in first_norm  # none after D's first layer
    assert not any(isinstance(m, nn.BatchNorm2d) for m in nets.dcgan(size, norm=None)[1])
    weights = torch.cat([m.weight.flatten() for m in G.modules() if isinstance(m, (nn.ConvTranspose2d, nn.Linear))])
    assert abs(weights.std().item() - 0.02) < 0.001 and abs(weights.mean().item()) < 0.001
    scales = torch.cat([m.weight for m in G.modules() if isinstance(m, nn.BatchNorm2d)])
    assert abs(scales.mean().item() - 1) < 0.02
    assert all(not m.bias.any() for m in [*G.modules(), *D.modules()] if getattr(m, "bias", None) is not None)
