"""The check of the step that trains: a good one passes, whatever it is made of; each known-bad one is stopped."""

import copy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from genlib import check
from genlib.checks import CheckFailed


class Game:
    """A small GAN: networks with batch normalisation, two optimisers that have been in use, and the formulas."""

    def __init__(self, optimiser=torch.optim.Adam, **options):
        torch.manual_seed(0)
        self.D = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))
        self.G = nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3))
        self.x = torch.randn(5, 3)
        self.opt_D = optimiser(self.D.parameters(), lr=0.01, **options)
        self.opt_G = optimiser(self.G.parameters(), lr=0.01, **options)
        for _ in range(2):
            self.step(self.x)

    def step(self, x, *, sign=1, total=False, factor=1, detach=True, zero=True, swapped=False, logged=1, other=None):
        fake = self.G(torch.randn(len(x), 2))
        reduce = torch.sum if total else torch.mean
        d = reduce(F.softplus(-self.D(x))) + sign * reduce(F.softplus(self.D(fake.detach() if detach else fake)))
        if zero:
            self.opt_D.zero_grad()
        d.backward(retain_graph=not detach)
        (self.opt_G if swapped else self.opt_D).step()
        g = factor * F.softplus(-self.D(fake)).mean()
        self.opt_G.zero_grad()
        g.backward()
        (other or self.opt_G).step()
        return {"D": logged * d.detach(), "G": g.detach()}

    def loss_D(self, x):
        fake = self.G(torch.randn(len(x), 2))
        return -(self.D(x).sigmoid().log().sum() + (1 - self.D(fake).sigmoid()).log().sum()) / len(x)

    def loss_G(self, x):
        return -self.D(self.G(torch.randn(len(x), 2))).sigmoid().log().sum() / len(x)

    def check(self, step=None, **told):
        told = {"losses": {self.D: self.loss_D, self.G: self.loss_G}, "terms": {"D": self.D, "G": self.G}} | told
        check.step("the step", step or self.step, self.x, **({"tol": 1e-9} | told))


def held(*things):
    """Everything of modules and optimisers, bit for bit."""
    return copy.deepcopy([t.state_dict() for t in things]), torch.get_rng_state()


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(v, w) for v, w in zip(a, b, strict=True))
    return a == b


@pytest.mark.parametrize(
    "optimiser, options",
    [(torch.optim.Adam, {}), (torch.optim.SGD, {"momentum": 0.9}), (torch.optim.RMSprop, {}), (torch.optim.AdamW, {})],
)
def test_a_good_step_passes_and_leaves_everything_as_it_was(capsys, optimiser, options):
    game = Game(optimiser, **options)
    things = game.D, game.G, game.opt_D, game.opt_G
    before, pointers = held(*things), [p.data_ptr() for p in game.G.parameters()]
    gradients = [p.grad.clone() for p in game.D.parameters()]
    game.check()
    assert capsys.readouterr().out == "✓ the step: terms and gradients, to 1e-09\n"
    assert same(before, held(*things)) and torch.get_default_dtype() == torch.float32
    assert pointers == [p.data_ptr() for p in game.G.parameters()]  # a CUDA graph would still find them
    assert all(torch.equal(p.grad, g) for p, g in zip(game.D.parameters(), gradients, strict=True))
    twin = Game(optimiser, **options)  # the same training, never checked
    torch.manual_seed(5), game.step(game.x), torch.manual_seed(5), twin.step(twin.x)
    assert same(held(*things), held(twin.D, twin.G, twin.opt_D, twin.opt_G))


def test_a_failed_check_leaves_everything_as_it_was_too():
    game = Game()
    things = game.D, game.G, game.opt_D, game.opt_G
    before = held(*things)
    with pytest.raises(CheckFailed):
        game.check(lambda x: game.step(x, sign=-1))
    with pytest.raises(ZeroDivisionError):
        game.check(lambda x: game.step(x) and 1 / 0)
    assert same(before, held(*things)) and torch.get_default_dtype() == torch.float32


BAD = {
    "a flipped sign": ({"sign": -1}, "gradient applied"),
    "a sum for the mean": ({"total": True}, "gradient applied"),
    "a loss scaled": ({"factor": 2.0}, "gradient applied to .* of network 2"),
    "zero_grad forgotten": ({"zero": False}, "gradient applied to .* of network 1"),
    "the wrong optimiser": ({"swapped": True}, "network 2 .* updated more often|gradient"),
    "a term with the wrong sign": ({"logged": -1}, "returns D = "),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_step_is_stopped(name, capsys):
    game, (told, match) = Game(), BAD[name]
    with pytest.raises(CheckFailed, match=match):
        game.check(lambda x: game.step(x, **told))
    assert capsys.readouterr().out == ""
    check.refuses(name, lambda: game.check(lambda x: game.step(x, **told)))
    assert capsys.readouterr().out == f"✓ refused: {name}\n"


def test_a_step_of_float32_is_stopped_too():
    game = Game()
    game.check(double=False, tol=1e-4)
    with pytest.raises(CheckFailed):
        game.check(lambda x: game.step(x, factor=1.01), double=False, tol=1e-4)


def test_a_detach_that_only_costs_time_passes():
    """D's loss reaches G, and G's gradients are cleared before they are used: the same training, only slower."""
    game = Game()

    def step(x):
        z = torch.randn(len(x), 2)
        d = F.softplus(-game.D(x)).mean() + F.softplus(game.D(game.G(z))).mean()
        game.opt_D.zero_grad()
        d.backward()
        game.opt_D.step()
        g = F.softplus(-game.D(game.G(z))).mean()
        game.opt_G.zero_grad()
        g.backward()
        game.opt_G.step()
        return {"D": d.detach(), "G": g.detach()}

    game.check(step)


def test_the_generators_loss_moving_the_discriminator_is_stopped():
    game = Game()
    both = torch.optim.Adam([*game.G.parameters(), *game.D.parameters()], lr=0.01)
    with pytest.raises(CheckFailed, match="network 1 .* is updated more often"):
        game.check(lambda x: game.step(x, other=both))


def quantiser(wrong=None):
    """An encoder and a codebook vector with a commitment term: a detach that decides who is moved."""
    torch.manual_seed(0)
    net, code, x = nn.Linear(3, 2), nn.Parameter(torch.randn(2)), torch.randn(6, 3)
    opt = torch.optim.Adam([*net.parameters(), code], lr=0.01)

    def step(x):
        z = net(x)
        to_code = (z if wrong == "lost" else z.detach()) - code
        to_z = z - (code if wrong == "lost" else code.detach())
        if wrong == "added":
            to_z = to_z.detach()
        loss = to_code.square().sum(1).mean() + 0.25 * to_z.square().sum(1).mean() + 0.1 * z.square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return {"loss": loss.detach()}

    extra = lambda x: 0.1 * (net(x) ** 2).mean()
    losses = {
        net: lambda x: 0.25 * ((net(x) - code) ** 2).sum() / len(x) + extra(x),
        code: lambda x: ((net(x) - code) ** 2).sum() / len(x),
    }
    terms = {"loss": lambda x: 1.25 * ((net(x) - code) ** 2).sum() / len(x) + extra(x)}
    check.step("the step", step, x, losses, terms, tol=1e-9)


def test_a_detach_that_changes_a_gradient():
    quantiser()
    for wrong in ("lost", "added"):
        with pytest.raises(CheckFailed, match="gradient applied"):
            quantiser(wrong)


def averaged(clip_norm=None, weight_clip=None, decay=0.9, told_decay=0.9, wrong=False, **told):
    """One network with a moving average of its weights, a warm-up that reads run.progress, and clipping."""
    torch.manual_seed(0)
    net, run, x = nn.Linear(3, 1), SimpleNamespace(progress=torch.zeros(())), torch.randn(6, 3)
    mean = copy.deepcopy(net)
    opt = torch.optim.SGD(net.parameters(), lr=0.5)

    def step(x):
        data, prior = (net(x) - 1).square().mean(), net(x).square().mean()
        loss = 20 * data + (2 * run.progress).clamp(max=1) * (data if wrong else prior)
        opt.zero_grad()
        loss.backward()
        if clip_norm:
            nn.utils.clip_grad_norm_(net.parameters(), clip_norm)
        opt.step()
        with torch.no_grad():
            for p in net.parameters() if weight_clip else ():
                p.clamp_(-weight_clip, weight_clip)
            for old, new in zip(mean.parameters(), net.parameters(), strict=True):
                old.lerp_(new, 1 - decay)
        return {"data": data.detach(), "prior": prior.detach()}

    def after():
        for p in net.parameters() if weight_clip else ():
            p.copy_(p.clamp(-weight_clip, weight_clip))
        for old, new in zip(mean.parameters(), net.parameters(), strict=True):
            old.copy_(told_decay * old + (1 - told_decay) * new)

    def terms(x):
        y = net(x)
        return {"data": ((y - 1) ** 2).sum() / len(x), "prior": (y**2).sum() / len(x)}

    loss = lambda x: 20 * terms(x)["data"] + min(1, 2 * 0.3) * terms(x)["prior"]
    told = {"state": (mean,), "after": {net: after}, "run": run, "progress": 0.3, "clip": clip_norm} | told
    check.step("the step", step, x, {net: loss}, terms, tol=1e-6, **told)
    assert run.progress == 0


def test_averages_clipping_and_schedules():
    averaged()
    averaged(clip_norm=0.1)
    averaged(weight_clip=0.2)
    with pytest.raises(CheckFailed, match="gradient applied"):
        averaged(wrong=True)
    with pytest.raises(CheckFailed, match="gradient applied"):
        averaged(clip_norm=0.1, clip=0.2)
    with pytest.raises(CheckFailed, match="without an optimiser"):
        averaged(told_decay=0.99)
    with pytest.raises(CheckFailed, match="without an optimiser"):
        averaged(after={})
    with pytest.raises(CheckFailed, match="gradient applied"):
        averaged(progress=0.1)


def test_several_updates_of_one_network_and_simultaneous_ones():
    torch.manual_seed(0)
    f, g, x = nn.Linear(2, 1), nn.Linear(2, 1), torch.randn(4, 2)
    opt_f, opt_g = torch.optim.SGD(f.parameters(), lr=0.1), torch.optim.SGD(g.parameters(), lr=0.1, maximize=True)

    def several(x, n=3):
        for _ in range(n):
            a = (f(x) + torch.randn(len(x), 1)).square().mean()
            opt_f.zero_grad()
            a.backward()
            opt_f.step()
        return {"a": a.detach()}

    def formula(k):
        return lambda x: ((f(x) + [torch.randn(len(x), 1) for _ in range(k + 1)][-1]) ** 2).sum() / len(x)

    check.step("several", several, x, {f: [formula(k) for k in range(3)]}, {"a": f}, tol=1e-9)
    for wrong, match in ((2, "more formulas"), (4, "more often")):
        with pytest.raises(CheckFailed, match=match):
            check.step("several", lambda x, n=wrong: several(x, n), x, {f: [formula(k) for k in range(3)]}, {"a": f})

    def game(x):
        v = (f(x) * g(x)).mean() - g(x).square().mean()
        opt_f.zero_grad(), opt_g.zero_grad()
        v.backward()
        opt_f.step(), opt_g.step()
        return {"v": v.detach()}

    value = lambda x: ((f(x) * g(x)).sum() - (g(x) ** 2).sum()) / len(x)
    both = {f: value, g: lambda x: -value(x)}  # an optimiser that maximises goes down −v
    check.step("at once", game, x, both, {"v": value}, simultaneous=True, tol=1e-9)
    with pytest.raises(CheckFailed, match="gradient applied"):
        check.step("at once", game, x, both, {"v": value}, tol=1e-9)
    with pytest.raises(CheckFailed, match="gradient applied"):
        check.step("uphill", game, x, {f: value, g: value}, {"v": value}, simultaneous=True, tol=1e-9)


def test_what_shows_nothing_is_refused():
    game = Game()
    with pytest.raises(CheckFailed, match="in a batch of one a mean is a sum"):
        check.step("n", game.step, game.x[:1], {game.D: game.loss_D, game.G: game.loss_G}, {"D": game.D, "G": game.G})
    with pytest.raises(CheckFailed, match="returns the terms"):
        game.check(terms={"D": game.D})
    with pytest.raises(CheckFailed, match="losses does not name"):
        game.check(losses={game.D: game.loss_D}, terms={"D": game.D}, state=(game.G,))
    fixed = torch.ones(3, 3)
    mixing = lambda x: game.step(x @ fixed)
    wanted = {game.D: lambda x: game.loss_D(x @ fixed), game.G: lambda x: game.loss_G(x @ fixed)}
    with pytest.raises(CheckFailed, match="float32 meets the check's float64"):
        game.check(mixing, losses=wanted)
    game.check(mixing, losses=wanted, state=(fixed,))
    assert fixed.dtype == torch.float32


def test_refuses_wants_a_failure():
    with pytest.raises(CheckFailed, match="lets it pass"):
        check.refuses("one is one", lambda: check.equal("one", 1.0, 1.0, 0))
    with pytest.raises(ZeroDivisionError):
        check.refuses("one is one", lambda: 1 / 0)
