"""What people answer to the graded exercises of DIP-VAE, wrongly and rightly."""

ARGS = "w, mu, Sigma"

WRONG = {
    "dip-2": (
        ARGS,
        {
            "equal weights": "torch.cov(mu.T, correction=0) + Sigma.mean(0)",
            "the mean is not weighted": (
                "(w[:, None] * (mu - mu.mean(0))).T @ (mu - mu.mean(0)) + (w[:, None, None] * Sigma).sum(0)"
            ),
            "not centred": "(w[:, None] * mu).T @ mu + (w[:, None, None] * Sigma).sum(0)",
            "means alone": "(w[:, None] * (mu - w @ mu)).T @ (mu - w @ mu)",
            "within alone": "(w[:, None, None] * Sigma).sum(0)",
            "variances alone": (
                "(w[:, None] * (mu - w @ mu)).T @ (mu - w @ mu) + "
                "(w[:, None] * Sigma.diagonal(dim1=1, dim2=2)).sum(0).diag()"
            ),
            "weights squared": "(w[:, None] * (mu - w @ mu)).T @ (w[:, None] * (mu - w @ mu))"
            " + (w[:, None, None] * Sigma).sum(0)",
        },
    ),
}

ALSO_RIGHT = {
    "dip-2": (
        ARGS,
        [
            "torch.einsum('n,ni,nj->ij', w, mu, mu) - torch.outer(w @ mu, w @ mu)"
            " + torch.einsum('n,nij->ij', w, Sigma)",
        ],
    ),
}
