"""Numbers by which chapters compare models: likelihood by importance sampling, a Fréchet distance, probes of a code,
clusters and modes, W₁, disentanglement."""

from .codes import gaussian_mixture, kmeans, knn_accuracy, linear_probe, modes_covered, nearest, wasserstein1
from .factors import beta_vae_metric, dci, factor_vae_metric, mig, mutual_information, sap
from .features import Features, frechet, frechet_from_moments, frechet_moments
from .likelihood import importance_log_likelihood, in_chunks

__all__ = ["Features", "beta_vae_metric", "dci", "factor_vae_metric", "frechet", "frechet_from_moments"]
__all__ += ["frechet_moments", "gaussian_mixture", "importance_log_likelihood", "in_chunks", "kmeans", "knn_accuracy"]
__all__ += ["linear_probe", "mig", "modes_covered", "mutual_information", "nearest", "sap", "wasserstein1"]
