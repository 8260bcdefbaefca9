"""The mapped head: a network's own classes answer, and a table says what each of them means to the user.

The table is given by groups of classes, or learnt from labelled images; then nothing is trained: it is counted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topwork._arrays import AnyArray, Float32Array, Float64Array, IntpArray
from topwork.errors import DataError, ModelError
from topwork.metrics import softmax

from ._rows import check_query, check_training, row_chunks
from ._temperature import TemperatureScaled, fit_temperature

_ROUNDING = 1e-3  # a row of float32 shares may sum to so much more than one
# At softness one, 20 dogs tell of the few breeds among them and nothing of the other hundred; softened, each of them
# also tells of the breeds it resembles. Pictures of which the network can make nothing, such as cloth, speak a little
# for all of its classes, and at 3 still for many that the other images have not named (docs/decisions/as-is.md).
SOFTNESS = 4.0
# Imagined images of the classes' own proportions that every class of the network has seen besides the real ones.
_IMAGINED = 0.01


@dataclass(frozen=True, eq=False)
class MappedHead(TemperatureScaled):
    """The network's own probabilities, summed over what its classes mean to the user.

    p(c | x) is proportional to (sum over k of softmax((W'x + b) / softness)[k] * shares[k, c]) ** (1 / temperature).

    Args:
        weight: (D, K) float32, the classifier of the network.
        bias: (K,) float32.
        shares: (K, C) float32 >= 0, how much class k of the network speaks for class c of the user. Network classes
            that speak for none are left out, so that the others' probabilities sum to one without them.
        softness: > 0; above one, the network's second thoughts count for more.
        temperature: > 0; as fitted where there were images for it.

    Raises:
        ModelError: Shapes that do not fit each other, fewer than two classes, NaN or Inf, shares that sum to nothing
            or to more than one, a softness or temperature that is not positive.
    """

    weight: Float32Array
    bias: Float32Array
    shares: Float32Array
    softness: float = 1.0
    temperature: float = 1.0

    kind: ClassVar[str] = "mapped"

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.shares.ndim != 2 or self.shares.shape[1] < 2:
            raise ModelError(
                f"weight, shares: expected float32 (D, K) and (K, C) with C >= 2, got {self.weight.shape} "
                f"and {self.shares.shape}"
            )
        width, own = self.weight.shape
        self._require_shapes(weight=(width, own), bias=(own,), shares=(own, self.n_classes))
        sums = self.shares.sum(axis=1)
        if (self.shares < 0).any() or not ((sums > 0) & (sums <= 1 + _ROUNDING)).all():
            raise ModelError("shares: expected rows of positive numbers that sum to one at most")
        if not (self.shares.sum(axis=0) > 0).all():
            raise ModelError("shares: a class has no share in any class of the network")
        self._require_positive("softness", "temperature")

    @property
    def n_classes(self) -> int:
        return int(self.shares.shape[1])

    def logits(self, features: AnyArray) -> Float32Array:
        check_query(features, self.n_features)
        out = np.empty((len(features), self.n_classes), np.float32)
        for part in row_chunks(len(features), max(self.weight.shape)):
            answers = network_probabilities(features[part], self.weight, self.bias, self.softness)
            out[part] = _logarithms(answers @ self.shares)
        return out


def map_classes(weight: Float32Array, bias: Float32Array, groups: Sequence[Collection[int]]) -> MappedHead:
    """The head that gives each of the user's classes its own classes of the network.

    A class of the network counts 1 / (size of its group): the network was trained on equally many images of each of its
    classes, and would otherwise hold dog (118 breeds) to be nine times as likely as cat (13 classes). With the user's
    classes equally likely the posterior is the group's mean (Saerens et al. 2002, "Adjusting the outputs of a
    classifier to new a priori probabilities"). Cats and dogs by Lite0: 98.0 % with the mean, 93.6 % with the sum.

    Args:
        weight: (D, K) float32, the classifier of the network.
        bias: (K,) float32.
        groups: For each of the user's classes, indices in 0..K-1; no index twice, no group empty.
    """
    shares = np.zeros((len(bias), len(groups)), np.float32)
    for column, group in enumerate(groups):
        shares[list(group), column] = 1 / len(group)
    kept = shares.any(axis=1)
    return MappedHead(np.ascontiguousarray(weight[:, kept]), bias[kept], shares[kept])


def network_probabilities(
    features: AnyArray, weight: Float32Array, bias: Float32Array, softness: float = 1.0
) -> Float32Array:
    """What the network's own classes say: softmax of (features (N, D) @ weight (D, K) + bias (K,)) / softness."""
    logits = features.astype(np.float32, copy=False) @ weight + bias
    return softmax(logits, softness, out=logits)


def _logarithms(answers: Float32Array) -> Float32Array:
    """Logarithms that stay finite where a probability has underflown to zero."""
    return np.log(np.maximum(answers, np.finfo(np.float32).tiny))


def fit_mapped(
    features: AnyArray,
    labels: AnyArray,
    n_classes: int,
    weight: Float32Array,
    bias: Float32Array,
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


def _without_oneself(
    answers: Float32Array, labels: IntpArray, joint: Float64Array, counts: IntpArray, imagined: Float64Array
) -> Float64Array:
    """What images (n, K) of the joint distribution (K, C) get when they take no part in it: (n, C).

    An image's class keeps its weight: the others of that class count for a little more instead.
    """
    theirs, size = joint.T[labels], counts[labels][:, None]
    extra = imagined[labels][:, None]
    others = (theirs - extra - answers) * (size / np.maximum(size - 1, 1)) + extra
    others = np.maximum(others, 0)  # a difference of equal numbers may round to less
    scaled = answers / (joint.sum(axis=1) - theirs + others)
    found: Float64Array = scaled @ joint
    found[np.arange(len(labels)), labels] = (scaled * others).sum(axis=1)
    return found


def _temperature(probabilities: Float64Array, labels: IntpArray) -> float:
    """The temperature that calibrates these probabilities (n, C).

    Softened ones differ by little; they are spread out first, as the search has bounds.
    """
    if not len(labels):
        return 1.0
    logits = _logarithms(probabilities.astype(np.float32))
    spread = max(float(logits.std(axis=1).mean()), 1e-6)
    return spread * fit_temperature(logits / np.float32(spread), labels)
