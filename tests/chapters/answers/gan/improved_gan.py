"""What people answer to the graded exercises of Improved GAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

GAP = "gap = (f.mean(0) - f_tilde.mean(0)).square().sum()\n"

WRONG = {
    "improved-gan-2": (
        "f, f_tilde",
        {
            "the plain loss": "(f.mean(0) - f_tilde.mean(0)).square().sum()",
            "the data's variance alone": GAP + "return gap - f.var(0).sum() / len(f)",
            "the samples' variance alone": GAP + "return gap - f_tilde.var(0).sum() / len(f_tilde)",
            "variances not divided by the batch": GAP + "return gap - f.var(0).sum() - f_tilde.var(0).sum()",
            "variances with N in place of N − 1": GAP + "return gap - f.var(0, correction=0).sum() / len(f) "
            "- f_tilde.var(0, correction=0).sum() / len(f_tilde)",
            "added": GAP + "return gap + f.var(0).sum() / len(f) + f_tilde.var(0).sum() / len(f_tilde)",
            "one size for both": GAP + "return gap - (f.var(0).sum() + f_tilde.var(0).sum()) / len(f)",
            "clipped at zero": GAP
            + "return (gap - f.var(0).sum() / len(f) - f_tilde.var(0).sum() / len(f_tilde)).clamp(min=0)",
            "one number a feature": "(f.mean(0) - f_tilde.mean(0)).square() - f.var(0) / len(f) "
            "- f_tilde.var(0) / len(f_tilde)",
        },
    ),
}

ALSO_RIGHT = {
    "improved-gan-2": (
        "f, f_tilde",
        [
            "inner = lambda u: (u.sum(0).square().sum() - u.square().sum()) / (len(u) * (len(u) - 1))\n"
            "return inner(f) + inner(f_tilde) - 2 * f.mean(0) @ f_tilde.mean(0)",
        ],
    ),
}
