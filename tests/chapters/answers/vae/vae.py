"""What people answer to the graded exercises of Variational autoencoder, wrongly and rightly."""

WRONG = {
    "vae-2": (
        "m, u, n, v",
        {
            "without the ½": "(v - u + (u.exp() + (m - n) ** 2) / v.exp() - 1).sum(-1)",
            "without the −1": "0.5 * (v - u + (u.exp() + (m - n) ** 2) / v.exp()).sum(-1)",
            "σ for σ²": "0.5 * (v - u + ((u / 2).exp() + (m - n) ** 2) / (v / 2).exp() - 1).sum(-1)",
            "log σ for log σ²": "0.5 * (2 * (v - u) + ((2 * u).exp() + (m - n) ** 2) / (2 * v).exp() - 1).sum(-1)",
            "a mean over dimensions": "0.5 * (v - u + (u.exp() + (m - n) ** 2) / v.exp() - 1).mean(-1)",
            "a sum over the batch too": "0.5 * (v - u + (u.exp() + (m - n) ** 2) / v.exp() - 1).sum()",
            "a sum over the batch alone": "0.5 * (v - u + (u.exp() + (m - n) ** 2) / v.exp() - 1).sum(0)",
            "the other sign": "-0.5 * (v - u + (u.exp() + (m - n) ** 2) / v.exp() - 1).sum(-1)",
            "the logarithms' sign": "0.5 * (u - v + (u.exp() + (m - n) ** 2) / v.exp() - 1).sum(-1)",
            "from p to q": "0.5 * (u - v + (v.exp() + (m - n) ** 2) / u.exp() - 1).sum(-1)",
            "the square over q's variance": "0.5 * (v - u + (u - v).exp() + (m - n) ** 2 / u.exp() - 1).sum(-1)",
            "the square over nothing": "0.5 * (v - u + (u - v).exp() + (m - n) ** 2 - 1).sum(-1)",
            "the difference not squared": "0.5 * (v - u + (u.exp() + (m - n).abs()) / v.exp() - 1).sum(-1)",
            "to a standard prior": "0.5 * (m**2 + u.exp() - 1 - u).sum(-1)",
            "in bits": "0.5 * (v - u + (u.exp() + (m - n) ** 2) / v.exp() - 1).sum(-1) / math.log(2)",
            "in place": "0.5 * (v - u + (u.exp() + m.sub_(n) ** 2) / v.exp() - 1).sum(-1)",
        },
    ),
}

ALSO_RIGHT = {
    "vae-2": (
        "m, u, n, v",
        ["kl_divergence(Normal(m, (u / 2).exp()), Normal(n, (v / 2).exp())).sum(-1)"],
    ),
}
