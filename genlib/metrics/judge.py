"""What a classifier of the data set says of samples: their classes, how sure it is, whether they are as asked for.

The classifier is that of ``Features``: it is right on nearly all test images, and has never seen a sample. What it
cannot see (noise that leaves the class alone, a copied training image) these scores cannot see either.
"""

import torch

from ..data import DataError, Dataset, Split
from .features import Features
from .likelihood import in_chunks


def class_probabilities(features, x):
    """p(y | x) of the classifier of a ``Features`` for images x (N, C, H, W): (N, K), rows sum to one."""
    return in_chunks(lambda images: features.head(features(images)).softmax(1), x)


def class_score(features, x):
    """exp E_x KL(p(y | x) ‖ p(y)), the inception score of Salimans et al. (2016) with our own classifier: from 1 to the
    number of classes K. It is K for one sure image a class, repeated: it sees neither copies nor variety in a class."""
    p = class_probabilities(features, x).double()
    kl = torch.special.xlogy(p, p).sum(1) - torch.special.xlogy(p, p.mean(0)).sum(1)
    return float(kl.mean().exp())


def agreement(features, x, y):
    """Share of images x (N, C, H, W) that the classifier puts into the class y (N,) that was asked for."""
    return float((class_probabilities(features, x).argmax(1) == y.to(x.device)).double().mean())


def classes_covered(features, x, least=0.01):
    """How many classes at least the share ``least`` of images x falls into, and the entropy of the shares in nats
    (log K if all are equal)."""
    p = class_probabilities(features, x)
    share = torch.bincount(p.argmax(1), minlength=p.shape[1]).double() / len(x)
    return int((share >= least).sum()), float(-torch.special.xlogy(share, share).sum())


def gan_train(dataset, x, y, seed=0):
    """Test accuracy of a classifier trained on samples x (N, C, H, W) with the labels y (N,) they were asked for, and
    tested on the data's own test images (GAN-train of Shmelkov et al. 2018).

    It has the shape and the recipe of ``Features``, and as many images as there are samples. With the training images
    and their labels for x and y it is the accuracy that no generator is expected to exceed.
    """
    if len(x) != len(y):
        raise DataError(f"Each sample has the label it was asked for: {len(x)} samples, {len(y)} labels.")
    made = Dataset(dataset.name, f"samples of {dataset.title}", Split(x, y), dataset.test, dataset.classes)
    return Features(made, x.device, seed, kept=False).accuracy
