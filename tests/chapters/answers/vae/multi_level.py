"""What people answer to the graded exercises of the multi-level VAE, wrongly and rightly."""

ARGS = "mu, logvar"

WRONG = {
    "multi-level-2": (
        ARGS,
        {
            "no prior": """\
precision = (-logvar).exp()
total = precision.sum(1)
return torch.stack([(precision * mu).sum(1) / total, -total.log()])
""",
            "the prior once for each image": """\
precision = (-logvar).exp()
total = (1 + precision).sum(1)
return torch.stack([(precision * mu).sum(1) / total, -total.log()])
""",
            "the prior in the precision, not in the mean": """\
precision = (-logvar).exp()
total = precision.sum(1)
return torch.stack([(precision * mu).sum(1) / total, -(1 + total).log()])
""",
            "the variance, not its logarithm": """\
precision = (-logvar).exp()
total = 1 + precision.sum(1)
return torch.stack([(precision * mu).sum(1) / total, 1 / total])
""",
            "the logarithm of the precision": """\
precision = (-logvar).exp()
total = 1 + precision.sum(1)
return torch.stack([(precision * mu).sum(1) / total, total.log()])
""",
            "variances added": """\
var = 1 + logvar.exp().sum(1)
return torch.stack([(logvar.exp() * mu).sum(1) / var, var.log()])
""",
            "standard deviations for variances": """\
precision = (-logvar / 2).exp()
total = 1 + precision.sum(1)
return torch.stack([(precision * mu).sum(1) / total, -total.log()])
""",
            "the mean of the means": """\
precision = (-logvar).exp()
total = 1 + precision.sum(1)
return torch.stack([mu.mean(1), -total.log()])
""",
        },
    ),
}

ALSO_RIGHT = {
    "multi-level-2": (
        ARGS,
        [
            """\
zero = torch.zeros_like(mu[:, :1])
mu, logvar = torch.cat([mu, zero], 1), torch.cat([logvar, zero], 1)
total = (-logvar).exp().sum(1)
return torch.stack([((-logvar).exp() * mu).sum(1) / total, -total.log()])
""",
            """\
var = 1 / (1 + (1 / logvar.exp()).sum(1))
return torch.stack([var * (mu / logvar.exp()).sum(1), var.log()])
""",
        ],
    ),
}
