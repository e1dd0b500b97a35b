"""What people answer to the graded exercises of Triple GAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

WINNER = "winner = F.one_hot(p_c.argmax(1), p_c.shape[1]).to(p_c.dtype)\n"
REAL = WINNER + "real = (1 - r) * p + r * winner * p_c.sum(1, keepdim=True)\n"
END = "return p_g if (p_g >= 0).all() else None"

WRONG = {
    "triple-gan-2": (
        "p, p_c, r, alpha",
        {
            "the real pairs themselves": REAL + "return real",
            "C's pairs not taken off": REAL + "p_g = real / (1 - alpha)\n" + END,
            "not divided by 1 − α": REAL + "p_g = real - alpha * p_c\n" + END,
            "α and 1 − α exchanged": REAL + "p_g = (real - (1 - alpha) * p_c) / alpha\n" + END,
            "C's soft labels among the real ones": "p_g = ((1 - r) * p + r * p_c - alpha * p_c) / (1 - alpha)\n" + END,
            "r and 1 − r exchanged": WINNER
            + "real = r * p + (1 - r) * winner * p_c.sum(1, keepdim=True)\n"
            + "p_g = (real - alpha * p_c) / (1 - alpha)\n"
            + END,
            "winners of the columns": "winner = F.one_hot(p_c.argmax(0), p_c.shape[0]).to(p_c.dtype).T\n"
            + "real = (1 - r) * p + r * winner * p_c.sum(0)\n"
            + "p_g = (real - alpha * p_c) / (1 - alpha)\n"
            + END,
            "negative entries let through": REAL + "return (real - alpha * p_c) / (1 - alpha)",
            "negative entries cut off": REAL + "return ((real - alpha * p_c) / (1 - alpha)).clamp(min=0)",
        },
    ),
}

ALSO_RIGHT = {
    "triple-gan-2": (
        "p, p_c, r, alpha",
        [
            "hard = torch.zeros_like(p_c).scatter_(1, p_c.argmax(1, keepdim=True), p_c.sum(1, keepdim=True))\n"
            "p_g = p + (r * (hard - p) + alpha * (p - p_c)) / (1 - alpha)\n"
            "return None if p_g.min() < 0 else p_g",
        ],
    ),
}
