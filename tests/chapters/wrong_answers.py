"""Wrong answers to graded exercises, each of a kind that people give: a grader has to refuse every one. And right ones
that are written in another way than the chapter's, which it has to take.

By exercise: the arguments, and by mistake an expression of them, which sees what the chapter imports.
"""

# Answers with places for the parts that people get wrong: the price of a target, and the inverse of a step of flow.
PRICE = "(lam.sort(descending=True).values.log().cumsum(0) - {}).div(torch.arange(1, len(lam) + 1)).{}().exp()"
MOVE = (
    "[(y_b, [h := F.conv2d(torch.cat([y_a, {}], 1), ({})[:, :, None, None]), {}][1])"
    " for y_a, y_b in [y.chunk(2, 1)] for r, t in [net(y_a).chunk(2, 1)]"
    " for S, B in [(l.exp()[:, None, None], b[:, None, None])]][0][1]"
)

ALSO_RIGHT = {
    "autoencoder-2": ("W", ["torch.linalg.pinv(W)", "torch.linalg.lstsq(W, torch.eye(len(W)).to(W)).solution"]),
    "autoencoder-6": (
        "x, Z",
        [
            "torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)[Z:].sum()",
            "torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[: x.shape[1] - Z].sum().item()",
        ],
    ),
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
    "vae-2": (
        "m, u, n, v",
        ["kl_divergence(Normal(m, (u / 2).exp()), Normal(n, (v / 2).exp())).sum(-1)"],
    ),
    "vae-5": ("x, y, b", ["torch.distributions.Laplace(y, b).log_prob(x).sum(-1)"]),
    "vq-vae-2": (
        "a, q, up, b",
        ["(up.detach() * (a - q.detach())).sum() + b * F.mse_loss(a, q.detach(), reduction='sum')"],
    ),
    "vq-vae-3": ("t, e, z, n, g", ["z + g**t / (g**t + (1 - g**t) * n) * (e - z)"]),
    "coupling-flows-2": ("p, d, l, h, k", ["(math.log(k / (h - l)) - p / d) / math.log(2)"]),
    "gan-3": ("eta", ["torch.tensor(2.0) - eta"]),
    "beta-2": ("lam, n, C", [PRICE.format("2 * C", "max") + " / n"]),
    "glow-2": (
        "y, l, b, W, net",
        [MOVE.format("y_b / torch.sigmoid(r + 2) - t", "torch.linalg.inv(W)", "(h - B) / S")],
    ),
    "coupling-flows-5": ("x, a", ["[F.leaky_relu(x, a), torch.where(x < 0, math.log(a), 0.0).sum(-1)]"]),
}

WRONG = {
    "autoencoder-2": (
        "W",
        {
            "the decoder's transpose": "W.T",
            "the transpose, scaled by the columns' lengths": "W.T / (W**2).sum(0)[:, None]",
            "the decoder's best for a given encoder": "W @ torch.linalg.inv(W.T @ W)",
            "the inverse of the upper rows": "torch.cat([torch.linalg.inv(W[:2]), torch.zeros(2, 4)], 1)",
            "an inverse that does not exist": "W.T @ torch.linalg.inv(W @ W.T)",
            "twice as much": "2 * torch.linalg.pinv(W)",
            "the other sign": "-torch.linalg.pinv(W)",
        },
    ),
    "autoencoder-6": (
        "x, Z",
        {
            "not centred": "(torch.linalg.svdvals(x)[Z:] ** 2).sum() / len(x)",
            "divided by N − 1": "(torch.linalg.svdvals(x - x.mean(0))[Z:] ** 2).sum() / (len(x) - 1)",
            "not divided": "(torch.linalg.svdvals(x - x.mean(0))[Z:] ** 2).sum()",
            "what is kept": "(torch.linalg.svdvals(x - x.mean(0))[:Z] ** 2).sum() / len(x)",
            "not squared": "torch.linalg.svdvals(x - x.mean(0))[Z:].sum() / len(x)",
            "a mean over dimensions": "(torch.linalg.svdvals(x - x.mean(0))[Z:] ** 2).mean() / len(x)",
            "per dimension": "(torch.linalg.svdvals(x - x.mean(0))[Z:] ** 2).sum() / x.numel()",
            "rising eigenvalues": "torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[Z:].sum()",
            "all of them, one by one": "torch.linalg.svdvals(x - x.mean(0))[Z:] ** 2 / len(x)",
        },
    ),
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
    "vae-5": (
        "x, y, b",
        {
            "no normaliser": "-((x - y).abs() / b).sum(-1)",
            "log b for log 2b": "-((x - y).abs() / b + math.log(b)).sum(-1)",
            "a single normaliser": "-((x - y).abs() / b).sum(-1) - math.log(2 * b)",
            "a mean over pixels": "-((x - y).abs() / b + math.log(2 * b)).mean(-1)",
            "a sum over the batch too": "-((x - y).abs() / b + math.log(2 * b)).sum()",
            "the other sign": "((x - y).abs() / b + math.log(2 * b)).sum(-1)",
            "a Gaussian": "Normal(y, b).log_prob(x).sum(-1)",
            "without the scale": "-((x - y).abs() + math.log(2)).sum(-1)",
            "twice the scale": "-((x - y).abs() / (2 * b) + math.log(2 * b)).sum(-1)",
            "the density, not its logarithm": "(-(x - y).abs() / b).exp().prod(-1) / (2 * b) ** x.shape[-1]",
        },
    ),
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
    "gan-3": (
        "eta",
        {
            "the same for every step": "1.0",
            "the limit of small steps": "2.0",
            "the other sign": "2 + eta",
            "the step size twice": "2 - 2 * eta",
            "the modulus": "1 - eta",
            "ηγ for γ": "2 * eta - eta**2",
            "a determinant of zero": "1 / eta",
        },
    ),
    "beta-2": (
        "lam, n, C",
        {
            "every eigenvalue on": "((lam.log().sum() - 2 * C) / len(lam)).exp() / n",
            "only the largest on": "lam.max() * math.exp(-2 * C) / n",
            "without the half": PRICE.format("C", "max") + " / n",
            "the level for the price": PRICE.format("2 * C", "max"),
            "the deviation for the variance": PRICE.format("2 * C", "max") + " / n**0.5",
            "not sorted": "(lam.log().cumsum(0) - 2 * C).div(torch.arange(1, len(lam) + 1)).max().exp() / n",
            "the lowest level": PRICE.format("2 * C", "min") + " / n",
            "C in bits": PRICE.format("2 * C * math.log(2)", "max") + " / n",
        },
    ),
    "glow-1": (
        "W, x",
        {
            "one position": "torch.linalg.slogdet(W[:, :, 0, 0]).logabsdet.expand(len(x))",
            "without the absolute value": "x[0, 0].numel() * torch.logdet(W[:, :, 0, 0]).expand(len(x))",
            "one number": "x[0, 0].numel() * torch.linalg.slogdet(W[:, :, 0, 0]).logabsdet",
            "the whole batch": "x[:, 0].numel() * torch.linalg.slogdet(W[:, :, 0, 0]).logabsdet.expand(len(x))",
            "the height squared": "x.shape[2] ** 2 * torch.linalg.slogdet(W[:, :, 0, 0]).logabsdet.expand(len(x))",
            "the diagonal": "x[0, 0].numel() * W[:, :, 0, 0].diagonal().abs().log().sum().expand(len(x))",
        },
    ),
    "glow-2": (
        "y, l, b, W, net",
        {
            "shifted back before dividing": MOVE.format(
                "(y_b - t) / torch.sigmoid(r + 2)", "torch.linalg.inv(W)", "(h - B) / S"
            ),
            "scaled, not divided": MOVE.format("y_b * torch.sigmoid(r + 2) - t", "torch.linalg.inv(W)", "(h - B) / S"),
            "the exponential's scale": MOVE.format("y_b / (r + 2).exp() - t", "torch.linalg.inv(W)", "(h - B) / S"),
            "the transpose": MOVE.format("y_b / torch.sigmoid(r + 2) - t", "W.T", "(h - B) / S"),
            "scale before shift": MOVE.format("y_b / torch.sigmoid(r + 2) - t", "torch.linalg.inv(W)", "h / S - B"),
            "the step itself": "y",
        },
    ),
}
