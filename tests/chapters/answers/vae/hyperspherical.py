"""What people answer to the graded exercises of Hyperspherical VAE, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

WRONG = {
    "hyperspherical-2": (
        "u, k",
        {
            "uniform heights": "2 * u - 1 + 0 * k",
            "overflows": "torch.log(u * torch.exp(k) + (1 - u) * torch.exp(-k)) / k",
            "decreasing": "1 + torch.log((1 - u) + u * torch.exp(-2 * k)) / k",
            "the factor two forgotten": "1 + torch.log(u + (1 - u) * torch.exp(-k)) / k",
            "without the one": "torch.log(u + (1 - u) * torch.exp(-2 * k)) / k",
            "not divided by κ": "1 + torch.log(u + (1 - u) * torch.exp(-2 * k))",
            "no gradient by κ": "1 + torch.log(u + (1 - u) * torch.exp(-2 * k.detach())) / k.detach()",
            "the mean height for every u": "(1 / torch.tanh(k) - 1 / k) + 0 * u",
            "the circle's cosine": "torch.cos(math.pi * (1 - u)) + 0 * k",
            "clamped": "(1 + torch.log(u) / k).clamp(-1, 1)",
        },
    ),
}

ALSO_RIGHT = {
    "hyperspherical-2": (
        "u, k",
        [
            "1 + torch.logaddexp(u.log(), (1 - u).log() - 2 * k) / k",
            "1 + torch.log1p((1 - u) * torch.expm1(-2 * k)) / k",
        ],
    ),
}
