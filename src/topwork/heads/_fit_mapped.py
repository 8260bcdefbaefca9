"""Learn what a network's own classes mean to the user from labelled images. Nothing is trained: it is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.errors import DataError

from ._checks import Doubles, Floats, Integers, check_training, row_chunks
from ._mapped import MappedHead, logarithms, network_probabilities
from ._temperature import fit_temperature

# At softness one, 20 dogs tell of the few breeds among them and nothing of the other hundred; softened, each of them
# also tells of the breeds it resembles. Accuracy on cats and dogs from 20 images a class, ten draws: 94.8 % at 1,
# 97.1 % at 2, 97.8 % at 3, 98.0 % at 4; ants and bees 96.1, 96.0, 95.8, 95.9 % (docs/decisions/as-is.md).
_SOFTNESS = 3.0
# Imagined images of the classes' own proportions that every class of the network has seen besides the real ones.
_IMAGINED = 0.01


def fit_mapped(
    features: npt.NDArray[Any], labels: npt.NDArray[Any], n_classes: int, weight: Floats, bias: Floats
) -> MappedHead:
    """The empirical distribution of the user's classes given the network's, as in LEEP.

    Source: Nguyen et al. 2020, "LEEP: A New Measure to Evaluate Transferability of Learned Representations": the joint
    distribution of labels and of the network's probabilities, summed over the images, gives p(c | k), and the expected
    empirical predictor is p(c | x) = sum over k of p(c | k) p(k | x). Here the network's probabilities are softened
    first, and the answer's temperature is fitted on what each image gets when it is left out.

    Args:
        features: (N, D) floats, finite: the network's own pooled features; may be memory-mapped.
        labels: (N,) integers in 0..n_classes-1.
        n_classes: C.
        weight: (D, K) float32, the classifier of the network.
        bias: (K,) float32.

    Raises:
        DataError: Features or labels that cannot be used, or a class without an image.
    """
    labels = check_training(features, labels, n_classes)
    counts = np.bincount(labels, minlength=n_classes)
    if not counts.all():
        raise DataError(f"class {int(counts.argmin())} has no image to learn from")
    imagined = _IMAGINED * counts / len(labels)
    joint = np.tile(imagined, (len(bias), 1))
    chunks = [*row_chunks(len(features), max(weight.shape))]
    for part in chunks:
        answers = network_probabilities(features[part], weight, bias, _SOFTNESS)
        joint += answers.T @ np.eye(n_classes)[labels[part]]
    held_out = np.empty((len(labels), n_classes))
    for part in chunks:
        answers = network_probabilities(features[part], weight, bias, _SOFTNESS)
        held_out[part] = _without_oneself(answers, labels[part], joint, counts, imagined)
    shares = (joint / joint.sum(axis=1, keepdims=True)).astype(np.float32)
    known = counts[labels] > 1  # nothing is left of a class when its only image is left out
    return MappedHead(weight, bias, shares, _SOFTNESS, _temperature(held_out[known], labels[known]))


def _without_oneself(answers: Floats, labels: Integers, joint: Doubles, counts: Integers, imagined: Doubles) -> Doubles:
    """What images (n, K) of the joint distribution (K, C) get when they take no part in it: (n, C).

    An image's class keeps its weight: the others of that class count for a little more instead.
    """
    theirs, size = joint.T[labels], counts[labels][:, None]
    extra = imagined[labels][:, None]
    others = (theirs - extra - answers) * (size / np.maximum(size - 1, 1)) + extra
    others = np.maximum(others, 0)  # a difference of equal numbers may round to less
    scaled = answers / (joint.sum(axis=1) - theirs + others)
    found: Doubles = scaled @ joint
    found[np.arange(len(labels)), labels] = (scaled * others).sum(axis=1)
    return found


def _temperature(probabilities: Doubles, labels: Integers) -> float:
    """The temperature at which these probabilities (n, C) are honest.

    Softened ones differ by little; they are spread out first, as the search has bounds.
    """
    if not len(labels):
        return 1.0
    logits = logarithms(probabilities.astype(np.float32))
    spread = max(float(logits.std(axis=1).mean()), 1e-6)
    return spread * fit_temperature(logits / np.float32(spread), labels)
