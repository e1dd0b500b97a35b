"""What people answer to the graded exercises of β-VAE, with controlled capacity, wrongly and rightly."""

# An answer with places for the parts that people get wrong: the β of a target.
PRICE = "(lam.sort(descending=True).values.log().cumsum(0) - {}).div(torch.arange(1, len(lam) + 1)).{}().exp()"

WRONG = {
    "beta-2": (
        "lam, n, C",
        {
            "every eigenvalue on": "((lam.log().sum() - 2 * C) / len(lam)).exp() / n",
            "only the largest on": "lam.max() * math.exp(-2 * C) / n",
            "without the half": PRICE.format("C", "max") + " / n",
            "the level for β": PRICE.format("2 * C", "max"),
            "the deviation for the variance": PRICE.format("2 * C", "max") + " / n**0.5",
            "not sorted": "(lam.log().cumsum(0) - 2 * C).div(torch.arange(1, len(lam) + 1)).max().exp() / n",
            "the lowest level": PRICE.format("2 * C", "min") + " / n",
            "C in bits": PRICE.format("2 * C * math.log(2)", "max") + " / n",
        },
    ),
}

ALSO_RIGHT = {
    "beta-2": ("lam, n, C", [PRICE.format("2 * C", "max") + " / n"]),
}
