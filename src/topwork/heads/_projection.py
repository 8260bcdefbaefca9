"""Projections: features to embeddings, in which the cosine says whether two images show the same identity.

All are linear and in closed form. What they know of identities they have never seen is how images of one identity
differ: those directions count for less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from topwork._arrays import AnyArray, Float32Array, Float64Array, IntpArray
from topwork.errors import DataError

from ._design import column_statistics
from ._rows import check_query, check_training, one_thread, row_chunks, unit_length
from ._tensors import Stored

ProjectionMethod = Literal["cosine", "standardised", "whitened", "within", "discriminant"]
METHODS: tuple[ProjectionMethod, ...] = get_args(ProjectionMethod)
"""The simplest first."""

SHRINKAGE = 0.3  # on ORL's faces 0.1 and 0.3 are within 0.2 points of each other on every layer, 0.03 is up to 1 worse
_FLOOR = 1e-6  # of the mean variance; keeps a covariance of copies invertible


@dataclass(frozen=True, eq=False)
class Projection(Stored):
    """Features to embeddings of length one: (features - mean) @ matrix, divided by its length.

    Args:
        mean: (D,) float32.
        matrix: (D, K) float32.

    Raises:
        ModelError: Shapes that do not fit each other, NaN or Inf.
    """

    mean: Float32Array
    matrix: Float32Array

    kind: ClassVar[str] = "projection"

    def __post_init__(self) -> None:
        self._require_shapes(mean=(len(self.mean),), matrix=(len(self.mean), self.width))

    @property
    def width(self) -> int:
        """Numbers in an embedding."""
        return int(self.matrix.shape[-1])

    def embed(self, features: AnyArray) -> Float32Array:
        """Features (N, D) to embeddings (N, K), each of length one; one that is the mean itself stays zero.

        Raises:
            DataError: Features of another width.
        """
        check_query(features, self.n_features)
        out = np.empty((len(features), self.width), np.float32)
        for part in row_chunks(len(features), max(self.matrix.shape)):
            out[part] = unit_length((features[part] - self.mean).astype(np.float32) @ self.matrix)
        return out


def fit_projection(
    features: AnyArray,
    labels: AnyArray,
    method: ProjectionMethod,
    *,
    widths: Sequence[int] = (),
    shrinkage: float = SHRINKAGE,
) -> Projection:
    """The projection that these images teach.

    ``cosine`` learns nothing. ``standardised`` centres and scales each feature. ``whitened`` makes all directions of
    the images equally loud, and ``within`` those in which images of one identity differ (within-class covariance
    normalisation); both covariances are mixed with a multiple of the identity of the same trace. ``discriminant`` keeps
    of the latter the directions between the identities alone, one fewer than there are.

    Source: Hatch, Kajarekar & Stolcke 2006, "Within-class covariance normalization for SVM-based speaker recognition";
    Fisher 1936 and Friedman 1989 for the discriminant.

    Args:
        features: (N, D) floats, finite.
        labels: (N,) integers from 0, which identity; two or more among them.
        method: One of `METHODS`.
        widths: Of blocks of columns, which count equally; one block when empty.
        shrinkage: Share of the identity matrix in the covariance, above 0 to 1.

    Raises:
        DataError: Features or labels that cannot be fitted; no identity has two images, where their difference counts.
    """
    labels = check_training(features, labels, int(labels.max()) + 1 if labels.size else 0)
    width = features.shape[1]
    if method == "cosine":
        return Projection(np.zeros(width, np.float32), np.eye(width, dtype=np.float32))
    mean, scale = column_statistics(features)
    weights = 1 / (scale.astype(np.float64) * np.repeat(np.sqrt(widths or (width,)), widths or (width,)))
    matrix = np.diag(weights)
    if method != "standardised":
        rows = (features - mean) * weights
        matrix = weights[:, None] * _turn(rows, labels, method, shrinkage)
    return Projection(mean, np.ascontiguousarray(matrix, np.float32))


def _turn(rows: Float64Array, labels: IntpArray, method: ProjectionMethod, shrinkage: float) -> Float64Array:
    """What standardised rows (N, D) are multiplied by: (D, K)."""
    if method == "whitened":
        return _whitening(rows, shrinkage)
    means = _means(rows, labels)
    apart = rows - means[labels]
    if not np.bincount(labels).max() > 1 or not apart.any():
        raise DataError(
            "no identity has two different images, so nothing tells how one's images differ",
            hint="add images, or take the projection whitened, standardised or cosine",
        )
    turn = _whitening(apart, shrinkage)
    if method == "within":
        return turn
    between = means[np.unique(labels)] @ turn
    with one_thread():
        directions = np.linalg.svd(between - between.mean(axis=0), full_matrices=False)[2]
    kept: Float64Array = turn @ directions[: max(1, len(between) - 1)].T
    return kept


def _means(rows: Float64Array, labels: IntpArray) -> Float64Array:
    """Mean row of each identity (C, D); zeros of one without any."""
    sums = np.zeros((int(labels.max()) + 1, rows.shape[1]))
    np.add.at(sums, labels, rows)
    found: Float64Array = sums / np.maximum(np.bincount(labels), 1)[:, None]
    return found


def _whitening(rows: Float64Array, shrinkage: float) -> Float64Array:
    """The symmetric (D, D) that makes the shrunk second moments of the rows (N, D) those of noise.

    Only the directions that the rows span differ from the others, so that of few rows few are looked for.
    """
    count, width = rows.shape
    level = max(float(np.square(rows).sum()) / (count * width), np.finfo(np.float64).tiny)
    with one_thread():
        if count < width:
            _, strengths, directions = np.linalg.svd(rows, full_matrices=False)
            moments = strengths**2 / count
        else:
            moments, vectors = np.linalg.eigh(rows.T @ rows / count)
            directions = vectors.T
    base = max(shrinkage, _FLOOR) * level
    gains = ((1 - shrinkage) * np.maximum(moments, 0) + base) ** -0.5 - base**-0.5
    found: Float64Array = base**-0.5 * np.eye(width) + (directions.T * gains) @ directions
    return found
