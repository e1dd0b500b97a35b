"""Small networks that many chapters use and none is about."""

import copy
from itertools import pairwise

import torch
from torch import nn


def mlp(sizes, act=nn.ReLU, out=None):
    """Linear layers (B, sizes[0]) -> (B, sizes[-1]) with an activation between them; act: a module class or a function
    that makes one; out: one more behind the last layer, such as nn.Sigmoid."""
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), act()]
    return nn.Sequential(*layers[:-1], *([out()] if out else []))


def zero(layer):
    """The layer with weights and bias at zero: a residual or a coupling that ends in it begins as the identity."""
    for p in layer.parameters():
        nn.init.zeros_(p)
    return layer


class Averaged(nn.Module):
    """A running mean of a module's weights: θ̄ ← d θ̄ + (1 − d) θ after each update, to draw or measure with.

    Call ``update()`` at the end of the step, and name this module in ``state`` beside the trained one. d is the smaller
    of ``decay`` and (1 + n) / (10 + n) after n updates, so that the random start is forgotten soon. Buffers are copied.
    Nothing waits for the device, so a step with it can be a CUDA graph (torch's own AveragedModel asks on the CPU how
    many updates there were).
    """

    def __init__(self, module, decay=0.999):
        super().__init__()
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.decay, self._source = decay, (module,)  # in a tuple: no submodule of this one
        self.register_buffer("updates", torch.zeros((), device=next(module.parameters()).device))

    @torch.no_grad()
    def update(self):
        """Take in the weights as they are now."""
        weight = 1 - ((1 + self.updates) / (10 + self.updates)).clamp(max=self.decay)
        for mean, now in zip(self.module.parameters(), self._source[0].parameters(), strict=True):
            mean.lerp_(now, weight.to(mean.dtype))
        for mean, now in zip(self.module.buffers(), self._source[0].buffers(), strict=True):
            mean.copy_(now)
        self.updates += 1

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)


def halvings(size):
    """How often an even side is halved until 4 to 7 pixels are left: (times, what is left); 28 -> (2, 7), 32 -> (3, 4).

    Raises ValueError for a side that cannot be halved so: odd on the way, or below 8."""
    times, left = 0, size
    while left > 7 and left % 2 == 0:
        times, left = times + 1, left // 2
    if not times or not 4 <= left <= 7:
        raise ValueError(
            f"A side of {size} pixels cannot be halved to 4, 5, 6 or 7: pad or resize the images to 28, 32 or 64."
        )
    return times, left


def conv_encoder(size, channels, out, width=32, act=nn.ReLU, norm=None):
    """Images (B, channels, size, size) -> (B, out): 4×4 convolutions with stride 2, ``width`` channels after the first
    and twice as many after each further one, then one linear layer.

    norm: None, or a function of the number of channels that makes a layer, such as nn.BatchNorm2d; the first
    convolution has none (Radford et al. 2016, section 3). act: as for ``mlp``. Raises ValueError for a size that
    ``halvings`` refuses.
    """
    times, left = halvings(size)
    layers, wide = [], channels
    for i in range(times):
        layers += [nn.Conv2d(wide, width * 2**i, 4, 2, 1), *([norm(width * 2**i)] if norm and i else []), act()]
        wide = width * 2**i
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(wide * left**2, out))


def conv_decoder(latent, channels, size, width=32, act=nn.ReLU, norm=None, out=None):
    """Codes (B, latent) -> (B, channels, size, size): the encoder's mirror, with transposed convolutions of 4×4 and
    stride 2, whose kernel is a multiple of the stride, so that all pixels are covered equally often.

    norm, act: as for ``conv_encoder``, a norm after every layer but the last; out: one more behind it, such as
    nn.Sigmoid. Raises ValueError for a size that ``halvings`` refuses.
    """
    times, left = halvings(size)
    wide = width * 2 ** (times - 1)
    layers = [nn.Linear(latent, wide * left**2), nn.Unflatten(1, (wide, left, left))]
    for i in range(times):
        then = width * 2 ** (times - 2 - i) if i < times - 1 else channels
        layers += [*([norm(wide)] if norm else []), act(), nn.ConvTranspose2d(wide, then, 4, 2, 1)]
        wide = then
    return nn.Sequential(*layers, *([out()] if out else []))


def dcgan_start(net, sd=0.02):
    """The net with the first weights of Radford et al. (2016, section 4): N(0, sd²) for (transposed) convolutions and
    linear layers, N(1, sd²) for the scales of batch normalisation, biases zero."""
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(layer.weight, 0.0, sd)
        elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.normal_(layer.weight, 1.0, sd)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return net


def dcgan(size, channels=1, latent=64, width=32, norm=nn.BatchNorm2d, out=nn.Sigmoid):
    """The generator (B, latent) -> (B, channels, size, size) and the discriminator, images -> logits (B, 1), of Radford
    et al. (2016) at 28 or 32 pixels, with their first weights.

    G has a norm after each layer but the last and ReLU; D a norm after each but the first and LeakyReLU of 0.2. norm of
    D alone is what ``norm`` says (None: none, as for a critic with a gradient penalty); G keeps batch normalisation.
    Their G ends in tanh: ours in ``out``, for images in [0, 1].
    """
    G = conv_decoder(latent, channels, size, width, norm=nn.BatchNorm2d, out=out)
    D = conv_encoder(size, channels, 1, width, act=lambda: nn.LeakyReLU(0.2), norm=norm)
    return dcgan_start(G), dcgan_start(D)
