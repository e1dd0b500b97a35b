"""What people answer to the graded exercises of CatGAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

START = "mean = q.mean(0)\nH = torch.special.entr(mean).sum()\n"

WRONG = {
    "catgan-2": (
        "q",
        {
            "the biased estimate": START + "return H",
            "the correction of certain answers": START + "return H + (q.shape[1] - 1) / (2 * len(q))",
            "the correction's sign": START + "return H - (q.var(0) / mean.clamp(min=1e-12)).sum() / (2 * len(q))",
            "a variance divided by B": START
            + "return H + (q.var(0, correction=0) / mean.clamp(min=1e-12)).sum() / (2 * len(q))",
            "the 2 left out": START + "return H + (q.var(0) / mean.clamp(min=1e-12)).sum() / len(q)",
            "the mean of the entropies": "torch.special.entr(q).sum(1).mean()",
            "0 / 0": START + "return H + (q.var(0) / mean).sum() / (2 * len(q))",
            "one number a class": "mean = q.mean(0)\n"
            "return torch.special.entr(mean) + q.var(0) / mean.clamp(min=1e-12) / (2 * len(q))",
            "0 log 0": "mean = q.mean(0)\n"
            "return -(mean * mean.log()).sum() + (q.var(0) / mean.clamp(min=1e-12)).sum() / (2 * len(q))",
        },
    ),
}

ALSO_RIGHT = {
    "catgan-2": (
        "q",
        [
            "mean = q.mean(0)\nkeep = mean > 0\nq, mean = q[:, keep], mean[keep]\n"
            "return -(mean * mean.log()).sum() + (q.var(0) / mean).sum() / (2 * len(q))",
            START + "B = len(q)\nv = ((q - mean) ** 2).sum(0) / (B - 1)\n"
            "return H + torch.nan_to_num(v / mean).sum() / 2 / B",
        ],
    ),
}
