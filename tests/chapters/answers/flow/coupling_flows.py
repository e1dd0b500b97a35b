"""What people answer to the graded exercises of Coupling flows: NICE and RealNVP, wrongly and rightly."""

WRONG = {
    "coupling-flows-2": (
        "p, d, l, h, k",
        {
            "the density's sign": "math.log2(k) - math.log2(h - l) + p / (d * math.log(2))",
            "always 8 bits": "8 - math.log2(h - l) - p / (d * math.log(2))",
            "the interval forgotten": "math.log2(k) - p / (d * math.log(2))",
            "the interval's sign": "math.log2(k) + math.log2(h - l) - p / (d * math.log(2))",
            "nats": "math.log(k) - math.log(h - l) - p / d",
            "nats for the density alone": "math.log2(k) - math.log2(h - l) - p / d",
            "not per dimension": "math.log2(k) - math.log2(h - l) - p / math.log(2)",
            "the levels forgotten": "-math.log2(h - l) - p / (d * math.log(2))",
            "the number of levels, no logarithm": "k - math.log2(h - l) - p / (d * math.log(2))",
            "a mean over images": "math.log2(k) - math.log2(h - l) - torch.as_tensor(p).mean() / (d * math.log(2))",
        },
    ),
    "coupling-flows-5": (
        "x, a",
        {
            "the determinant": "(torch.where(x < 0, a * x, x), a ** (x < 0).sum(1).double())",
            "the other sign": "(torch.where(x < 0, a * x, x), -(x < 0).sum(1) * math.log(a))",
            "a mean over dimensions": "(torch.where(x < 0, a * x, x), (x < 0).double().mean(1) * math.log(a))",
            "a sum over the batch too": "(torch.where(x < 0, a * x, x), (x < 0).sum() * math.log(a))",
            "the positive ones": "(torch.where(x < 0, a * x, x), (x >= 0).sum(1) * math.log(a))",
            "all of them": "(torch.where(x < 0, a * x, x), torch.full((len(x),), x.shape[1] * math.log(a)))",
            "of the wrong axis": "(torch.where(x < 0, a * x, x), (x < 0).sum(0) * math.log(a))",
            "the output alone": "torch.where(x < 0, a * x, x)",
            "the inverse": "(torch.where(x < 0, x / a, x), -(x < 0).sum(1) * math.log(a))",
            "nothing of the volume": "(torch.where(x < 0, a * x, x), torch.zeros(len(x)))",
            "a rectifier": "(x.clamp(min=0), (x < 0).sum(1) * math.log(a))",
        },
    ),
}

ALSO_RIGHT = {
    "coupling-flows-2": ("p, d, l, h, k", ["(math.log(k / (h - l)) - p / d) / math.log(2)"]),
    "coupling-flows-5": ("x, a", ["[F.leaky_relu(x, a), torch.where(x < 0, math.log(a), 0.0).sum(-1)]"]),
}
