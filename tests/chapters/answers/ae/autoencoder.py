"""What people answer to the graded exercises of Autoencoder, wrongly and rightly."""

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
}

ALSO_RIGHT = {
    "autoencoder-2": ("W", ["torch.linalg.pinv(W)", "torch.linalg.lstsq(W, torch.eye(len(W)).to(W)).solution"]),
    "autoencoder-6": (
        "x, Z",
        [
            "torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)[Z:].sum()",
            "torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[: x.shape[1] - Z].sum().item()",
        ],
    ),
}
