"""What people answer to the graded exercises of Triple GAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

WINNER = "winner = F.one_hot(p_c.argmax(1), p_c.shape[1]).to(p_c.dtype)\n"
REAL = WINNER + "real = (1 - r) * p + r * winner * p_c.sum(1, keepdim=True)\n"

WRONG = {
    "triple-gan-2": (
        "p, p_c, r, alpha",
        {
            "the real pairs themselves": REAL + "return real",
            "C's pairs not taken off": REAL + "return real / (1 - alpha)",
            "not divided by 1 − α": REAL + "return real - alpha * p_c",
            "α and 1 − α exchanged": REAL + "return (real - (1 - alpha) * p_c) / alpha",
            "C's soft labels among the real ones": "((1 - r) * p + r * p_c - alpha * p_c) / (1 - alpha)",
            "r and 1 − r exchanged": WINNER
            + "real = r * p + (1 - r) * winner * p_c.sum(1, keepdim=True)\n"
            + "return (real - alpha * p_c) / (1 - alpha)",
            "winners of the columns": "winner = F.one_hot(p_c.argmax(0), p_c.shape[0]).to(p_c.dtype).T\n"
            + "real = (1 - r) * p + r * winner * p_c.sum(0)\n"
            + "return (real - alpha * p_c) / (1 - alpha)",
            "a winner of weight one": WINNER + "return ((1 - r) * p + r * winner - alpha * p_c) / (1 - alpha)",
        },
    ),
}

ALSO_RIGHT = {
    "triple-gan-2": (
        "p, p_c, r, alpha",
        [
            "hard = torch.zeros_like(p_c).scatter_(1, p_c.argmax(1, keepdim=True), p_c.sum(1, keepdim=True))\n"
            "return p + (r * (hard - p) + alpha * (p - p_c)) / (1 - alpha)",
        ],
    ),
}
