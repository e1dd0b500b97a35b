"""What people answer to the graded exercises of SNGAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

_SVD = "U, S, Vt = torch.linalg.svd(W, full_matrices=False)\n"

WRONG = {
    "sngan-2": (
        "G, W",
        {
            "σ held fixed": "G / torch.linalg.svdvals(W).max()",
            "the part along W taken out": "(G - (G * W).sum() / (W * W).sum() * W) / torch.linalg.svdvals(W).max()",
            "without 1/σ": _SVD + "return G - (G * W / S[0]).sum() * torch.outer(U[:, 0], Vt[0])",
            "W in place of W/σ": _SVD + "return (G - (G * W).sum() * torch.outer(U[:, 0], Vt[0])) / S[0]",
            "the sign": _SVD + "return (G + (G * W / S[0]).sum() * torch.outer(U[:, 0], Vt[0])) / S[0]",
            "the second singular direction": _SVD
            + "return (G - (G * W / S[0]).sum() * torch.outer(U[:, 1], Vt[1])) / S[0]",
            "the Frobenius norm": "(G - (G * W).sum() / W.norm() ** 2 * W) / W.norm()",
        },
    ),
}

ALSO_RIGHT = {
    "sngan-2": (
        "G, W",
        [
            "V = W.detach().clone().requires_grad_()\n"
            "(found,) = torch.autograd.grad((G * V / torch.linalg.matrix_norm(V, 2)).sum(), V)\n"
            "return found"
        ],
    ),
}
