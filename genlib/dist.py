"""Densities and divergences that torch.distributions lacks; each stands here once."""

import math

import torch
from torch.distributions import MultivariateNormal


class LinearGaussian:
    """The test bed in which nothing is intractable: z ~ N(0, I), x | z ~ N(Wz + b, σ²I), all in float64.

    Evidence and posterior are Gaussian and exact (Tipping & Bishop 1999, equations 5–8), so that a bound, an estimator
    or a gradient can be held against the truth. latent, visible: the dimensions of z and x; noise: σ.
    """

    def __init__(self, latent, visible, noise, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.W = torch.randn(visible, latent, generator=generator, dtype=torch.float64)
        self.b = torch.randn(visible, generator=generator, dtype=torch.float64)
        self.noise, self.latent, self.visible = noise, latent, visible
        self.generator = generator

    def sample(self, n):
        """n draws of x, (n, visible)."""
        z = torch.randn(n, self.latent, generator=self.generator, dtype=torch.float64)
        eps = torch.randn(n, self.visible, generator=self.generator, dtype=torch.float64)
        return z @ self.W.T + self.b + self.noise * eps

    def log_evidence(self, x):
        """log p(x) = log N(x; b, WWᵀ + σ²I), (B, visible) -> (B,)."""
        eye = torch.eye(self.visible, dtype=torch.float64)
        return MultivariateNormal(self.b, self.W @ self.W.T + self.noise**2 * eye).log_prob(x)

    def posterior(self, x):
        """p(z | x) = N(M⁻¹Wᵀ(x − b), σ²M⁻¹) with M = WᵀW + σ²I; batch shape (B,), event shape (latent,)."""
        M = self.W.T @ self.W + self.noise**2 * torch.eye(self.latent, dtype=torch.float64)
        mean = torch.linalg.solve(M, self.W.T @ (x - self.b).T).T
        return MultivariateNormal(mean, covariance_matrix=self.noise**2 * torch.linalg.inv(M))

    def log_joint(self, x, z):
        """log p(x, z) = log p(x | z) + log p(z), in nats; broadcasts over leading axes of z."""
        off = (x - self.b) / self.noise - z @ (self.W / self.noise).T  # Normal.log_prob would hold it five times
        constant = 0.5 * (self.visible + self.latent) * math.log(2 * math.pi) + self.visible * math.log(self.noise)
        return -0.5 * ((off * off).sum(-1) + (z * z).sum(-1)) - constant

    def elbo(self, x, q):
        """E_q[log p(x, z) − log q(z)] in closed form for a diagonal Normal q with loc, scale (B, latent); -> (B,)."""
        m, s = q.loc, q.scale.expand_as(q.loc)
        spread = 0.5 * (s**2 * (1 + (self.W**2).sum(0) / self.noise**2)).sum(-1)  # what log p(x, z) loses around m
        return self.log_joint(x, m) - spread + q.entropy().expand_as(m).sum(-1)

    def kl_to_posterior(self, q, x):
        """KL(q ‖ p(z | x)) for a diagonal Normal q, by torch's formula for full covariances; -> (B,)."""
        full = MultivariateNormal(q.loc, covariance_matrix=torch.diag_embed(q.scale.expand_as(q.loc) ** 2))
        return torch.distributions.kl_divergence(full, self.posterior(x))
