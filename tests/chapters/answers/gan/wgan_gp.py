"""What people answer to the graded exercises of WGAN-GP, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

_START = """
eps = eps.view(-1, *[1] * (x.dim() - 1))
u = (eps * x + (1 - eps) * y).detach().requires_grad_()
"""
_GRADIENT = "(v,) = torch.autograd.grad(f(u).sum(), u, create_graph=True)\n"

WRONG = {
    "wgan-gp-2": (
        "f, x, y, eps",
        {
            "both sides": _START + _GRADIENT + "return (v.flatten(1).norm(dim=1) - 1).square().mean()",
            "without a graph": _START
            + "(v,) = torch.autograd.grad(f(u).sum(), u)\n"
            + "return (v.flatten(1).norm(dim=1) - 1).clamp(min=0).square().mean()",
            "the norm over channels": _START + _GRADIENT + "return (v.norm(dim=1) - 1).clamp(min=0).square().mean()",
            "not squared": _START + _GRADIENT + "return (v.flatten(1).norm(dim=1) - 1).clamp(min=0).mean()",
            "the squared norm": _START
            + _GRADIENT
            + "return (v.flatten(1).square().sum(1) - 1).clamp(min=0).square().mean()",
            "a sum over the batch": _START
            + _GRADIENT
            + "return (v.flatten(1).norm(dim=1) - 1).clamp(min=0).square().sum()",
            "ε at the other end": _START.replace("eps * x + (1 - eps) * y", "eps * y + (1 - eps) * x")
            + _GRADIENT
            + "return (v.flatten(1).norm(dim=1) - 1).clamp(min=0).square().mean()",
            "one norm for the batch": _START + _GRADIENT + "return (v.norm() - 1).clamp(min=0).square()",
        },
    ),
}

ALSO_RIGHT = {
    "wgan-gp-2": (
        "f, x, y, eps",
        [
            "a, b = x.flatten(1), y.flatten(1)\n"
            "u = (b + eps[:, None] * (a - b)).view_as(x).detach().requires_grad_()\n"
            "v = torch.autograd.grad(f(u).sum(), u, create_graph=True)[0].flatten(1)\n"
            "return (((v**2).sum(1).sqrt() - 1).relu() ** 2).mean()"
        ],
    ),
}
