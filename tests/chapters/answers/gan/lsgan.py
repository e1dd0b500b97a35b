"""What people answer to the graded exercises of LSGAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

WRONG = {
    "lsgan-3": (
        "p, q",
        {
            "an empty cell is 0/0": "((p - q) ** 2 / (p + q)).sum()",
            "the total variation": "(p - q).abs().sum()",
            "Pearson's": "((p - q) ** 2 / q.clamp(min=1e-12)).sum()",
            "half of it": "0.5 * ((p - q) ** 2 / (p + q).clamp(min=1e-12)).sum()",
            "not summed": "(p - q) ** 2 / (p + q).clamp(min=1e-12)",
            "a mean": "((p - q) ** 2 / (p + q).clamp(min=1e-12)).mean()",
            "divided by the mean of the two": "(2 * (p - q) ** 2 / (p + q).clamp(min=1e-12)).sum()",
            "Hellinger's, with the same ends": "((p.sqrt() - q.sqrt()) ** 2).sum()",
            "the squared distance": "((p - q) ** 2).sum()",
        },
    ),
}

ALSO_RIGHT = {
    "lsgan-3": ("p, q", ["2 - 4 * (p * q / (p + q).clamp(min=1e-12)).sum()"]),
}
