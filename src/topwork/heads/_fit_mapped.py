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
# also tells of the breeds it resembles. Pictures of which the network can make nothing, such as cloth, speak a little
# for all of its classes, and at 3 still for many that the other images have not named (docs/decisions/as-is.md).
SOFTNESS = 4.0
# Imagined images of the classes' own proportions that every class of the network has seen besides the real ones.
_IMAGINED = 0.01


def fit_mapped(
    features: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    n_classes: int,
    weight: Floats,
    bias: Floats,
    *,
    softness: float = SOFTNESS,
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
        softness: What the network's logits are divided by; above one, its second thoughts count for more.

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
        answers = network_probabilities(features[part], weight, bias, softness)
        joint += answers.T @ np.eye(n_classes)[labels[part]]
    held_out = np.empty((len(labels), n_classes))
    for part in chunks:
        answers = network_probabilities(features[part], weight, bias, softness)
        held_out[part] = _without_oneself(answers, labels[part], joint, counts, imagined)
    shares = (joint / joint.sum(axis=1, keepdims=True)).astype(np.float32)
    known = counts[labels] > 1  # nothing is left of a class when its only image is left out
    return MappedHead(weight, bias, shares, softness, _temperature(held_out[known], labels[known]))


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
