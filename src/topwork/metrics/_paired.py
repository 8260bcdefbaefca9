"""Two ways on the same images: is one better, or is it chance?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from topwork._arrays import AnyArray, Float64Array
from topwork.errors import DataError

from ._intervals import around, percentiles, resample, wilson_interval
from ._probabilities import losses
from ._values import Estimate, Saved, answers_of, check_probabilities


def exceeds_zero(differences: AnyArray, standard_errors: float = 1.0) -> bool:
    """Whether paired differences lie above zero by more than so many standard errors of their mean.

    The standard error is s / sqrt(N), where s is the standard deviation with N - 1 degrees of freedom: the variance
    around the mean of the same N differences would be too small by (N - 1) / N otherwise. So this is Student's paired
    one-sided t statistic (Student 1908, "The probable error of a mean") beside a fixed bound, as the one-standard-error
    rule has it (Breiman et al. 1984, "Classification and Regression Trees"). The error of paired differences is much
    smaller than that of either way's own figure, so it calls a tie what is one. Fewer than two differences tell nothing
    of their spread, and never do.

    Args:
        differences: (N,) one for each image, such as one way's loss less the other's.
        standard_errors: The bound, at least 0.
    """
    size = differences.size
    return size > 1 and bool(differences.mean() > standard_errors * differences.std(ddof=1) / np.sqrt(size))


@dataclass(frozen=True)
class Comparison(Saved):
    """A first and a second model on the same images.

    Attributes:
        n: Number of images.
        both: Images that both name right.
        only_first: Images that only the first names right.
        only_second: Images that only the second names right.
        neither: Images that neither names right.
        accuracy: Of the second less that of the first, with a paired bootstrap interval; where they agree on every
            image, what Wilson's interval leaves open.
        log_loss: Of the second less that of the first, in nats, with a paired bootstrap interval; below zero where the
            second is better.
        p_value: Of McNemar's exact test, two-sided, of models that are equally accurate.
    """

    n: int
    both: int
    only_first: int
    only_second: int
    neither: int
    accuracy: Estimate
    log_loss: Estimate
    p_value: float

    _what = "comparison"


def compare(
    first: AnyArray,
    second: AnyArray,
    labels: AnyArray,
    *,
    decided: tuple[AnyArray | None, AnyArray | None] = (None, None),
    seed: int = 0,
) -> Comparison:
    """Compare two classifiers image by image, which tells far smaller differences than two separate intervals do.

    Sources: McNemar 1947, "Note on the sampling error of the difference between correlated proportions", in its exact
    form; Efron & Tibshirani 1993 for the bootstrap over images.

    Args:
        first: (N, C) probabilities of the first model.
        second: (N, C) of the second, of the same images and classes.
        labels: (N,) class indices.
        decided: (N,) what each answers, where that is not the most probable class.
        seed: Of the bootstrap.

    Raises:
        DataError: What `log_loss` refuses, or the two do not have the same shape.
    """
    if first.shape != second.shape:
        raise DataError(f"two models' probabilities must have one shape, got {first.shape} and {second.shape}")
    first, labels = check_probabilities(first, labels)
    second, labels = check_probabilities(second, labels)
    right = answers_of(first, decided[0]) == labels, answers_of(second, decided[1]) == labels
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    differences = np.stack([right[1].astype(np.float64) - right[0], losses(second, labels) - losses(first, labels)])
    accuracy, log_loss = _differences(differences, seed)
    if accuracy.low == accuracy.high:
        accuracy = unparted(accuracy.value, len(labels))
    return Comparison(
        n=len(labels),
        both=int((right[0] & right[1]).sum()),
        only_first=only_first,
        only_second=only_second,
        neither=int((~right[0] & ~right[1]).sum()),
        accuracy=accuracy,
        log_loss=log_loss,
        p_value=mcnemar(only_first, only_second),
    )


def unparted(value: float, images: int) -> Estimate:
    """A difference that is the same on every image, -1, 0 or 1, with what so many images leave open of others."""
    other = wilson_interval(0, images)[1]
    return Estimate(value, max(-1.0, value - other * (1 + value)), min(1.0, value + other * (1 - value)))


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value of so many images that only the one or only the other model names right.

    >>> round(mcnemar(1, 9), 4)
    0.0215
    """
    apart = only_first + only_second
    if only_first == only_second:
        return 1.0
    few = min(only_first, only_second)
    logs = [math.lgamma(apart + 1) - math.lgamma(k + 1) - math.lgamma(apart - k + 1) for k in range(few + 1)]
    return min(1.0, 2 * math.fsum(math.exp(each - apart * math.log(2)) for each in logs))


def _differences(differences: Float64Array, seed: int) -> list[Estimate]:
    """Means of rows (2, N) with paired bootstrap intervals."""
    size = differences.shape[1]
    means = [differences @ counts.astype(np.float64) / size for counts in resample(size, seed)]
    drawn = np.concatenate(means, axis=1)
    return [around(float(row.mean()), percentiles(each)) for row, each in zip(differences, drawn, strict=True)]
