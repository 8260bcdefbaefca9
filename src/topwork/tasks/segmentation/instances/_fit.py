"""How objects are told apart is chosen on images that the model has not learnt from."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from topwork._arrays import Float32Array
from topwork.data import Mask
from topwork.errors import DataError
from topwork.metrics import ObjectCounts, ObjectMatches, match_objects

from ._split import Splitting, split_objects

THRESHOLDS = (0.35, 0.5, 0.65)
MARKERS = (0.2, 0.5, 0.8)
DEPTHS = (0.5, 1.0, 2.0)
AREAS = (0.0, 0.1, 0.25, 0.5)  # of the median object's
SAME = 1e-9


def fit_splitting(
    images: Iterable[tuple[Float32Array, Mask]], *, border: bool, has_background: bool = True
) -> Splitting:
    """The splitting of the best average precision of objects, mean over overlaps from 0.5 to 0.95 and over classes.

    A small grid is tried: thresholds, where objects start, and least areas up to half the median object's. Of equal
    ones it is the one nearest to the default. Each image is asked for once, and none is kept.

    Args:
        images: Probabilities, as `split_objects` takes them, and what is there, with objects told apart.
        border: Whether the last channel is that of borders.
        has_background: Whether the first class is no object.

    Raises:
        DataError: No image has an object, or objects are not told apart.
        MissingExtraError: scikit-image is not installed.
    """
    starts = MARKERS if border else DEPTHS
    tried = [
        Splitting(border, threshold, marker=start) if border else Splitting(border, threshold, depth=start)
        for threshold, start in sorted(itertools.product(THRESHOLDS, starts), key=lambda each: _far(each, starts))
    ]
    found: list[list[ObjectMatches]] = [[] for _ in tried]
    n_classes = 0
    for probabilities, mask in images:
        n_classes = len(probabilities) - border
        for splitting, matches in zip(tried, found, strict=True):
            matches.append(_matches(probabilities, mask, splitting, has_background))
    areas = np.concatenate([each.true_areas for each in found[0]] or [np.empty(0, np.int64)])
    if not areas.size:
        raise DataError(
            "no image that objects would be told apart on shows one",
            hint="Give masks in which objects are told apart.",
        )
    least = [round(share * float(np.median(areas))) for share in AREAS]
    best, score = tried[0], -1.0
    for splitting, matches in zip(tried, found, strict=True):
        for area in least:
            now = _average_precision(matches, area, n_classes)
            if now > score + SAME:
                best, score = replace(splitting, least_area=area), now
    return best


def _far(given: tuple[float, float], starts: tuple[float, ...]) -> tuple[int, int]:
    """How far thresholds and starts are from the middle of their lists."""
    places = THRESHOLDS.index(given[0]), starts.index(given[1])
    away = [abs(place - 1) for place in places]
    return sum(away), away[0]


def _matches(probabilities: Float32Array, mask: Mask, splitting: Splitting, has_background: bool) -> ObjectMatches:
    """Of one image, its objects of any area."""
    if mask.objects is None:
        raise DataError("objects are not told apart in a mask", hint="Give masks in which objects have numbers.")
    objects = split_objects(probabilities, splitting, has_background=has_background)
    n_classes, first = len(probabilities) - splitting.border, int(has_background)
    labels = probabilities[first:n_classes].argmax(axis=0) + first
    sides = (mask.objects, mask.labels), (objects, labels)
    return match_objects(*sides, mask.labels >= 0, n_classes, first)


def _average_precision(matches: list[ObjectMatches], least_area: int, n_classes: int) -> float:
    """Mean over overlaps and classes, without the objects that are smaller."""
    counts = [ObjectCounts.of(each.without_small(least_area), n_classes) for each in matches]
    right, invented, missed = (sum(getattr(each, name) for each in counts) for name in ("right", "invented", "missed"))
    whole = right + invented + missed
    seen = whole[:, 0] > 0
    return float((right[seen] / whole[seen]).mean())
