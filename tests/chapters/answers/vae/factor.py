"""What people answer to the graded exercises of FactorVAE, wrongly and rightly."""

ARGS = "logits, logits_apart"

WRONG = {
    "factor-2": (
        ARGS,
        {
            "the mean logit alone": "logits.mean()",
            "the difference of the means": "logits.mean() - logits_apart.mean()",
            "the mean of the logarithms": "logits.mean() - logits_apart.exp().log().mean()",
            "a sum in place of the mean": "logits.mean() - logits_apart.logsumexp(0)",
            "the two exchanged": "logits_apart.mean() - logits.exp().mean().log()",
            "no logarithm": "logits.mean() - logits_apart.exp().mean() + 1",
            "it overflows": "logits.mean() - logits_apart.exp().mean().log()",
            "divided by the other number": ("logits.mean() - logits_apart.logsumexp(0) + math.log(len(logits))"),
        },
    ),
}

ALSO_RIGHT = {
    "factor-2": (
        ARGS,
        [
            "logits.mean() - logits_apart.max() - (logits_apart - logits_apart.max()).exp().mean().log()",
            "(logits.unsqueeze(0) - logits_apart.logsumexp(0) + math.log(len(logits_apart))).mean()",
        ],
    ),
}
