"""What people answer to the graded exercises of Contractive autoencoder, wrongly and rightly."""

EIGEN = "kappa, Q = torch.linalg.eigh(C)"

WRONG = {
    "contractive-2": (
        "W, b, x",
        {
            "the sigmoid's slope": "((z := (x @ W.T + b).sigmoid()) * (1 - z)).square() @ W.square().sum(1)",
            "z(1 − z) with tanh": "((z := (x @ W.T + b).tanh()) * (1 - z)).square() @ W.square().sum(1)",
            "1 − z": "(1 - (x @ W.T + b).tanh()).square() @ W.square().sum(1)",
            "the slope not squared": "(1 - (x @ W.T + b).tanh() ** 2) @ W.square().sum(1)",
            "weights summed, then squared": "(1 - (x @ W.T + b).tanh() ** 2).square() @ W.sum(1).square()",
            "weights not squared": "(1 - (x @ W.T + b).tanh() ** 2).square() @ W.sum(1)",
            "a mean over pixels": "(1 - (x @ W.T + b).tanh() ** 2).square() @ W.square().mean(1)",
            "a mean over units": "((1 - (x @ W.T + b).tanh() ** 2).square() * W.square().sum(1)).mean(1)",
            "summed over the batch": "((1 - (x @ W.T + b).tanh() ** 2).square() @ W.square().sum(1)).sum()",
            "the norm": "((1 - (x @ W.T + b).tanh() ** 2).square() @ W.square().sum(1)).sqrt()",
            "weight decay": "W.square().sum().expand(len(x))",
            "without the bias": "(1 - (x @ W.T).tanh() ** 2).square() @ W.square().sum(1)",
        },
    ),
    "contractive-3": (
        "C, lam",
        {
            "what noise does": "C @ torch.linalg.inv(C + lam * torch.eye(len(C), dtype=C.dtype))",
            "λ for λ/2": f"{EIGEN}\nreturn Q @ torch.diag((1 - lam / kappa).clamp(min=0)) @ Q.T",
            "not cut at zero": f"{EIGEN}\nreturn Q @ torch.diag(1 - lam / (2 * kappa)) @ Q.T",
            "the absolute value": f"{EIGEN}\nreturn Q @ torch.diag((1 - lam / (2 * kappa)).abs()) @ Q.T",
            "variances, not shares": f"{EIGEN}\nreturn Q @ torch.diag((kappa - lam / 2).clamp(min=0)) @ Q.T",
            "kept or not": f"{EIGEN}\nreturn Q @ torch.diag((kappa > lam / 2).to(C.dtype)) @ Q.T",
            "its root, W": f"{EIGEN}\nreturn Q @ torch.diag((1 - lam / (2 * kappa)).clamp(min=0).sqrt()) @ Q.T",
            "only the numbers": "torch.diag((1 - lam / (2 * torch.linalg.eigvalsh(C))).clamp(min=0))",
            "transposed eigenvectors": f"{EIGEN}\nreturn Q.T @ torch.diag((1 - lam / (2 * kappa)).clamp(min=0)) @ Q",
            "the diagonal of C": "torch.diag((1 - lam / (2 * C.diagonal())).clamp(min=0))",
            "the copy": "torch.eye(len(C), dtype=C.dtype)",
        },
    ),
}

ALSO_RIGHT = {
    "contractive-2": (
        "W, b, x",
        [
            "torch.func.vmap(torch.func.jacrev(lambda x: (x @ W.T + b).tanh()))(x).square().sum((1, 2))",
            "torch.einsum('bi,ij->b', 1 / (x @ W.T + b).cosh() ** 4, W**2)",
        ],
    ),
    "contractive-3": (
        "C, lam",
        [
            f"{EIGEN}\nreturn (Q * torch.relu(1 - lam / (2 * kappa))) @ Q.T",
            "U, S, Vh = torch.linalg.svd(C)\nreturn U @ torch.diag((1 - lam / (2 * S)).clamp(min=0)) @ Vh",
        ],
    ),
}
