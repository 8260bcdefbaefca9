"""Counts, sums and Gram matrices of rows that are too many to hold: all that closed forms need, whatever the strength.

They add up. Those of K folds are kept apart, so what a head fitted on the others would do on one of them is known
without a second look at the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, Float32Array, Float64Array, IntpArray
from topwork.errors import DataError

from ._design import IMAGINED, scale_of
from ._lda import FLOOR, SHRINKAGE, gaussians


class Block(NamedTuple):
    """Some rows.

    Attributes:
        features: (N, D) floats.
        labels: (N,) integers in 0..C-1.
        keys: (N,) uint64 of each row's id, as `row_keys` makes them; they deal the folds.
    """

    features: AnyArray
    labels: AnyArray
    keys: AnyArray


def row_keys(ids: Sequence[str]) -> AnyArray:
    """A number (N,) uint64 for each id, alike on every machine."""
    digests = b"".join(hashlib.blake2b(each.encode(), digest_size=8).digest() for each in ids)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


class Moments(NamedTuple):
    """Of K folds and C classes.

    Attributes:
        counts: (K, C) rows, or what they weigh.
        sums: (K, C, D) of the rows, each times its weight.
        grams: (K, D, D) of the rows: the sum of weight x x'.
    """

    counts: Float64Array
    sums: Float64Array
    grams: Float64Array

    @classmethod
    def zeros(cls, folds: int, n_classes: int, width: int) -> Moments:
        """Of no rows."""
        shapes = (folds, n_classes), (folds, n_classes, width), (folds, width, width)
        return cls(*(np.zeros(shape) for shape in shapes))

    def add(self, other: Moments) -> None:
        """Add another's rows to these, in place."""
        for mine, theirs in zip(self, other, strict=True):
            mine += theirs

    def total(self, without: int | None = None) -> Moments:
        """Of all folds as one, or of all but one."""
        kept = [fold for fold in range(len(self.counts)) if fold != without]
        return Moments(*(sum((each[fold] for fold in kept), np.zeros_like(each[0]))[None] for each in self))

    @property
    def rows(self) -> int:
        """How many."""
        return int(self.counts.sum())

    def statistics(self, *, balanced: bool = True) -> tuple[Float32Array, Float32Array]:
        """Mean (D,) and scale (D,) by which the features are standardised, as `fit_linear` does."""
        mean = self.sums.sum(axis=(0, 1)) / self.rows
        squares = np.einsum("kdd->d", self.grams) / self.rows - mean**2
        scale = scale_of(mean, np.maximum(squares, 0), self.rows, IMAGINED if balanced else 0)
        return mean.astype(np.float32), scale

    def standardised(self, mean: AnyArray, scale: AnyArray) -> Moments:
        """Of the same rows less a mean (D,), divided by a scale (D,)."""
        at, by = mean.astype(np.float64), scale.astype(np.float64)
        grams = np.empty_like(self.grams)
        for fold, gram in enumerate(self.grams):
            across = np.outer(self.sums[fold].sum(axis=0), at)
            grams[fold] = gram - across - across.T + self.counts[fold].sum() * np.outer(at, at)
            grams[fold] /= np.outer(by, by)
        return Moments(self.counts, (self.sums - self.counts[..., None] * at) / by, grams)


def moments_of(
    blocks: Iterable[Block], n_classes: int, folds: int, by_class: Float64Array | None = None
) -> Moments | None:
    """The moments of some rows, in float64; None of no rows. A row weighs what its class does (C,); 1 when None.

    Raises:
        DataError: Features or labels that cannot be used.
    """
    found: Moments | None = None
    for block in blocks:
        if not len(block.labels):
            continue
        labels = checked(block, n_classes, found.sums.shape[2] if found else None)
        rows, fold_of = block.features.astype(np.float64), folds_of(block.keys, folds)
        if found is None:
            found = Moments.zeros(folds, n_classes, rows.shape[1])
        for fold in range(folds):
            inside = rows[fold_of == fold]
            weighed = inside if by_class is None else inside * by_class[labels[fold_of == fold], None]
            found.grams[fold] += weighed.T @ inside
        cell = fold_of * n_classes + labels
        order = np.argsort(cell, kind="stable")
        which, starts = np.unique(cell[order], return_index=True)
        found.sums.reshape(-1, rows.shape[1])[which] += np.add.reduceat(rows[order], starts)
        found.counts.ravel()[:] += np.bincount(cell, minlength=folds * n_classes)
    if found is None or by_class is None:
        return found
    return Moments(found.counts * by_class, found.sums * by_class[:, None], found.grams)


def folds_of(keys: AnyArray, folds: int) -> IntpArray:
    """The fold (N,) that holds each row out."""
    return (keys % np.uint64(folds)).astype(np.intp)


def checked(block: Block, n_classes: int, width: int | None) -> IntpArray:
    """The labels (N,), once the block is known to be usable."""
    features, labels, keys = block
    if features.ndim != 2 or features.dtype.kind != "f" or features.shape[1] != (width or features.shape[1]):
        raise DataError(f"features must be floats of shape (N, {width or 'D'}), got {features.dtype} {features.shape}")
    if labels.shape != features.shape[:1] or labels.dtype.kind not in "iu" or keys.shape != labels.shape:
        raise DataError(f"labels must be integers of shape ({len(features)},), got {labels.dtype} {labels.shape}")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise DataError(f"labels are outside 0..{n_classes - 1}")
    if not np.isfinite(features).all():
        raise DataError("feature rows contain NaN or Inf", hint="features of another network or precision may do")
    return labels.astype(np.intp)


def discriminant_of(moments: Moments, shrinkage: float = SHRINKAGE) -> Float64Array:
    """Weights (C, D + 1) of linear discriminant analysis with shrinkage, as `fit_linear` has it.

    Args:
        moments: Of one fold; each class has rows.
        shrinkage: Of the covariance towards a multiple of the identity of the same trace, above 0 and up to 1.
    """
    counts, sums, gram = (each[0] for each in moments)
    means = sums / np.where(counts > 0, counts, 1)[:, None]
    within = (gram - means.T @ sums) / counts.sum()
    level = max(float(np.trace(within)) / len(within), FLOOR)
    return gaussians(means, counts, within, level, shrinkage)


def ridge_of(moments: Moments, strengths: Sequence[float]) -> list[Float64Array]:
    """Weights (C, D + 1) of ridge regression on one-hot classes at each strength, the bias free.

    As scikit-learn's ``Ridge`` with alpha the strength. One eigendecomposition serves all.
    """
    counts, sums, gram = (each[0] for each in moments)
    rows = counts.sum()
    centre = sums.sum(axis=0) / rows
    levels, vectors = np.linalg.eigh(gram - rows * np.outer(centre, centre))
    turned = (sums - counts[:, None] * centre) @ vectors
    out = []
    for strength in strengths:
        weights = (turned / (np.maximum(levels, 0) + strength)) @ vectors.T
        out.append(np.column_stack([weights, counts / rows - weights @ centre]))
    return out


def squared_error(moments: Moments, weights: Float64Array) -> float:
    """Summed squared error of weights (C, D + 1) on the rows of one fold against their one-hot classes."""
    counts, sums, gram = (each[0] for each in moments)
    slopes, bias = weights[:, :-1], weights[:, -1]
    fitted = np.einsum("cd,de,ce->", slopes, gram, slopes, optimize=True)
    fitted += 2 * bias @ slopes @ sums.sum(axis=0) + counts.sum() * bias @ bias
    wanted = np.einsum("cd,cd->", slopes, sums) + bias @ counts
    return float(fitted - 2 * wanted + counts.sum())


def ridge_strength(
    moments: Moments, strengths: Sequence[float], weighed: Moments | None = None
) -> tuple[float, list[float]]:
    """The strength with the lowest squared error on the folds left out, and the mean error a row of each.

    Where classes are weighed, they train by the ``weighed`` moments, and are judged by the plain ones.
    """
    errors = np.zeros(len(strengths))
    for fold in range(len(moments.counts)):
        held = Moments(*(each[fold : fold + 1] for each in moments))
        errors += [squared_error(held, each) for each in ridge_of((weighed or moments).total(fold), strengths)]
    return float(strengths[int(errors.argmin())]), (errors / moments.rows).tolist()
