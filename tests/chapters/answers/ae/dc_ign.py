"""What people answer to the graded exercises of DC-IGN, wrongly and rightly."""

ARGS = "mu, active, strength"

WRONG = {
    "dc-ign-2": (
        ARGS,
        {
            "the wrong sign": "strength * (1 - active) * (mu.mean(0) - mu) / len(mu)",
            "a sum in place of the mean over images": "strength * (1 - active) * (mu - mu.mean(0))",
            "the active codes": "strength * active * (mu - mu.mean(0)) / len(mu)",
            "every code": "strength * (mu - mu.mean(0)) / len(mu)",
            "the mean over the code": "strength * (1 - active) * (mu - mu.mean(1, keepdim=True)) / len(mu)",
            "towards zero": "strength * (1 - active) * mu / len(mu)",
            "the first image in place of the mean": "strength * (1 - active) * (mu - mu[:1]) / len(mu)",
            "without λ": "(1 - active) * (mu - mu.mean(0)) / len(mu)",
            "the loss": "0.5 * strength * ((1 - active) * (mu - mu.mean(0)) ** 2).sum() / len(mu)",
        },
    ),
}

ALSO_RIGHT = {
    "dc-ign-2": (
        ARGS,
        [
            "strength * (1 - active) * (mu / len(mu) - mu.sum(0) / len(mu) ** 2)",
            "strength * (1 - active) * (mu[:, None] - mu[None]).mean(1) / len(mu)",
        ],
    ),
}
