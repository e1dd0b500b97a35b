"""What people answer to the graded exercises of Semi-supervised VAE, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

LOG_Q = "(w.logsumexp(0) - math.log(len(w)))"

WRONG = {
    "semi-supervised-2": (
        "w, h, a",
        {
            "weights that are not normalised": f"(w.exp() * h).mean(0) + (1 + a) * {LOG_Q}",
            "no weights": f"h.mean(0) + (1 + a) * {LOG_Q}",
            "without log S": "(w.softmax(0) * h).sum(0) + (1 + a) * w.logsumexp(0)",
            "a mean of logarithms": "(w.softmax(0) * h).sum(0) + (1 + a) * w.mean(0)",
            "alpha in place of one plus alpha": f"(w.softmax(0) * h).sum(0) + a * {LOG_Q}",
            "one, without alpha": f"(w.softmax(0) * h).sum(0) + {LOG_Q}",
            "normalised over the images": f"(w.softmax(1) * h).sum(0) + (1 + a) * {LOG_Q}",
            "log of the batch": "(w.softmax(0) * h).sum(0) + (1 + a) * (w.logsumexp(0) - math.log(w[0].numel()))",
            "weights, not their logarithms": "(w / w.sum(0) * h).sum(0) + (1 + a) * w.mean(0).log()",
            "through exponentials": "(w.exp() * h).sum(0) / w.exp().sum(0) + (1 + a) * w.exp().mean(0).log()",
            "a mean of weighted terms": f"(w.softmax(0) * h).mean(0) + (1 + a) * {LOG_Q}",
            "the heaviest draw alone": f"h.gather(0, w.argmax(0, keepdim=True))[0] + (1 + a) * {LOG_Q}",
            "one number for all images": f"((w.softmax(0) * h).sum(0) + (1 + a) * {LOG_Q}).mean()",
            "the loss, not the bound": f"-((w.softmax(0) * h).sum(0) + (1 + a) * {LOG_Q})",
            "zero": "0 * h[0]",
        },
    ),
}

ALSO_RIGHT = {
    "semi-supervised-2": (
        "w, h, a",
        [f"((w - w.logsumexp(0)).exp() * h).sum(0) + {LOG_Q} + a * {LOG_Q}"],
    ),
}
