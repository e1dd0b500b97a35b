"""What people answer to the graded exercise of Sparse autoencoder, wrongly and rightly."""

ETA = "1 / torch.linalg.matrix_norm(W, 2) ** 2"
LOOP = """z = x.new_zeros(len(x), len(W))
for _ in range(n):
    u = z + {eta} * {gradient}
    z = {keep}
return z"""
MAGNITUDES = "u * (u.abs() >= u.abs().topk(k, 1).values[:, -1:])"
RIGHT = {"eta": ETA, "gradient": "(x - z @ W) @ W.T", "keep": MAGNITUDES}


def steps(**other):
    """The right answer with some of its parts replaced."""
    return LOOP.format(**RIGHT | other)


WRONG = {
    "sparse-2": (
        "x, W, k, n",
        {
            "a step of 1": steps(eta="1"),
            "the norm not squared": steps(eta="1 / torch.linalg.matrix_norm(W, 2)"),
            "the Frobenius norm": steps(eta="1 / W.norm() ** 2"),
            "half of the safe step": steps(eta=f"0.5 * {ETA}"),
            "uphill": steps(gradient="(z @ W - x) @ W.T"),
            "no residual": steps(gradient="x @ W.T"),
            "magnitudes, the sign lost": steps(keep="u.abs() * (u.abs() >= u.abs().topk(k, 1).values[:, -1:])"),
            "the largest of the whole batch": steps(
                keep="u * (u.abs() >= u.abs().flatten().topk(k * len(u)).values[-1])"
            ),
            "one more kept": steps(keep="u * (u.abs() >= u.abs().topk(k + 1, 1).values[:, -1:])"),
            "nothing dropped": steps(keep="u"),
            "dropped at the end alone": steps(keep="u").replace(
                "return z", "return z * (z.abs() >= z.abs().topk(k, 1).values[:, -1:])"
            ),
            "one step alone": steps().replace("range(n)", "range(1)"),
            "the reconstructions": steps().replace("return z", "return z @ W"),
        },
    ),
}

ALSO_RIGHT = {
    "sparse-2": (
        "x, W, k, n",
        [
            steps(eta="1 / torch.linalg.eigvalsh(W @ W.T)[-1]"),
            steps(eta="1 / torch.linalg.svdvals(W)[0] ** 2", gradient="(x @ W.T - z @ (W @ W.T))"),
        ],
    ),
}
