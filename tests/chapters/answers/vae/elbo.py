"""What people answer to the graded exercises of ELBO surgery, wrongly and rightly."""

ARGS = "z, mu, logvar"
EACH = "each = Normal(mu, (logvar / 2).exp()).log_prob(z[:, None])\n"
PRIOR = "prior = Normal(0.0, 1.0).log_prob(z).sum(1)\n"
SPLIT = "return (own - aggregate).mean(), (aggregate - prior).mean()"
OWN = "own = each.sum(2).diagonal()\n"

WRONG = {
    "elbo-3": (
        ARGS,
        {
            "logarithm before the sum over dimensions": EACH
            + PRIOR
            + OWN
            + "aggregate = (each.logsumexp(1) - math.log(len(mu))).sum(1)\n"
            + SPLIT,
            "a sum over encoders, not a mean": EACH + PRIOR + OWN + "aggregate = each.sum(2).logsumexp(1)\n" + SPLIT,
            "the mean of the logarithms": EACH + PRIOR + OWN + "aggregate = each.sum(2).mean(1)\n" + SPLIT,
            "logvar taken for log sigma": "each = Normal(mu, logvar.exp()).log_prob(z[:, None])\n"
            + PRIOR
            + OWN
            + "aggregate = each.sum(2).logsumexp(1) - math.log(len(mu))\n"
            + SPLIT,
            "marginal KL with its sign turned": EACH
            + PRIOR
            + OWN
            + "aggregate = each.sum(2).logsumexp(1) - math.log(len(mu))\n"
            + "return (own - aggregate).mean(), (prior - aggregate).mean()",
            "the whole rate for the information": EACH
            + PRIOR
            + OWN
            + "aggregate = each.sum(2).logsumexp(1) - math.log(len(mu))\n"
            + "return (own - prior).mean(), (aggregate - prior).mean()",
        },
    ),
}

ALSO_RIGHT = {
    "elbo-3": (
        ARGS,
        [
            "w = (-logvar).exp()\n"
            "squares = (z[:, None] - mu) ** 2 * w\n"
            "each = -0.5 * (squares + logvar + math.log(2 * math.pi)).sum(2)\n"
            "q = each.exp().mean(1).clamp(min=1e-300).log() if each.min() > -600 else "
            "each.logsumexp(1) - math.log(len(mu))\n"
            "p = -0.5 * (z**2 + math.log(2 * math.pi)).sum(1)\n"
            "return each.diagonal().mean() - q.mean(), q.mean() - p.mean()",
        ],
    ),
}
