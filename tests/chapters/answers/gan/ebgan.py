"""What people answer to the graded exercises of EBGAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

WRONG = {
    "ebgan-3": (
        "p, q, D, m",
        {
            "the losses, not the gains": "import torch\n"
            "return torch.stack([(p * D + q * (m - D).clamp(min=0)).sum(), (q * D).sum()])",
            "the value is m, whatever q is": "import torch\n"
            "return torch.stack([(p * D + q * (m - D).clamp(min=0)).sum() - m, (q * D).sum() - D.min()])",
            "the generator may only draw data": "import torch\n"
            "L_D = (p * D + q * (m - D).clamp(min=0)).sum()\n"
            "return torch.stack([L_D - m * torch.minimum(p, q).sum(), (q * D).sum() - (p * D).sum()])",
            "the lowest energy where there are data": "import torch\n"
            "L_D = (p * D + q * (m - D).clamp(min=0)).sum()\n"
            "return torch.stack([L_D - m * torch.minimum(p, q).sum(), (q * D).sum() - D[p > 0].min()])",
            "no hinge": "import torch\n"
            "L_D = (p * D + q * (m - D)).sum()\n"
            "return torch.stack([L_D - m * torch.minimum(p, q).sum(), (q * D).sum() - D.min()])",
            "m times the total variation": "import torch\n"
            "L_D = (p * D + q * (m - D).clamp(min=0)).sum()\n"
            "return torch.stack([L_D - m * 0.5 * (p - q).abs().sum(), (q * D).sum() - D.min()])",
            "the larger density": "import torch\n"
            "L_D = (p * D + q * (m - D).clamp(min=0)).sum()\n"
            "return torch.stack([L_D - m * torch.maximum(p, q).sum(), (q * D).sum() - D.min()])",
            "the other way round": "import torch\n"
            "L_D = (p * D + q * (m - D).clamp(min=0)).sum()\n"
            "return torch.stack([(q * D).sum() - D.min(), L_D - m * torch.minimum(p, q).sum()])",
        },
    ),
}

ALSO_RIGHT = {
    "ebgan-3": (
        "p, q, D, m",
        [
            "import torch\n"
            "y = m * (p < q)\n"
            "loss = lambda y: (p * y + q * (m - y).clamp(min=0)).sum()\n"
            "return torch.stack([loss(D) - loss(y), (q * (D - D.min())).sum()])"
        ],
    ),
}
