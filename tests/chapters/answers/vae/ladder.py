"""What people answer to the graded exercises of Ladder VAE, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

WRONG = {
    "ladder-2": (
        "m, v",
        {
            "weighted by variances": "(v.softmax(0) * m).sum(0)",
            "a plain mean": "m.mean(0)",
            "weighted by log-variances": "(v * m).sum(0) / v.sum(0)",
            "weighted by standard deviations' reciprocals": "((-v / 2).softmax(0) * m).sum(0)",
            "weights that do not sum to one": "((-v).exp() * m).sum(0)",
            "over the images": "((-v).softmax(1) * m).sum(1)",
            "over the units": "((-v).softmax(-1) * m).sum(-1)",
            "a mean of the weighted means": "((-v).softmax(0) * m).mean(0)",
            "the first two only": "((-v[:2]).softmax(0) * m[:2]).sum(0)",
            "the most precise alone": "m.gather(0, v.argmin(0, keepdim=True))[0]",
            "the merged variance": "1 / (-v).exp().sum(0)",
            "one number": "((-v).softmax(0) * m).sum()",
        },
    ),
}

ALSO_RIGHT = {
    "ladder-2": (
        "m, v",
        ["(m / v.exp()).sum(0) / (1 / v.exp()).sum(0)", "torch.einsum('kbz,kbz->bz', torch.softmax(-v, 0), m)"],
    ),
}
