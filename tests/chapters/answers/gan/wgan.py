"""What people answer to the graded exercises of WGAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

WRONG = {
    "wgan-2": (
        "x, y",
        {
            "random pairs": "(x[:, None] - y[None]).abs().mean()",
            "the means only": "(x.mean() - y.mean()).abs()",
            "sorted and cut to one length": (
                "(x.sort().values[: min(len(x), len(y))] - y.sort().values[: min(len(x), len(y))]).abs().mean()"
            ),
            "pairs as they come": "(x[: min(len(x), len(y))] - y[: min(len(x), len(y))]).abs().mean()",
            "the largest gap of the distribution functions": (
                "((x[None] <= torch.cat([x, y])[:, None]).double().mean(1)"
                " - (y[None] <= torch.cat([x, y])[:, None]).double().mean(1)).abs().max()"
            ),
        },
    ),
}

ALSO_RIGHT = {
    "wgan-2": (
        "x, y",
        [
            "(lambda p: ((x[None] <= p[:-1, None]).double().mean(1) - (y[None] <= p[:-1, None]).double().mean(1))"
            ".abs() @ p.diff())(torch.cat([x, y]).sort().values)"
        ],
    ),
}
