"""What people answer to the graded exercises of Conditional GAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

SEEN = "p, q = (p, q) if told else (p.sum(0), q.sum(0))\n"
TOTAL = "total = (p + q).clamp(min=1e-12)\n"
VALUE = "(torch.xlogy(p, p / total) + torch.xlogy(q, q / total))"
DIVERGENCE = "(torch.xlogy(p, 2 * p / total) + torch.xlogy(q, 2 * q / total))"
CONDITIONAL = "if told:\n    p, q = (t / t.sum(1, keepdim=True) / len(t) for t in (p, q))\n"

WRONG = {
    "cgan-3": (
        "p, q, told",
        {
            "0 log 0 is not a number": f"{SEEN}return (p * (p / (p + q)).log() + q * (q / (p + q)).log()).sum()",
            "told is ignored": f"{TOTAL}return {VALUE}.sum()",
            "never told": f"p, q = p.sum(0), q.sum(0)\n{TOTAL}return {VALUE}.sum()",
            "summed over the images": f"{SEEN.replace('sum(0)', 'sum(1)')}{TOTAL}return {VALUE}.sum()",
            "the JSD": f"{SEEN}{TOTAL}return {DIVERGENCE}.sum() / 2",
            "without the constant": f"{SEEN}{TOTAL}return {DIVERGENCE}.sum()",
            "labels not weighted": f"{CONDITIONAL}{SEEN}{TOTAL}return {VALUE}.sum()",
            "a value for each label": f"{SEEN}{TOTAL}return {VALUE}.sum(-1)",
            "the data's half, twice": f"{SEEN}{TOTAL}return 2 * torch.xlogy(p, p / total).sum()",
            "a mean over the pairs": f"{SEEN}{TOTAL}return {VALUE}.mean()",
        },
    ),
}

ENTROPIES = "h = lambda t: torch.special.entr(t).sum()\n"
ALSO_RIGHT = {"cgan-3": ("p, q, told", [f"{SEEN}{ENTROPIES}return h(p + q) - h(p) - h(q)"])}
