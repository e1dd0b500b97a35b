"""What people answer to the graded exercises of β-TCVAE, wrongly and rightly."""

ARGS = "own, joint, apart, prior, alpha, beta, gamma"

WRONG = {
    "beta-tc-2": (
        ARGS,
        {
            "a sum over the batch": "(alpha*(own-joint) + beta*(joint-apart) + gamma*(apart-prior)).sum()",
            "no mean": "alpha*(own-joint) + beta*(joint-apart) + gamma*(apart-prior)",
            "information against the prior": "(alpha*(own-prior) + beta*(joint-apart) + gamma*(apart-prior)).mean()",
            "weights exchanged": "(beta*(own-joint) + alpha*(joint-apart) + gamma*(apart-prior)).mean()",
            "β − 1 for β": "(alpha*(own-joint) + (beta-1)*(joint-apart) + gamma*(apart-prior)).mean()",
            "β-VAE": "beta * (own - prior).mean()",
            "total correlation upside down": "(alpha*(own-joint) + beta*(apart-joint) + gamma*(apart-prior)).mean()",
        },
    ),
}

ALSO_RIGHT = {
    "beta-tc-2": (
        ARGS,
        ["(alpha*own + (beta-alpha)*joint + (gamma-beta)*apart - gamma*prior).mean()"],
    ),
}
