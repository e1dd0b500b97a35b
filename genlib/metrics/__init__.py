"""Numbers by which chapters compare models: likelihood by importance sampling, a Fréchet distance, a judge of
samples, probes of a code, clusters and modes, W₁, disentanglement, the density of all codes together."""

from .aggregate import log_aggregate, log_mss, ratio_total_correlation, split_rate
from .codes import gaussian_mixture, kmeans, knn_accuracy, linear_probe, modes_covered, nearest, wasserstein1
from .factors import beta_vae_metric, dci, factor_vae_metric, mig, mutual_information, sap
from .features import Features, frechet, frechet_from_moments, frechet_moments
from .judge import agreement, class_probabilities, class_score, classes_covered, gan_train
from .likelihood import importance_log_likelihood, in_chunks

__all__ = ["Features", "agreement", "beta_vae_metric", "class_probabilities", "class_score", "classes_covered", "dci"]
__all__ += ["factor_vae_metric", "frechet", "frechet_from_moments", "frechet_moments", "gan_train", "gaussian_mixture"]
__all__ += ["importance_log_likelihood", "in_chunks", "kmeans", "knn_accuracy", "linear_probe", "log_aggregate"]
__all__ += ["log_mss", "mig", "modes_covered", "mutual_information", "nearest", "ratio_total_correlation", "sap"]
__all__ += ["split_rate", "wasserstein1"]
