"""A figure that answers: small networks of a run, as data in its outputs, for the page to compute with.

``genlib.live(...)`` stores a record of its own MIME type. The book turns it into a script that loads on the first
click, and ``book/_live`` computes with it: linear layers, convolutions, normalisation and activations. Weights are int8
with a float32 scale for each output channel, all else is float32; both are base64 in the machine's little-endian order.
"""

import base64
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .mime import LIVE, asked

VERSION = 1
LOSS = 0.02  # of the output's range: what the rounding of weights may change on the probes
POINTWISE = {
    nn.ReLU: lambda m: ["relu"],
    nn.LeakyReLU: lambda m: ["leaky", m.negative_slope],
    nn.Sigmoid: lambda m: ["sigmoid"],
    nn.Tanh: lambda m: ["tanh"],
    nn.SiLU: lambda m: ["silu"],
    nn.ELU: lambda m: ["elu", m.alpha],
    nn.Softplus: lambda m: ["softplus"],
}
BY_TORCH = {"relu": F.relu, "leaky": F.leaky_relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "silu": F.silu}
BY_TORCH |= {"elu": F.elu, "softplus": F.softplus}


@dataclass
class Live:
    """What is stored. networks: {name: {"shape", "layers"}}; probes: {name: {"x", "y", "lost"}}, ``y`` what the rounded
    network makes of the inputs ``x``, ``lost`` the largest difference from the network itself; facts: anything else."""

    name: str
    kind: str
    question: str
    networks: dict
    probes: dict
    facts: dict
    preset: str
    version: int = VERSION

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {LIVE: asdict(self), "text/plain": f"On the book's page this figure is live. {self.question}"}


def pack(value):
    """Tensors as {"shape", "f32"}, in dicts and lists too; all else as it is."""
    if isinstance(value, torch.Tensor):
        numbers = value.detach().cpu().float().numpy().astype("<f4")
        return {"shape": list(value.shape), "f32": base64.b64encode(numbers.tobytes()).decode()}
    if isinstance(value, dict):
        return {k: pack(v) for k, v in value.items()}
    return [pack(v) for v in value] if isinstance(value, list | tuple) else value


def unpack(packed):
    """The tensor that ``pack`` or ``rounded`` packed."""
    kind = "i8" if "i8" in packed else "f32"
    numbers = np.frombuffer(base64.b64decode(packed[kind]), {"i8": "i1", "f32": "<f4"}[kind])
    return torch.from_numpy(numbers.astype(np.float32)).reshape(packed["shape"])


def rounded(weight, out):
    """{"shape", "i8", "scale"}: weights in steps of a 127th of the largest of their output channel (axis ``out``)."""
    weight = weight.detach().cpu().float()
    scale = weight.abs().amax([d for d in range(weight.dim()) if d != out]).clamp(min=1e-30) / 127
    steps = (weight / _along(scale, out, weight.dim())).round().to(torch.int8)
    coded = base64.b64encode(steps.contiguous().numpy().tobytes()).decode()
    return {"shape": list(weight.shape), "i8": coded, "scale": pack(scale)}


def _along(scale, out, dims):
    """A number for each output channel, as it is multiplied with weights whose axis ``out`` they are."""
    return scale.view([-1 if d == out else 1 for d in range(dims)])


def layers(module, shape):
    """(its layers as data, the shape of what comes out) for an input of this shape, without the batch.

    A list of modules is a sequence. A list ``["add", module]`` adds what the module makes to what enters it. Raises
    ValueError for a module that the page cannot compute.
    """
    if isinstance(module, list) and module[:1] == ["add"]:
        inner, _ = layers(module[1], shape)
        return [{"kind": "add", "layers": inner}], shape
    if isinstance(module, list | nn.Sequential):
        made = []
        for part in module:
            inner, shape = layers(part, shape)
            made += inner
        return made, shape
    if isinstance(module, nn.Identity | nn.Dropout):
        return [], shape
    for kind, told in POINTWISE.items():
        if type(module) is kind:
            return [{"kind": "pointwise", "f": told(module)}], shape
    made = _layer(module, shape)
    if made is None:
        known = "linear, convolution, batch and layer normalisation, flatten, unflatten and activations"
        raise ValueError(f"A live figure cannot compute {type(module).__name__}: the page knows {known}.")
    return [made], list(apply([made], torch.zeros(1, *shape)).shape[1:])


def _layer(m, shape):
    bias_of = lambda outputs: pack(torch.zeros(outputs) if m.bias is None else m.bias)
    if type(m) is nn.Flatten:
        return {"kind": "view", "shape": [int(np.prod(shape))]}
    if type(m) is nn.Unflatten:
        return {"kind": "view", "shape": list(m.unflattened_size)}
    if type(m) is nn.Linear:
        return {"kind": "linear", "w": rounded(m.weight, 0), "b": bias_of(m.out_features)}
    if type(m) in (nn.Conv2d, nn.ConvTranspose2d):
        square = m.stride[0] == m.stride[1] and m.padding[0] == m.padding[1]
        if not square or m.groups != 1 or m.dilation != (1, 1) or m.padding_mode != "zeros":
            raise ValueError("A live figure computes convolutions of one group, without dilation, alike in both axes.")
        bias, up = bias_of(m.out_channels), type(m) is nn.ConvTranspose2d
        kind = {"kind": "up", "more": m.output_padding[0]} if up else {"kind": "conv"}
        return kind | {"w": rounded(m.weight, int(up)), "b": bias, "stride": m.stride[0], "pad": m.padding[0]}
    if type(m) in (nn.BatchNorm1d, nn.BatchNorm2d):  # as it stands in evaluation: a factor and a shift for a channel
        a = (m.running_var + m.eps).rsqrt() * (1 if m.weight is None else m.weight)
        return {"kind": "affine", "a": pack(a), "b": pack((0 if m.bias is None else m.bias) - a * m.running_mean)}
    if type(m) is nn.LayerNorm and list(m.normalized_shape) == list(shape):
        return {"kind": "norm", "eps": m.eps, "a": pack(m.weight.flatten()), "b": pack(m.bias.flatten())}
    return None


def apply(layers, x):
    """What layers stored as data make of a batch x (B, ...), by torch: the page computes the same."""
    for layer in layers:
        kind = layer["kind"]
        if kind == "pointwise":
            name, *rest = layer["f"]
            x = BY_TORCH[name](x, *rest)
        elif kind == "view":
            x = x.reshape(len(x), *layer["shape"])
        elif kind == "add":
            x = x + apply(layer["layers"], x)
        elif kind == "affine":
            a, b = (unpack(layer[n]).view(1, -1, *[1] * (x.dim() - 2)) for n in "ab")
            x = a * x + b
        elif kind == "norm":
            x = F.layer_norm(
                x.flatten(1), [x[0].numel()], unpack(layer["a"]), unpack(layer["b"]), layer["eps"]
            ).view_as(x)
        else:
            steps, b = unpack(layer["w"]), unpack(layer["b"])
            w = steps * _along(unpack(layer["w"]["scale"]), int(kind == "up"), steps.dim())
            if kind == "linear":
                x = F.linear(x, w, b)
            elif kind == "conv":
                x = F.conv2d(x, w, b, layer["stride"], layer["pad"])
            else:
                x = F.conv_transpose2d(x, w, b, layer["stride"], layer["pad"], layer["more"])
    return x


def live(run, name, kind, question, networks=None, facts=None, loss=LOSS):
    """Store a live figure of this run beneath the picture that stands in its place until it is asked.

    name: of the figure, lower case and unique in the chapter; kind: which of the figures of ``book/_live`` it is;
    question: what it answers, in one sentence; networks: {name: (module or list of modules, inputs)}, the inputs a few
    that the figure will meet, (B, ...): they are stored with what comes out, so that the page can be held against
    torch; facts: numbers, tensors and words that the figure needs besides. Raises ValueError for what the page cannot
    compute, for a question that is none, and where rounding the weights changes an output by more than ``loss`` of the
    outputs' range.
    """
    asked(question)
    stored, probes = {}, {}
    for label, (module, x) in (networks or {}).items():
        x = x.detach().cpu().float()
        made, _ = layers(module, list(x.shape[1:]))
        y, exact = apply(made, x), _exact(module, x)
        lost, span = (y - exact).abs().max().item(), (exact.max() - exact.min()).item()
        if not lost <= loss * span:  # a NaN is not
            share = f"{lost / span:.2g}" if span else "all"
            raise ValueError(f"Rounded, {label!r} of {name!r} is off by {share} of its range; allowed is {loss:g}.")
        stored[label] = {"shape": list(x.shape[1:]), "layers": made}
        probes[label] = {"x": pack(x), "y": pack(y), "lost": lost}
    return Live(name, kind, question, stored, probes, pack(facts or {}), run.preset)


@torch.no_grad()
def _exact(module, x):
    """What the modules themselves make of x in evaluation, on their own device."""
    if isinstance(module, list):
        if module[:1] == ["add"]:
            return x + _exact(module[1], x)
        for part in module:
            x = _exact(part, x)
        return x
    training, first = module.training, next(module.parameters(), x)
    try:
        return module.eval()(x.to(first.device)).cpu().float()
    finally:
        module.train(training)
