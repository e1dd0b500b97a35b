"""What people answer to the graded exercises of Denoising autoencoder, wrongly and rightly."""

WRONG = {
    "denoising-2": (
        "y, p, s",
        {
            "σ for σ²": "(-torch.cdist(y, p) ** 2 / (2 * s)).softmax(1) @ p",
            "without the ½": "(-torch.cdist(y, p) ** 2 / s**2).softmax(1) @ p",
            "the distance not squared": "(-torch.cdist(y, p) / (2 * s**2)).softmax(1) @ p",
            "the other sign": "(torch.cdist(y, p) ** 2 / (2 * s**2)).softmax(1) @ p",
            "a softmax over the batch": "(-torch.cdist(y, p) ** 2 / (2 * s**2)).softmax(0) @ p",
            "weights that do not add up to 1": "(-torch.cdist(y, p) ** 2 / (2 * s**2)).exp() @ p",
            "weights over N": "(-torch.cdist(y, p) ** 2 / (2 * s**2)).exp() @ p / len(p)",
            "each coordinate by itself": "((-((y[:, None] - p) ** 2) / (2 * s**2)).softmax(1) * p).sum(1)",
            "the nearest point": "p[torch.cdist(y, p).argmin(1)]",
            "the mean of all points": "p.mean(0).expand_as(y)",
            "the copy": "y.clone()",
            "the score": "((-torch.cdist(y, p) ** 2 / (2 * s**2)).softmax(1) @ p - y) / s**2",
            "the step": "(-torch.cdist(y, p) ** 2 / (2 * s**2)).softmax(1) @ p - y",
            "in place": "(-torch.cdist(y.mul_(1), p) ** 2 / (2 * s**2)).softmax(1) @ p",
        },
    ),
    "denoising-3": (
        "x, n",
        {
            "pepper alone": "x * (torch.rand_like(x) >= n)",
            "salt alone": "torch.where(torch.rand_like(x) < n, 1.0, x)",
            "ν of each": "torch.where((u := torch.rand_like(x)) < n, 0.0, torch.where(u > 1 - n, 1.0, x))",
            "half of ν": "torch.where((u := torch.rand_like(x)) < n / 4, 0.0, torch.where(u < n / 2, 1.0, x))",
            "two masks": "torch.where(torch.rand_like(x) < n / 2, 1.0, x) * (torch.rand_like(x) >= n / 2)",
            "ν survives": "torch.where(torch.rand_like(x) < n, x, (torch.rand_like(x) < 0.5).float())",
            "any grey": "torch.where(torch.rand_like(x) < n, torch.rand_like(x), x)",
            "the negative": "torch.where(torch.rand_like(x) < n, 1 - x, x)",
            "one mask for the batch": "torch.where((u := torch.rand(x.shape[1])) < n, (u < n / 2).float(), x)",
            "one mask for all pixels": "torch.where((u := torch.rand(len(x), 1)) < n, (u < n / 2).float(), x)",
            "one coin for an image": "torch.where(torch.rand_like(x) < n, (torch.rand(len(x), 1) < 0.5).float(), x)",
            "always the same": "[torch.where(u < n, (u < n / 2).float(), x)"
            " for u in [torch.rand(x.shape, generator=torch.Generator().manual_seed(0))]][0]",
        },
    ),
}

ALSO_RIGHT = {
    "denoising-2": (
        "y, p, s",
        [
            "(-((y[:, None] - p) ** 2).sum(2) / (2 * s**2)).softmax(1) @ p",
            "torch.stack([((-((v - p) ** 2).sum(1) / (2 * s**2)).softmax(0)[:, None] * p).sum(0) for v in y])",
        ],
    ),
    "denoising-3": (
        "x, n",
        [
            "torch.where(torch.rand_like(x) < n, torch.bernoulli(torch.full_like(x, 0.5)), x)",
            "torch.where(torch.rand_like(x) >= n, x, (torch.rand_like(x) < 0.5).float())",
        ],
    ),
}
