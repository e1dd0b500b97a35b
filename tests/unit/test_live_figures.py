"""Networks as data: what the page computes with is what the module computes, up to the rounding of its weights."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import genlib
from genlib import live_figures, mime
from genlib.live_figures import apply, layers, pack, rounded, unpack

RUN = SimpleNamespace(preset="smoke")
NETWORKS = {
    "dense": (nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3, bias=False), nn.Sigmoid()), (5,)),
    "activations": (
        nn.Sequential(
            *[nn.Sequential(nn.Linear(6, 6), f) for f in (nn.LeakyReLU(0.3), nn.Tanh(), nn.SiLU(), nn.ELU(0.7))],
            nn.Dropout(0.5),
            nn.Identity(),
            nn.Softplus(),
        ),
        (6,),
    ),  # fmt: skip
    "convolutions": (
        nn.Sequential(
            nn.Conv2d(2, 3, 4, 2, 1),
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.Conv2d(3, 5, (3, 2), padding=0),
            nn.Flatten(),
            nn.LayerNorm(5 * 2 * 4),
            nn.Unflatten(1, (5, 2, 4)),
            nn.ConvTranspose2d(5, 4, 3, 2, 1, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(4, 2, (2, 4), 2, 1, bias=False),
        ),
        (2, 8, 10),
    ),  # fmt: skip
    "normalised": (nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6, affine=False), nn.ReLU()), (4,)),
    "residual": ([nn.Conv2d(1, 3, 3, padding=1), ["add", nn.Sequential(nn.ReLU(), nn.Conv2d(3, 3, 1))]], (1, 4, 4)),
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(3)


def trained(module):
    """Running statistics and weights that are not those of the start."""
    for part in module if isinstance(module, list) else [module]:
        for m in (part[1] if isinstance(part, list) else part).modules():
            if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
                m.running_mean.normal_()
                m.running_var.uniform_(0.5, 2)
            for p in m.parameters(recurse=False):
                nn.init.normal_(p, std=0.5)
    return module


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_as_data_are_the_module_with_rounded_weights(name):
    module, shape = NETWORKS[name]
    made = genlib.live(RUN, "n", "plane", "What?", {"n": (trained(module), torch.randn(20, *shape))}, loss=0.05)
    x, net, lost = torch.randn(50, *shape), made.networks["n"], made.probes["n"]["lost"]
    assert net["shape"] == list(shape)
    gap = (apply(net["layers"], x) - live_figures._exact(module, x)).abs().max()
    assert 0 < lost and gap < 10 * lost  # other inputs, the same size of error
    again = apply(net["layers"], unpack(made.probes["n"]["x"]))
    assert torch.equal(again, unpack(made.probes["n"]["y"]))


def test_without_rounding_they_are_the_module():
    """Weights that are whole steps of their scale lose nothing, so every layer and its order must be right."""
    for module, shape in NETWORKS.values():
        for part in trained(module) if isinstance(module, list) else [trained(module)]:
            for m in (part[1] if isinstance(part, list) else part).modules():
                if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                    with torch.no_grad():
                        m.weight.copy_(torch.randint(-126, 127, m.weight.shape) / 64)
                        m.weight.view(-1)[:: m.weight[0].numel()] = 127 / 64
                        if isinstance(m, nn.ConvTranspose2d):
                            m.weight[0, :, 0, 0] = 127 / 64
        x = torch.randn(9, *shape)
        made, out = layers(module, list(shape))
        exact = live_figures._exact(module, x)
        assert list(exact.shape[1:]) == out
        assert torch.allclose(apply(made, x), exact, rtol=1e-4, atol=1e-4)


def test_a_weight_is_within_half_a_step_of_its_channel():
    for out in (0, 1):
        w = torch.randn(4, 6, 3, 3) * torch.logspace(-3, 2, (4, 6)[out]).view([-1 if d == out else 1 for d in range(4)])
        packed = rounded(w, out)
        scale = unpack(packed["scale"]).view([-1 if d == out else 1 for d in range(4)])
        assert ((unpack(packed) * scale - w).abs() <= 0.5001 * scale).all()
        assert unpack(packed).abs().amax([d for d in range(4) if d != out]).tolist() == [127] * (4, 6)[out]
    assert unpack(rounded(torch.zeros(2, 3), 0)).tolist() == [[0] * 3] * 2


def test_one_step_of_one_weight_changes_what_a_probe_gives():
    made = genlib.live(RUN, "n", "plane", "What?", {"n": (NETWORKS["dense"][0], torch.randn(5, 5))})
    layer = made.networks["n"]["layers"][0]
    steps = unpack(layer["w"])
    steps[2, 1] += 1 if steps[2, 1] < 127 else -1
    layer["w"] = rounded(steps * unpack(layer["w"]["scale"])[:, None], 0)
    probe = made.probes["n"]
    assert (apply(made.networks["n"]["layers"], unpack(probe["x"])) - unpack(probe["y"])).abs().max() > 1e-5


def test_a_batch_leaves_the_module_as_it_was():
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    genlib.live(RUN, "n", "plane", "What?", {"n": (module, torch.randn(5, 3))})
    assert module.training and all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


def test_tensors_are_packed_wherever_they_are():
    told = pack({"a": [torch.arange(3), {"b": torch.eye(2)}], "c": "word"})
    assert unpack(told["a"][0]).tolist() == [0, 1, 2] and torch.equal(unpack(told["a"][1]["b"]), torch.eye(2))
    assert told["c"] == "word"


def test_the_record_and_its_words():
    bundle = genlib.live(RUN, "n", "game", "Which way?", facts={"t": torch.ones(2)})._repr_mimebundle_()
    assert bundle["text/plain"].endswith("Which way?") and bundle[mime.LIVE]["kind"] == "game"
    assert bundle[mime.LIVE]["version"] == live_figures.VERSION


@pytest.mark.parametrize(
    "words, make",
    [
        ("question mark", lambda: genlib.live(RUN, "n", "game", "Which way")),
        ("GRU", lambda: genlib.live(RUN, "n", "plane", "What?", {"n": (nn.GRU(2, 2), torch.ones(1, 2))})),
        ("dilation", lambda: layers(nn.Conv2d(1, 1, 3, dilation=2), [1, 9, 9])),
        ("LayerNorm", lambda: layers(nn.LayerNorm(3), [2, 3])),
        ("of its range", lambda: genlib.live(RUN, "n", "plane", "What?", {"n": coarse()})),
        ("of its range", lambda: genlib.live(RUN, "n", "plane", "What?", {"n": (broken(), torch.ones(2, 2))})),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_says_so(words, make):
    with pytest.raises(ValueError, match=words):
        make()


def coarse():
    """One large weight in a channel makes the steps of the small ones too coarse."""
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.data = torch.tensor([[1000.0, 1.0]])
    return layer, torch.tensor([[0.0, 1.0], [0.0, 2.0]])


def broken():
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.weight, float("nan"))
    return layer
