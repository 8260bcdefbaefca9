"""The k-nearest-neighbour head: the baseline that a trained head has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topwork._arrays import AnyArray, Float32Array, Int64Array, IntpArray
from topwork.errors import DataError, ModelError

from ._design import column_statistics
from ._rows import check_query, check_training, row_chunks
from ._tensors import Stored

_CHOICES = (1, 3, 5, 10, 20)
_MAX_QUERIES = 4096  # images on which k is chosen: enough to tell five values apart, and it bounds the time
TEMPERATURE = 0.07


@dataclass(frozen=True, eq=False)
class KNNHead(Stored):
    """Cosine k-nearest neighbours with votes exp(cosine / 0.07).

    Source of the votes: Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance
    Discrimination", as in DINO's evaluation. Features are standardised before their length is set to one:
    features that come after a ReLU are all positive and of very unequal scale, so that without centring every
    cosine is near one and a few loud channels decide.

    Args:
        mean: (D,) float32, subtracted from the features.
        scale: (D,) float32 > 0, the features are divided by it.
        bank: (N, D) float32, the training rows, standardised and of length one.
        labels: (N,) int64.
        n_classes: C.
        k: Number of neighbours that vote, 1..N.

    Raises:
        ModelError: Shapes that do not fit each other, NaN or Inf, labels or k out of range.
    """

    mean: Float32Array
    scale: Float32Array
    bank: Float32Array
    labels: Int64Array
    n_classes: int
    k: int

    kind: ClassVar[str] = "knn"

    def __post_init__(self) -> None:
        if self.bank.ndim != 2 or 0 in self.bank.shape:
            raise ModelError(f"bank: expected float32 (N, D), got {self.bank.shape}")
        size, width = self.bank.shape
        self._require_shapes(bank=(size, width), mean=(width,), scale=(width,))
        self._require_shapes("int64", labels=(size,))
        self._require_positive("scale")
        if self.n_classes < 2 or self.labels.min() < 0 or self.labels.max() >= self.n_classes:
            raise ModelError(f"labels: expected 0..{self.n_classes - 1} with at least 2 classes")
        if not 1 <= self.k <= size:
            raise ModelError(f"k: expected 1..{size}, got {self.k}")

    def probabilities(self, features: AnyArray) -> Float32Array:
        """Features (N, D) to probabilities (N, C): shares of the neighbours' votes; DataError for another D."""
        check_query(features, len(self.mean))
        out = np.empty((len(features), self.n_classes), np.float32)
        for part in row_chunks(len(features), max(self.bank.shape)):
            cosines = unit_rows(features[part], self.mean, self.scale) @ self.bank.T
            nearest = _nearest(cosines, self.k)
            out[part] = _vote(np.take_along_axis(cosines, nearest, axis=1), self.labels[nearest], self.n_classes)
        return out

    @property
    def calibration(self) -> dict[str, float]:
        return {}  # shares of votes are not calibrated

    def uncalibrated(self) -> None:
        """None, since there is no calibration to leave out."""


def fit_knn(features: AnyArray, labels: AnyArray, n_classes: int, *, k: int | None = None, seed: int = 0) -> KNNHead:
    """Store the rows, and choose k by leave-one-out accuracy over 1, 3, 5, 10 and 20.

    Ties go to the larger k, whose probabilities are the smoother. Beyond 4,096 images a seeded sample of so
    many is asked; all of them always answer.

    Args:
        features: (N, D) floats, finite; may be memory-mapped.
        labels: (N,) integers in 0..n_classes-1, at least two classes among them.
        n_classes: C; a class without images gets a probability of zero.
        k: Number of neighbours, 1..N; None chooses.
        seed: Which images are asked, where there are many.

    Raises:
        DataError: Features or labels that cannot be fitted, or k out of range.
    """
    labels = check_training(features, labels, n_classes)
    if k is not None and not 1 <= k <= len(labels):
        raise DataError(f"k must be in 1..{len(labels)}, got {k}")
    mean, scale = column_statistics(features)
    bank = np.empty(features.shape, np.float32)
    for part in row_chunks(*features.shape):
        bank[part] = unit_rows(features[part], mean, scale)
    if k is None:
        k = _choose_k(bank, labels, n_classes, seed)
    return KNNHead(mean, scale, bank, labels.astype(np.int64), n_classes, k)


def unit_rows(features: AnyArray, mean: Float32Array, scale: Float32Array) -> Float32Array:
    """Rows (N, D), standardised and of length one; a row equal to the mean stays zero."""
    rows = ((features - mean) / scale).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(lengths > 0, lengths, 1)
    return rows


def _nearest(cosines: Float32Array, k: int) -> IntpArray:
    """Indices (N, k) of the largest cosines, the largest first."""
    found = np.argpartition(cosines, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(cosines, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)


def _vote(cosines: Float32Array, labels: AnyArray, n_classes: int) -> Float32Array:
    """Neighbours' cosines and labels (N, k), nearest first, to shares (N, C)."""
    weights = np.exp((cosines - cosines[:, :1]) / TEMPERATURE)
    shares = np.zeros((len(cosines), n_classes), np.float32)
    np.add.at(shares, (np.arange(len(cosines))[:, None], labels), weights)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def _choose_k(bank: Float32Array, labels: IntpArray, n_classes: int, seed: int) -> int:
    """The k with the most images named right by the others."""
    choices = [k for k in _CHOICES if k < len(bank)]
    every = np.random.default_rng(seed).permutation(len(bank))[:_MAX_QUERIES]
    right = np.zeros(len(choices), np.int64)
    for part in row_chunks(len(every), len(bank)):
        asked = every[part]
        cosines = bank[asked] @ bank.T
        cosines[np.arange(len(asked)), asked] = -np.inf
        nearest = _nearest(cosines, choices[-1])
        near = np.take_along_axis(cosines, nearest, axis=1)
        votes = (_vote(near[:, :k], labels[nearest[:, :k]], n_classes) for k in choices)
        right += [np.sum(vote.argmax(axis=1) == labels[asked]) for vote in votes]
    return choices[len(choices) - 1 - int(np.argmax(right[::-1]))]
