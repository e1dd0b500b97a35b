"""What people answer to the graded exercises of AC-GAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

IMAGES = "px, qx = p.sum(0), q.sum(0)\ntotal = (px + qx).clamp(min=1e-12)\n"
S = "(torch.xlogy(px, px / total) + torch.xlogy(qx, qx / total)).sum()"
C = "torch.xlogy(p + q, (p + q) / total).sum()"

WRONG = {
    "acgan-2": (
        "p, q, lam",
        {
            "0 log 0 is not a number": (
                f"{IMAGES}c = (p + q) / total\nreturn (px * (px / total).log()).sum() - lam * (p * c.log()).sum()"
            ),
            "the weight's sign": f"{IMAGES}return {S} + lam * {C}",
            "the weight is left out": f"{IMAGES}return {S} - {C}",
            "C alone": f"{IMAGES}return -lam * {C}",
            "only the real half of C": f"{IMAGES}return {S} - lam * torch.xlogy(p, (p + q) / total).sum()",
            "C that has seen no samples": (
                f"{IMAGES}c = p / px.clamp(min=1e-12)\nreturn {S} - lam * torch.xlogy(p + q, c.clamp(min=1e-12)).sum()"
            ),
            "D told the label": (
                f"{IMAGES}both = (p + q).clamp(min=1e-12)\n"
                f"return (torch.xlogy(p, p / both) + torch.xlogy(q, q / both)).sum() - lam * {C}"
            ),
            "the divergence without its constant": f"{IMAGES}return {S} + 1.3863 - lam * {C}",
            "a mean over the images": f"{IMAGES}return {S} / p.shape[1] - lam * {C}",
        },
    ),
}

ENTROPY = "h = lambda t: torch.special.entr(t).sum()\nm = (p + q) / 2\n"
ALSO_RIGHT = {
    "acgan-2": (
        "p, q, lam",
        [
            f"{ENTROPY}jsd = h(m.sum(0)) - (h(p.sum(0)) + h(q.sum(0))) / 2\n"
            "return 2 * jsd - 2 * torch.log(torch.tensor(2.0, dtype=p.dtype)) + 2 * lam * (h(m) - h(m.sum(0)))"
        ],
    ),
}
