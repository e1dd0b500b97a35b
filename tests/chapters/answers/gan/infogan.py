"""What people answer to the graded exercises of InfoGAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

START = "joint = p[:, None] * made\np_x = joint.sum(0)\npost = joint / p_x.clamp(min=1e-300)\n"
KL = "kl = torch.special.xlogy(post, post) - torch.special.xlogy(post, Q)\n"

WRONG = {
    "infogan-2": (
        "p, made, Q",
        {
            "0 log 0": START + "return (p_x * (post * (post / Q).log()).sum(0)).sum()",
            "the KL turned round": START + "return (p_x * (Q * (Q / post.clamp(min=1e-9)).log()).sum(0)).sum()",
            "a mean over the images": START + KL + "return kl.sum(0).mean()",
            "a sum over the images": START + KL + "return kl.sum()",
            "one number an image": START + KL + "return kl.sum(0)",
            "the likelihood for the posterior": "kl = torch.special.xlogy(made, made) - torch.special.xlogy(made, Q)\n"
            "return (p[:, None] * kl).sum()",
            "uniform codes": "post = made / made.sum(0).clamp(min=1e-300)\np_x = made.mean(0)\n"
            + KL
            + "return (p_x * kl.sum(0)).sum()",
            "the bound without H(c)": "torch.special.xlogy(p[:, None] * made, Q).sum()",
            "the cross-entropy, by the posterior": START + "return -(p_x * torch.special.xlogy(post, Q).sum(0)).sum()",
        },
    ),
}

ALSO_RIGHT = {
    "infogan-2": (
        "p, made, Q",
        [
            START + "return torch.special.xlogy(joint, post / Q.clamp(min=1e-300)).sum()",
            START + "return torch.special.xlogy(joint, post).sum() - torch.special.xlogy(joint, Q).sum()",
        ],
    ),
}
