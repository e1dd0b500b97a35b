"""What people answer to the graded exercises of VQ-VAE, wrongly and rightly."""

WRONG = {
    "vq-vae-2": (
        "a, q, up, b",
        {
            "means for sums": "(up.detach() * a).sum() + b * ((a - q.detach()) ** 2).mean()",
            "means for both": "(up.detach() * a).mean() + b * ((a - q.detach()) ** 2).mean()",
            "with the ½ of a square": "(up.detach() * a).sum() + b / 2 * ((a - q.detach()) ** 2).sum()",
            "the commitment's sign": "(up.detach() * a).sum() - b * ((a - q.detach()) ** 2).sum()",
            "the likelihood's sign": "-(up.detach() * a).sum() + b * ((a - q.detach()) ** 2).sum()",
            "without β": "(up.detach() * a).sum() + ((a - q.detach()) ** 2).sum()",
            "no commitment": "(up.detach() * a).sum()",
            "the stop-gradient on the wrong side": "(up * a).sum() + b * ((a.detach() - q) ** 2).sum()",
            "the codes move too": "(up.detach() * a).sum() + b * ((a - q) ** 2).sum()",
            "nothing stopped": "(up * a).sum() + b * ((a - q) ** 2).sum()",
            "straight-through": "(up.detach() * (a + (q - a).detach())).sum() + b * ((a - q.detach()) ** 2).sum()",
            "one per position": "(up.detach() * a).sum(-1) + b * ((a - q.detach()) ** 2).sum(-1)",
            "all stopped": "((up * a).sum() + b * ((a - q) ** 2).sum()).detach()",
        },
    ),
    "vq-vae-3": (
        "t, e, z, n, g",
        {
            "the counts forgotten": "g**t * e + (1 - g**t) * z",
            "not divided": "g**t * e + (1 - g**t) * n * z",
            "divided by n": "(g**t * e + (1 - g**t) * n * z) / n",
            "γ for γᵗ": "(g * e + (1 - g) * n * z) / (g + (1 - g) * n)",
            "the weights swapped": "((1 - g**t) * e + g**t * n * z) / (1 - g**t + g**t * n)",
            "(1 − γ)ᵗ for 1 − γᵗ": "(g**t * e + (1 - g) ** t * n * z) / (g**t + (1 - g) ** t * n)",
            "t steps of the first step's size": "e + min(1, t * (1 - g) * n / (g + (1 - g) * n)) * (z - e)",
            "the mean at once": "z",
            "started at N = 0": "(g**t * e + (1 - g**t) * n * z) / ((1 - g**t) * n + 1e-5)",
            "one step more": "(g * g**t * e + (1 - g * g**t) * n * z) / (g * g**t + (1 - g * g**t) * n)",
        },
    ),
}

ALSO_RIGHT = {
    "vq-vae-2": (
        "a, q, up, b",
        ["(up.detach() * (a - q.detach())).sum() + b * F.mse_loss(a, q.detach(), reduction='sum')"],
    ),
    "vq-vae-3": ("t, e, z, n, g", ["z + g**t / (g**t + (1 - g**t) * n) * (e - z)"]),
}
