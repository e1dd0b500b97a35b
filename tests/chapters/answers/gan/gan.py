"""What people answer to the graded exercises of GAN, wrongly and rightly."""

# A step with places for the parts that people get wrong, and what may stand there.
STEP = "on_real, on_fake = D(real), {}\nloss = {}\n{}\nloss.backward()\nopt_D.step()\nreturn {}"
FAKE = "D(G(z).detach())"
LOSS = "F.softplus(-on_real).mean() + F.softplus(on_fake).mean()"
SWAPPED = "F.softplus(on_real).mean() + F.softplus(-on_fake).mean()"
POOLED = "torch.cat([F.softplus(-on_real), F.softplus(on_fake)]).mean()"
BY_SIGMOID = "-on_real.sigmoid().log().mean() - (1 - on_fake.sigmoid()).log().mean()"
CROSS_ENTROPY = (
    "F.binary_cross_entropy_with_logits(on_real, torch.ones_like(on_real))"
    " + F.binary_cross_entropy_with_logits(on_fake, torch.zeros_like(on_fake))"
)

WRONG = {
    "gan-3": (
        "eta",
        {
            "the same for every step": "1.0",
            "the limit of small steps": "2.0",
            "the other sign": "2 + eta",
            "the step size twice": "2 - 2 * eta",
            "the modulus": "1 - eta",
            "ηγ for γ": "2 * eta - eta**2",
            "a determinant of zero": "1 / eta",
        },
    ),
    "gan-4": (
        "G, D, opt_D, real, z",
        {
            "the fakes not detached": STEP.format("D(G(z))", LOSS, "opt_D.zero_grad()", "loss.detach()"),
            "old gradients kept": STEP.format(FAKE, LOSS, "pass", "loss.detach()"),
            "downhill on V": STEP.format(FAKE, f"-({LOSS})", "opt_D.zero_grad()", "loss.detach()"),
            "the labels swapped": STEP.format(FAKE, SWAPPED, "opt_D.zero_grad()", "loss.detach()"),
            "a sum over the batch": STEP.format(
                FAKE, LOSS.replace("mean", "sum"), "opt_D.zero_grad()", "loss.detach()"
            ),
            "half of the loss": STEP.format(FAKE, f"({LOSS}) / 2", "opt_D.zero_grad()", "loss.detach()"),
            "one mean over all examples": STEP.format(FAKE, POOLED, "opt_D.zero_grad()", "loss.detach()"),
            "the real ones alone": STEP.format(
                FAKE, "F.softplus(-on_real).mean()", "opt_D.zero_grad()", "loss.detach()"
            ),
            "the generator's loss": STEP.format(
                FAKE, "F.softplus(-on_fake).mean()", "opt_D.zero_grad()", "loss.detach()"
            ),
            "logarithms of probabilities": STEP.format(FAKE, BY_SIGMOID, "opt_D.zero_grad()", "loss.detach()"),
            "V in place of the loss": STEP.format(FAKE, LOSS, "opt_D.zero_grad()", "-loss.detach()"),
        },
    ),
}

ALSO_RIGHT = {
    "gan-3": ("eta", ["torch.tensor(2.0) - eta"]),
    "gan-4": (
        "G, D, opt_D, real, z",
        [
            STEP.format(FAKE, CROSS_ENTROPY, "opt_D.zero_grad()", "loss.detach()"),
            STEP.format(
                FAKE, "-(F.logsigmoid(on_real).mean() + F.logsigmoid(-on_fake).mean())", "D.zero_grad()", "loss"
            ),
        ],
    ),
}
