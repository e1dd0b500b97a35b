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
