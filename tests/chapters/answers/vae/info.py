"""What people answer to the graded exercises of InfoVAE, wrongly and rightly."""

PAIRS = "k = (-((z[:, None] - z) ** 2).sum(2) / (2 * width)).exp()\nB, Z = z.shape\n"
NEAR = "near = (-(z**2).sum(1) / (2 * (width + 1))).exp() * (1 + 1 / width) ** (-Z / 2)\n"
OWN = "own = (1 + 2 / width) ** (-Z / 2)\n"

WRONG = {
    "info-2": (
        "z, width",
        {
            "biased": PAIRS + NEAR + OWN + "return k.mean() + own - 2 * near.mean()",
            "the diagonal left out, and B² kept": PAIRS
            + NEAR
            + OWN
            + "return (k.sum() - B) / B**2 + own - 2 * near.mean()",
            "codes against the prior once": PAIRS
            + NEAR
            + OWN
            + "return (k.sum() - B) / (B * (B - 1)) + own - near.mean()",
            "the prior's own mean forgotten": PAIRS + NEAR + "return (k.sum() - B) / (B * (B - 1)) - 2 * near.mean()",
            "the prior's variance forgotten in the exponent": PAIRS
            + OWN
            + "near = (-(z**2).sum(1) / (2 * width)).exp() * (1 + 1 / width) ** (-Z / 2)\n"
            + "return (k.sum() - B) / (B * (B - 1)) + own - 2 * near.mean()",
            "no mean over the codes": PAIRS + NEAR + OWN + "return (k.sum() - B) / (B * (B - 1)) + own - 2 * near",
            "the dimension forgotten": PAIRS
            + "near = (-(z**2).sum(1) / (2 * (width + 1))).exp() * (1 + 1 / width) ** -0.5\n"
            + "return (k.sum() - B) / (B * (B - 1)) + (1 + 2 / width) ** -0.5 - 2 * near.mean()",
        },
    ),
}

ALSO_RIGHT = {
    "info-2": (
        "z, width",
        [
            "B, Z = z.shape\n"
            "k = sum((-(a - b).square().sum() / (2 * width)).exp() for i, a in enumerate(z)"
            " for j, b in enumerate(z) if i != j)\n"
            "near = sum((-a.square().sum() / (2 * width + 2)).exp() for a in z) / B\n"
            "return k / B / (B - 1) + (width / (width + 2)) ** (Z / 2) - 2 * near * (width / (width + 1)) ** (Z / 2)"
        ],
    ),
}
