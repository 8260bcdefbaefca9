"""Linear discriminant analysis with shrinkage: closed form, so it serves where iterations are many or images few."""

from __future__ import annotations

import numpy as np

from topwork._arrays import AnyArray, Float32Array, Float64Array, IntpArray

from ._design import Design
from ._rows import ALWAYS_TRAINS

SHRINKAGE = 0.5  # measured (docs/decisions/probe.md): within a point of the best on every set, and Ledoit-Wolf's is not

FLOOR = 1e-3  # of the variance of a standardised column, where classes have one image or copies of it
_SPREAD = 50.0  # logits; the largest standard deviation among the classes for an image
_UNKNOWN = 10.0  # logits that a class without images is below the lowest


def discriminant(design: Design, labels: IntpArray, weights: Float32Array) -> Float32Array:
    """Weights (C, d) on the design's rows, whose logits are those of Gaussians with one covariance.

    The covariance within the classes is mixed with a multiple of the identity of the same trace, half and half.

    Source: Friedman 1989, "Regularized Discriminant Analysis"; scikit-learn's ``LinearDiscriminantAnalysis`` with the
    solver ``lsqr`` and this shrinkage gives the same where its covariance is pooled.

    Args:
        design: The rows (N, d); the last coordinate is the constant 1.
        labels: (N,) 0..C-1.
        weights: (N,) how much each row counts, at least 0.
    """
    rows = design.rows[:, :-1]
    sums, counts = class_sums(rows, labels, weights)
    means = sums / np.maximum(counts, np.finfo(np.float32).tiny)[:, None]
    apart = (rows - means.astype(np.float32)[labels]) * np.sqrt(weights / weights.sum())[:, None]
    within = (apart.T @ apart).astype(np.float64)
    level = max(np.trace(within) / design.standardised.shape[1], FLOOR)
    out: Float32Array = gaussians(means, counts, within, level).astype(np.float32)
    known = counts > 0
    if not known.all():  # nothing is learnt of them, so they are below all others
        out[~known] = 0
        out[~known, -1] = (design.rows @ out[known].T).min() - _UNKNOWN
    return out


def gaussians(
    means: Float64Array, counts: Float64Array, within: Float64Array, level: float, shrinkage: float = SHRINKAGE
) -> Float64Array:
    """Weights (C, d + 1) whose logits are those of Gaussians with one covariance; the last column is the bias.

    Args:
        means: (C, d) of the classes; 0 where a class has no rows.
        counts: (C,) how much each class weighs; what a class of 0 gets means nothing.
        within: (d, d) the covariance within the classes; used up.
        level: What the shrunk covariance has on its diagonal.
        shrinkage: How much of that is mixed in, above 0 and up to 1.
    """
    within *= 1 - shrinkage
    within.flat[:: len(within) + 1] += shrinkage * level
    solved = np.linalg.solve(within, means.T).T.astype(np.float64, copy=False)
    known = counts > 0
    prior = np.log(counts, where=known, out=np.zeros_like(counts)) - np.log(counts.sum())
    bias = prior - 0.5 * np.einsum("cd,cd->c", means, solved)
    # Classes that hardly vary are told apart by thousands of logits, more than a temperature could take back.
    spread = float((means @ solved.T + bias).std(axis=1).mean())
    out: Float64Array = np.column_stack([solved, bias]) * min(1.0, _SPREAD / max(spread, 1e-6))
    return out


def class_sums(rows: AnyArray, labels: IntpArray, weights: Float32Array) -> tuple[Float64Array, Float64Array]:
    """Weighted sums of the rows of each class (C, d), and their weights (C,)."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    weighted = rows[order].astype(np.float64) * weights[order, None]
    return np.add.reduceat(weighted, starts), np.bincount(labels, weights).astype(np.float64)


def held_out(design: Design, labels: IntpArray, fold_of: IntpArray, weights: Float32Array) -> Float32Array:
    """Logits (N, C) of every row by `discriminant` of the other folds."""
    out = np.empty((len(labels), int(labels.max()) + 1), np.float32)
    for fold in range(int(fold_of.max()) + 1):
        # A row that always trains has no out-of-fold logits; the first fold's stand in for them.
        rows = (fold_of == fold) | ((fold_of == ALWAYS_TRAINS) & (fold == 0))
        out[rows] = design.rows[rows] @ discriminant(design, labels, weights * (fold_of != fold)).T
    return out
