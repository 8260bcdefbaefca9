"""How far an image lies from those that a head was trained on: a distance on the features that the head reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from topwork._arrays import AnyArray, Float32Array, Float64Array
from topwork.errors import DataError, ModelError

from ._design import column_statistics
from ._rows import check_query, row_chunks, threads_for
from ._tensors import Stored

_COMPONENTS = 32
_LEAST = 1e-3  # of the mean variance: no direction counts as quieter
_OVERSAMPLING, _ROUNDS = 10, 2  # of the randomised decomposition


@dataclass(frozen=True, eq=False)
class Novelty(Stored):
    """A Mahalanobis distance whose covariance is known in a few directions and the same in all others.

    Along the directions in which the training images vary most, their own variance counts; in the many others, whose
    variances a few hundred images cannot tell, their mean. That is the Gaussian of probabilistic PCA (Tipping & Bishop
    1999, "Probabilistic Principal Component Analysis").

    Args:
        mean: (D,) float32, subtracted from the features.
        scale: (D,) float32 > 0, the features are divided by it.
        basis: (D, k) float32, orthonormal columns.
        variances: (k,) float32 > 0, along the basis.
        rest: > 0, in every direction beside it.
        reference: (M,) float32, distances of training images, each from the others alone.

    Raises:
        ModelError: Shapes that do not fit each other, NaN or Inf, a scale or variance that is not positive.
    """

    mean: Float32Array
    scale: Float32Array
    basis: Float32Array
    variances: Float32Array
    rest: float
    reference: Float32Array

    def __post_init__(self) -> None:
        if self.basis.ndim != 2 or 0 in self.basis.shape or self.reference.ndim != 1 or not len(self.reference):
            raise ModelError(
                f"basis, reference: expected float32 (D, k) and (M,), got {self.basis.shape} and {self.reference.shape}"
            )
        width, count = self.basis.shape
        self._require_shapes(basis=(width, count), mean=(width,), scale=(width,), variances=(count,))
        self._require_shapes(reference=self.reference.shape)
        self._require_positive("scale", "variances", "rest")

    def distances(self, features: AnyArray) -> Float32Array:
        """Mean squared distance (N,) over the D features (N, D): about 1 in training; DataError for another D."""
        check_query(features, self.n_features)
        out = np.empty(len(features), np.float32)
        for part in row_chunks(*features.shape):
            rows = (features[part] - self.mean) / self.scale
            along = rows @ self.basis
            beside = np.maximum(np.square(rows).sum(axis=1) - np.square(along).sum(axis=1), 0)
            out[part] = (np.square(along) / self.variances).sum(axis=1) + beside / np.float32(self.rest)
        out /= np.float32(self.n_features)
        return out


def fit_novelty(
    features: AnyArray, fold_of: AnyArray, *, column_weights: AnyArray | None = None, seed: int = 0
) -> Novelty:
    """Learn what the training images' features look like.

    The distances that new ones are compared with must be those of images that took no part in the fit, so each fold is
    measured by a fit on the others; the final one is on all.

    Args:
        features: (N, D) floats.
        fold_of: (N,) the fold, from 0, in which a row is measured; below 0 it never is.
        column_weights: (D,) positive; the standard deviation of each feature after standardising, 1 by default.
        seed: Of the randomised decomposition (Halko, Martinsson & Tropp 2011).

    Raises:
        DataError: Fewer than four rows to fit on, or no row to measure.
    """
    folds = [fold for fold in np.unique(fold_of).tolist() if fold >= 0]
    if fold_of.shape != (len(features),) or not folds:
        raise DataError(f"fold_of must be ({len(features)},) with a fold at least, got {fold_of.shape}")
    values = np.asarray(features, np.float32)
    weights = np.ones(values.shape[1], np.float32) if column_weights is None else column_weights
    measured = np.zeros(len(values), np.float32)
    with threads_for(float(values.size) * _COMPONENTS):
        for fold in folds:
            rows = fold_of == fold
            measured[rows] = _fitted(values[~rows], weights, seed).distances(values[rows])
        final = _fitted(values, weights, seed)
    return replace(final, reference=measured[fold_of >= 0])


def _fitted(values: Float32Array, weights: AnyArray, seed: int) -> Novelty:
    """The distance from these rows, without references.

    The scale is theirs too: that of all rows would know of a channel which only the row to be measured wakes.
    """
    if len(values) < 4:
        raise DataError(f"{len(values)} rows are too few to tell what is unlike them")
    mean, scale = column_statistics(values)
    scale = (scale / weights).astype(np.float32)
    rows = (values - mean) / scale
    count = min(_COMPONENTS, len(rows) // 4, rows.shape[1])
    basis, lengths = _directions(rows, count, seed)
    free = len(rows) - 1
    variances = lengths**2 / free
    total = float(np.square(rows, dtype=np.float64).sum()) / free
    floor = max(_LEAST * total / rows.shape[1], float(np.finfo(np.float32).eps))  # rounding alone is no novelty
    rest = max((total - float(variances.sum())) / max(rows.shape[1] - count, 1), floor)
    variances = np.maximum(variances, rest).astype(np.float32)
    return Novelty(mean, scale, basis, variances, rest, reference=np.zeros(1, np.float32))


def _directions(rows: Float32Array, count: int, seed: int) -> tuple[Float32Array, Float64Array]:
    """The first right singular vectors (D, k) of rows (N, D), and their singular values (k,)."""
    width = min(count + _OVERSAMPLING, *rows.shape)
    start = np.random.default_rng(seed).standard_normal((rows.shape[1], width)).astype(np.float32)
    sketch, _ = np.linalg.qr(rows @ start)
    for _ in range(_ROUNDS):
        sketch, _ = np.linalg.qr(rows @ (rows.T @ sketch))
    _, lengths, directions = np.linalg.svd(sketch.T @ rows, full_matrices=False)
    return np.ascontiguousarray(directions[:count].T), lengths[:count].astype(np.float64)
