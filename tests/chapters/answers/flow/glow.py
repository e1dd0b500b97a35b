"""What people answer to the graded exercises of Glow, wrongly and rightly."""

# An answer with places for the parts that people get wrong: the inverse of a step of flow.
MOVE = (
    "[(y_b, [h := F.conv2d(torch.cat([y_a, {}], 1), ({})[:, :, None, None]), {}][1])"
    " for y_a, y_b in [y.chunk(2, 1)] for r, t in [net(y_a).chunk(2, 1)]"
    " for S, B in [(l.exp()[:, None, None], b[:, None, None])]][0][1]"
)

WRONG = {
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

ALSO_RIGHT = {
    "glow-2": (
        "y, l, b, W, net",
        [MOVE.format("y_b / torch.sigmoid(r + 2) - t", "torch.linalg.inv(W)", "(h - B) / S")],
    ),
}
