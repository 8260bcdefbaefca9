"""What k folds say of one figure: their mean, with an interval that neither forgets few images nor few folds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ._intervals import LEVEL, around
from ._values import Estimate


def corrected_t_interval(values: Sequence[float], trained: int, measured: int) -> tuple[float, float]:
    """95 % interval of the mean of k folds' figures: the corrected resampled t.

    The folds' training images overlap, so their figures are not independent: the variance of the mean is taken as
    (1/k + measured/trained) times theirs, and the quantile is Student's with k - 1 degrees of freedom.

    Source: Nadeau & Bengio 2003, "Inference for the Generalization Error", Machine Learning 52.

    Args:
        values: One for each fold, two or more.
        trained: Training images of a fold.
        measured: Images that it is measured on, at least one.

    Raises:
        ValueError: There are fewer than two values, or no images.

    Example:
        >>> low, high = corrected_t_interval([0.9, 0.92, 0.94, 0.96, 0.98], trained=80, measured=20)
        >>> round(low, 3), round(high, 3)
        (0.881, 0.999)
    """
    if len(values) < 2 or trained < 1 or measured < 1:
        raise ValueError(f"expected two values and some images, got {len(values)}, {trained} and {measured}")
    folds = len(values)
    error = float(np.std(values, ddof=1)) * float(np.sqrt(1 / folds + measured / trained))
    half = _t_quantile(folds - 1) * error
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def _t_quantile(freedom: int) -> float:
    """How many standard errors 95 % lie within, by Student's t: found by bisection, so that no SciPy is needed.

    Source: Abramowitz & Stegun 1964, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.
    """
    low, high = 0.0, math.pi / 2  # of the angle whose tangent is t / sqrt(freedom)
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _t_within(angle, freedom) < LEVEL else (low, angle)
    return math.sqrt(freedom) * math.tan(high)


def _t_within(angle: float, freedom: int) -> float:
    """How much of Student's t lies within sqrt(freedom) times the angle's tangent of its middle."""
    odd, cosine = freedom % 2, math.cos(angle)
    term, total = math.sin(angle) * (cosine if odd else 1.0), 0.0
    for each in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine**2 * (each - 1) / each
    return 2 / math.pi * (angle + total) if odd else total


def mean_of_folds(
    values: Sequence[float], pooled: tuple[float, float], *, trained: int, measured: int, most: float = 1.0
) -> Estimate:
    """The mean of k folds' figures with the wider of two intervals on each side.

    The corrected t sees how much the folds differ, but of folds that agree by luck nothing; the interval of the pooled
    answers sees how few images there are, but not that other training images give another model. No unbiased estimate
    of the variance exists (Bengio & Grandvalet 2004, "No Unbiased Estimator of the Variance of K-Fold
    Cross-Validation"), and each alone may be too narrow. Of 1,500 draws of 60 images in 5 folds (nearest means, three
    seeds) the pooled interval held the mean accuracy of models of that size in 92 to 94 %, the corrected t in 97 to
    98 %, the wider one in 99 % (``tests/metrics/test_folds.py``).

    Args:
        values: One for each fold, two or more.
        pooled: Interval of the figure over the answers of all folds, as if one model had given them.
        trained: Training images of a fold.
        measured: Images that it is measured on.
        most: The greatest value that the figure can have; the least is 0.
    """
    low, high = corrected_t_interval(values, trained, measured)
    wide = max(0.0, min(low, pooled[0])), min(most, max(high, pooled[1]))
    return around(float(np.mean(values)), wide)
