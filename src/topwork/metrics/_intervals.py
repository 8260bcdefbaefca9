"""95 % intervals: Wilson for shares, the bootstrap for everything else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float32Array, Float64Array, Int64Array

from ._classification import mean_f1, mean_recall
from ._probabilities import BINS, Reliability, distances, losses
from ._values import Estimate, answers_of, check_probabilities

LEVEL = 0.95
RESAMPLES = 1000
LEVEL_Z = 1.959963984540054  # the normal quantile at 97.5 %
_CHUNK_ELEMENTS = 1_000_000  # 8 MB of draws at a time
SAME = 1e-9  # resamples that differ by no more do so by rounding


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """95 % interval of a share: right out of total.

    Holds its level at small totals and at shares near 0 and 1, where the textbook interval collapses. Source:
    Wilson 1927; Brown, Cai & DasGupta 2001, "Interval Estimation for a Binomial Proportion".

    Raises:
        ValueError: total < 1, or right outside 0..total.

    Example:
        >>> low, high = wilson_interval(9, 10)
        >>> round(low, 3), round(high, 3)
        (0.596, 0.982)
    """
    if not 0 <= right <= total or total < 1:
        raise ValueError(f"expected 0 <= right <= total and total >= 1, got {right} of {total}")
    share, extra = right / total, LEVEL_Z**2 / total
    centre = (share + extra / 2) / (1 + extra)
    half = LEVEL_Z / (1 + extra) * float(np.sqrt(share * (1 - share) / total + extra / (4 * total)))
    # At the ends the formula gives 0 and 1 up to rounding.
    low = 0.0 if right == 0 else max(0.0, centre - half)
    high = 1.0 if right == total else min(1.0, centre + half)
    return low, high


def share_of(right: int, total: int) -> Estimate:
    """A share with its Wilson interval."""
    return Estimate(right / total, *wilson_interval(right, total))


class BootstrapIntervals(NamedTuple):
    """95 % percentile intervals (low, high)."""

    macro_f1: tuple[float, float]
    balanced_accuracy: tuple[float, float]
    log_loss: tuple[float, float]
    brier: tuple[float, float]
    ece: tuple[float, float]


def bootstrap_intervals(
    probabilities: AnyArray, labels: AnyArray, decided: AnyArray | None = None, *, seed: int = 0
) -> BootstrapIntervals:
    """Percentile bootstrap over images of macro-F1, balanced accuracy, log loss, Brier score and ECE.

    Of flawless answers resamples do not differ; macro-F1 and balanced accuracy then have Wilson's bounds by class.

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13. The ECE of finite data is biased
    upwards, and that of a resample once more, so its interval lies high where the true error is near zero. The
    arguments and errors are those of `log_loss`; ``decided`` (N,) is what is answered where that is not the most
    probable class, and the seed is that of the resampling.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    said = answers_of(probabilities, decided)
    sums = _Sums.of(probabilities, labels, said)
    parts = [sums.metrics(counts) for counts in resample(len(labels), seed)]
    found = BootstrapIntervals(*(percentiles(np.concatenate(values)) for values in zip(*parts, strict=True)))
    shares = {name: _opened(getattr(found, name), said == labels, labels) for name in ("macro_f1", "balanced_accuracy")}
    return found._replace(**shares)


def _opened(interval: tuple[float, float], right: BoolArray, labels: Int64Array) -> tuple[float, float]:
    """An interval of resamples; where these do not differ, what Wilson's leave open class by class.

    So it is where all answers of each class are right or all wrong: no resample can show what these images did not.
    """
    value, high = interval
    if high - value > SAME:
        return interval
    images, hits = np.bincount(labels), np.bincount(labels, weights=right).astype(int)
    present = np.flatnonzero(images)
    bounds = np.mean([wilson_interval(int(hits[each]), int(images[each])) for each in present], axis=0)
    below, above = np.abs(bounds - np.mean(hits[present] / images[present]))
    return max(0.0, value - float(below)), min(1.0, value + float(above))


def resample(size: int, seed: int, resamples: int = RESAMPLES) -> Iterator[Float32Array]:
    """How often each image is drawn, (N, r), r of the resamples at a time."""
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK_ELEMENTS // size)
    for first in range(0, resamples, step):
        width = min(step, resamples - first)
        drawn = rng.integers(0, size, (size, width), dtype=np.int64)
        drawn *= width
        drawn += np.arange(width)
        counts = np.bincount(drawn.ravel(), minlength=size * width)
        yield counts.reshape(size, width).astype(np.float32)


class _Sums(NamedTuple):
    """The sums over images that the metrics are made of; each is linear in how often an image is drawn.

    Images stand sorted by true class, so that the sums for each class are sums over neighbours: their cost
    does not grow with the number of classes.
    """

    right: Float32Array  # (N, 1)
    truth: Int64Array  # (N,) ascending
    predicted: Int64Array  # (N,)
    n_classes: int
    linear: Float32Array  # (BINS + 2, N): gaps by bin, then the log loss and the Brier score

    @classmethod
    def of(cls, probabilities: AnyArray, labels: Int64Array, predicted: Int64Array) -> _Sums:
        order = np.argsort(labels, kind="stable")
        found = Reliability.of(probabilities, labels)
        linear = np.zeros((BINS + 2, len(labels)))
        linear[found.bins, np.arange(len(labels))] = found.gaps
        linear[BINS] = losses(probabilities, labels)
        linear[BINS + 1] = distances(probabilities, labels)
        right = (predicted == labels)[order, None].astype(np.float32)
        summed = linear[:, order].astype(np.float32)
        return cls(right, labels[order], predicted[order], probabilities.shape[1], summed)

    def metrics(self, counts: Float32Array) -> tuple[Float64Array, ...]:
        """Each figure (r,) of resamples (N, r), in the order of `BootstrapIntervals`."""
        by_guess = np.argsort(self.predicted, kind="stable")
        right = self._by_class(counts * self.right, self.truth)
        support = self._by_class(counts, self.truth)
        predicted = self._by_class(counts[by_guess], self.predicted[by_guess])
        sums = (self.linear @ counts).astype(np.float64) / len(counts)
        ece = np.abs(sums[:BINS]).sum(axis=0)
        return mean_f1(right, support, predicted), mean_recall(right, support), sums[BINS], sums[BINS + 1], ece

    def _by_class(self, counts: Float32Array, classes: Int64Array) -> Float64Array:
        """Counts (N, r) of images sorted by class to sums (r, C)."""
        present, starts = np.unique(classes, return_index=True)
        out = np.zeros((counts.shape[1], self.n_classes))
        out[:, present] = np.add.reduceat(counts, starts, axis=0).T
        return out


def percentiles(values: Float64Array) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def around(value: float, interval: tuple[float, float]) -> Estimate:
    """The interval, widened where need be to hold the value: resampling biases ECE upwards, for one."""
    return Estimate(value, min(value, interval[0]), max(value, interval[1]))
