"""How objects are told apart is chosen on images that the model has not learnt from."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from topwork._arrays import Float32Array, Float64Array
from topwork.data import Mask
from topwork.errors import DataError
from topwork.metrics import ObjectCounts, ObjectMatches, match_objects

from ._split import Splitting, foreground_of, split_objects
from ._weighed import sureness

THRESHOLDS = (0.35, 0.5, 0.65)
MARKERS = (-0.4, -0.25, -0.1, 0.2, 0.5, 0.8)  # of depth lower ones, of borders where objects touch higher ones
DEPTHS = (0.5, 1.0, 2.0)
JOINS = (0.15, 0.25)  # after the highest marker, which starts most objects
AREAS = (0.0, 0.1, 0.25, 0.5)  # of the median object's
SURES = (0.0, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
SAME = 1e-9


class _Found(NamedTuple):
    """The objects of one image, beside the true ones."""

    matches: ObjectMatches
    sure: Float64Array  # (F,)

    def kept(self, least_area: int, sure: float) -> ObjectMatches:
        return self.matches.only((self.matches.areas >= least_area) & (self.sure >= sure))


def fit_splitting(
    images: Iterable[tuple[Float32Array, Mask]], *, border: bool, has_background: bool = True
) -> Splitting:
    """The splitting of the best average precision of objects, mean over overlaps from 0.5 to 0.95 and over classes.

    A small grid is tried: thresholds, where objects start and which pieces are joined, then how large and how sure an
    object must be. Of equal ones it is the one nearest to the default. Each image is asked for once, and none is kept.

    Args:
        images: Probabilities, as `split_objects` takes them, and what is there, with objects told apart.
        border: Whether the last channel is that of borders (``Splitting.border``).
        has_background: Whether the first class is no object.

    Raises:
        DataError: No image has an object, or objects are not told apart.
        MissingExtraError: scikit-image is not installed.
    """
    tried = _tried(border)
    found: list[list[_Found]] = [[] for _ in tried]
    n_classes = 0
    for probabilities, mask in images:
        n_classes = len(probabilities) - border
        for splitting, each in zip(tried, found, strict=True):
            each.append(_found(probabilities, mask, splitting, has_background))
    areas = np.concatenate([each.matches.true_areas for each in found[0]] or [np.empty(0, np.int64)])
    if not areas.size:
        raise DataError(
            "no image that objects would be told apart on shows one",
            hint="Give masks in which objects are told apart.",
        )
    best, score = tried[0], -1.0
    for splitting, each in zip(tried, found, strict=True):
        for chosen in _sifted(splitting, float(np.median(areas))):
            matches = [one.kept(chosen.least_area, chosen.sure) for one in each]
            now = _average_precision(matches, n_classes)
            if now > score + SAME:
                best, score = chosen, now
    return best


def _tried(border: bool) -> list[Splitting]:
    """What is tried before objects are sifted, the nearest to the default first."""
    usual = Splitting(border)
    starts, own = (MARKERS, usual.marker) if border else (DEPTHS, usual.depth)
    middle = THRESHOLDS.index(usual.threshold), starts.index(own)
    given = sorted(itertools.product(THRESHOLDS, starts), key=lambda each: _far(each, starts, middle))
    if not border:
        return [Splitting(False, threshold, depth=start) for threshold, start in given]
    whole = [Splitting(True, threshold, marker=start) for threshold, start in given]
    return [*whole, *(replace(each, join=join) for each in whole if each.marker == MARKERS[-1] for join in JOINS)]


def _sifted(splitting: Splitting, median: float) -> Iterator[Splitting]:
    for share, sure in itertools.product(AREAS, SURES):
        yield replace(splitting, least_area=round(share * median), sure=sure)


def _far(given: tuple[float, float], starts: tuple[float, ...], middle: tuple[int, int]) -> tuple[int, int]:
    """How far thresholds and starts are from the usual ones in their lists."""
    places = THRESHOLDS.index(given[0]), starts.index(given[1])
    away = [abs(place - usual) for place, usual in zip(places, middle, strict=True)]
    return sum(away), away[0]


def _found(probabilities: Float32Array, mask: Mask, splitting: Splitting, has_background: bool) -> _Found:
    """Of one image, its objects of any area, however sure."""
    if mask.objects is None:
        raise DataError("objects are not told apart in a mask", hint="Give masks in which objects have numbers.")
    objects = split_objects(probabilities, splitting, has_background=has_background)
    n_classes, first = len(probabilities) - splitting.border, int(has_background)
    labels = probabilities[first:n_classes].argmax(axis=0) + first
    sides = (mask.objects, mask.labels), (objects, labels)
    matches = match_objects(*sides, mask.labels >= 0, n_classes, first)
    return _Found(matches, sureness(objects, foreground_of(probabilities, splitting, has_background))[1:])


def _average_precision(matches: list[ObjectMatches], n_classes: int) -> float:
    """Mean over overlaps and classes."""
    counts = [ObjectCounts.of(each, n_classes) for each in matches]
    right, invented, missed = (sum(getattr(each, name) for each in counts) for name in ("right", "invented", "missed"))
    whole = right + invented + missed
    seen = whole[:, 0] > 0
    return float((right[seen] / whole[seen]).mean())
