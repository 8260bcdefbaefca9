"""Metrics of order: how far up the true class stands, and how well each class is told from the others.

Intervals of ROC-AUC and average precision are by the infinitesimal jackknife (Efron 1981, "Nonparametric standard
errors and confidence intervals"), for ROC-AUC the one of DeLong et al. 1988: each image's influence on the figure in
closed form, where a bootstrap would sort a thousand times. With two to five images a class they cover a little less
than they say (92 % on draws), and a class's only image adds no spread of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float64Array, Int64Array, IntpArray

from ._intervals import LEVEL_Z, around, wilson_interval
from ._values import Estimate, check_probabilities

TOP = 5


class _Ranked(NamedTuple):
    """One class against the others, N images by falling score; images of one score share their counts."""

    order: IntpArray  # rows
    positive: BoolArray  # whether the image is of the class
    above: Float64Array  # images with this score or a higher one
    hits: Float64Array  # of them, those of the class
    group: IntpArray  # index of the image's first fellow of the same score


_Figure = tuple[float, Float64Array]
"""A figure of one class and what each image (N,), as ranked, adds to it when it weighs more."""


def ranks(probabilities: AnyArray, labels: Int64Array) -> Int64Array:
    """Place (N,) of the true class among the classes, 0 for the most probable one; ties go to the lower index."""
    own = probabilities[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(probabilities.shape[1]) < labels[:, None]
    found: Int64Array = ((probabilities > own) | ((probabilities == own) & earlier)).sum(axis=1).astype(np.int64)
    return found


def roc_auc(probabilities: AnyArray, labels: AnyArray) -> Estimate | None:
    """Area under the ROC curve, each class against the others, mean over the classes that have images.

    Equals scikit-learn's `roc_auc_score(multi_class="ovr", average="macro")`. With its 95 % interval; None where all
    images are of one class. The arguments and errors are those of `log_loss`.
    """
    return _macro(*check_probabilities(probabilities, labels), _area)


def average_precision(probabilities: AnyArray, labels: AnyArray) -> Estimate | None:
    """Mean over the classes that have images of the average precision of each against the others.

    Equals the mean of scikit-learn's `average_precision_score`. With its 95 % interval; None where all images are of
    one class. The arguments and errors are those of `log_loss`.
    """
    return _macro(*check_probabilities(probabilities, labels), _precision)


def _macro(probabilities: AnyArray, labels: Int64Array, figure: Callable[[_Ranked], _Figure]) -> Estimate | None:
    supports = [int(count) for count in np.bincount(labels) if count]
    if len(supports) < 2:
        return None
    values, influence = [], np.zeros(len(labels))
    for label in np.unique(labels):
        own = labels == label
        ranked = _ranked(probabilities[:, label], own)
        value, by_rank = figure(ranked)
        values.append(value)
        in_rows = np.empty(len(labels))
        in_rows[ranked.order] = by_rank
        influence += np.where(own, _widened(own), _widened(~own)) * in_rows / len(supports)
    return _interval(float(np.mean(values)), float(np.sqrt(np.square(influence).sum())), supports)


def _widened(images: BoolArray) -> float:
    """What makes a spread around its own mean unbiased: of very few images it is too small."""
    count = int(images.sum())
    return float(np.sqrt(count / max(1, count - 1)))


def _interval(value: float, error: float, supports: list[int]) -> Estimate:
    """By the logit, so that it stays within 0..1.

    A flawless order has no spread to go by; then what as many flawless answers would leave open, class by class.
    """
    if not 0 < value < 1 or error == 0:
        low = float(np.mean([wilson_interval(count, count)[0] for count in supports]))
        return Estimate(value, min(value, low), value) if value > 0 else Estimate(value, value, 1 - low)
    centre, half = np.log(value / (1 - value)), LEVEL_Z * error / (value * (1 - value))
    low, high = (1 / (1 + np.exp(-np.array([centre - half, centre + half])))).tolist()
    return around(value, (low, high))


def _ranked(scores: AnyArray, positive: BoolArray) -> _Ranked:
    order = np.argsort(-scores, kind="stable")
    ordered, positive = scores[order], positive[order]
    first = np.append(True, ordered[1:] != ordered[:-1])
    starts = np.flatnonzero(first)
    group = np.cumsum(first) - 1
    last = np.append(starts[1:], len(scores))[group] - 1
    return _Ranked(order, positive, last + 1.0, np.cumsum(positive)[last].astype(np.float64), starts[group])


def _area(ranked: _Ranked) -> _Figure:
    """The mean share of the others that an image of the class stands above, ties by half."""
    positive, group = ranked.positive, ranked.group
    sizes = int(positive.sum()), int((~positive).sum())
    hits_before = np.append(0, np.cumsum(positive))[group]
    others_before, others = group - hits_before, ranked.above - ranked.hits
    # Of an image of the class: the others below it. Of another image: those of the class above it.
    below = 1 - 0.5 * (others_before + others) / sizes[1]
    above = 0.5 * (hits_before + ranked.hits) / sizes[0]
    value = float(below[positive].mean())
    return value, np.where(positive, (below - value) / sizes[0], (above - value) / sizes[1])


def _precision(ranked: _Ranked) -> _Figure:
    """The mean over images of the class of the precision at their place."""
    positive, hits, above = ranked.positive, ranked.hits, ranked.above
    size = int(positive.sum())
    precision = hits / above
    value = float(precision[positive].mean())
    # An image counts in the precision at its own place and at every lower one.
    as_hit = _from_here(positive / above)[ranked.group]
    as_image = _from_here(positive * precision / above)[ranked.group]
    return value, (positive * (precision + as_hit) - as_image - positive * value) / size


def _from_here(values: Float64Array) -> Float64Array:
    """Sums over each place and all that follow."""
    sums: Float64Array = np.cumsum(values[::-1])[::-1]
    return sums
