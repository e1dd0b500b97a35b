"""What people answer to the graded exercises of Conditional VAE, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

LOG_P = "-F.binary_cross_entropy_with_logits(l, x.expand_as(l), reduction='none')"

WRONG = {
    "cvae-2": (
        "x, l",
        {
            "a mean of logarithms": f"({LOG_P}).sum(-1).mean(0)",
            "without log K": f"({LOG_P}).sum(-1).logsumexp(0)",
            "the mean of several draws, pixel by pixel": f"(({LOG_P}).logsumexp(0) - math.log(len(l))).sum(-1)",
            "no logarithms until the end": f"({LOG_P}).sum(-1).exp().mean(0).log()",
            "a mean over pixels": f"({LOG_P}).mean(-1).logsumexp(0) - math.log(len(l))",
            "the best of the draws": f"({LOG_P}).sum(-1).amax(0)",
            "the other sign": f"-(({LOG_P}).sum(-1).logsumexp(0) - math.log(len(l)))",
            "log of the batch, not of K": f"({LOG_P}).sum(-1).logsumexp(0) - math.log(len(x))",
            "over the images": f"({LOG_P}).sum(-1).logsumexp(1) - math.log(len(x))",
            "one number for all images": f"(({LOG_P}).sum(-1).logsumexp(0) - math.log(len(l))).mean()",
            "zero": "0 * x.sum(-1)",
        },
    ),
}

ALSO_RIGHT = {
    "cvae-2": (
        "x, l",
        ["torch.distributions.Bernoulli(logits=l).log_prob(x).sum(-1).logsumexp(0) - math.log(l.shape[0])"],
    ),
}
