"""Objects beside objects: which overlap by so much that they are the same."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float64Array, Int64Array, IntpArray
from topwork.errors import DataError

_TWENTIETHS = range(10, 20)  # overlaps are compared as whole numbers, without rounding
IOUS = tuple(each / 20 for each in _TWENTIETHS)  # 0.5, 0.55 to 0.95
_HALF = 0.5
_DENSE = 4_000_000  # cells of a table of pairs, 32 MB


class ObjectMatches(NamedTuple):
    """The objects that were found in one image, F of them, each beside the true one that it overlaps."""

    areas: Int64Array  # (F,) pixels, those that are not known included
    classes: Int64Array  # (F,)
    levels: Int64Array  # (F,) how many of the overlaps 0.5, 0.55 to 0.95 it reaches with an object of its class
    overlaps: Float64Array  # (F,) with that object, 0 where there is none
    outside: BoolArray  # (F,) whether it lies mostly in pixels that are not known
    true_areas: Int64Array  # (K,) of the true objects
    true_classes: Int64Array  # (K,)

    def without_small(self, least_area: int) -> Self:
        """What it would be if smaller ones had not been found: the others match what they did."""
        return self.only(self.areas >= least_area)

    def only(self, kept: BoolArray) -> Self:
        """What it would be if no others than those, (F,), had been found."""
        return self._replace(
            areas=self.areas[kept],
            classes=self.classes[kept],
            levels=self.levels[kept],
            overlaps=self.overlaps[kept],
            outside=self.outside[kept],
        )


class ObjectCounts(NamedTuple):
    """What one image's objects add. C classes, T overlaps 0.5, 0.55 to 0.95."""

    right: Int64Array  # (C, T) objects that were found
    invented: Int64Array  # (C, T) of what was found, those that are no object
    missed: Int64Array  # (C, T)
    panoptic: Float64Array  # (C, 4) right, invented, missed at an overlap above 0.5; the sum of overlaps of those right

    @classmethod
    def of(cls, matches: ObjectMatches, n_classes: int) -> Self:
        """What a match adds."""
        totals = np.bincount(matches.true_classes, minlength=n_classes)[:, None]
        above = matches.overlaps > _HALF
        limits = [*(matches.levels > place for place in range(len(IOUS))), above]
        right = np.stack([np.bincount(matches.classes[each], minlength=n_classes) for each in limits], axis=1)
        counted = [each | ~matches.outside for each in limits]
        said = np.stack([np.bincount(matches.classes[each], minlength=n_classes) for each in counted], axis=1)
        quality = np.bincount(matches.classes[above], matches.overlaps[above], minlength=n_classes)
        invented, missed = said - right, totals - right
        panoptic = np.stack([right[:, -1], invented[:, -1], missed[:, -1], quality], axis=1).astype(np.float64)
        return cls(right[:, :-1], invented[:, :-1], missed[:, :-1], panoptic)


def match_objects(
    there: tuple[AnyArray, AnyArray],
    said: tuple[AnyArray, AnyArray],
    known: BoolArray,
    n_classes: int,
    first: int,
) -> ObjectMatches:
    """Match the objects of one image. Objects of one mask do not overlap, so hardly ever can one match two.

    An overlap (intersection over union) above 0.5 leaves no room for a second one. At 0.5 itself two halves of an
    object match it alike; one of them is taken, so that the numbers are those of the best assignment, which StarDist
    solves for. An object's class is the one that most of its pixels have, background aside. Pixels that are not known
    belong to no object; what was found and lies for more than half in them is not called invented, as in Kirillov et
    al. 2019, "Panoptic Segmentation".

    Args:
        there: (H, W) numbers of the true objects, 0 where none is, and (H, W) labels.
        said: The same of what was found.
        known: (H, W), pixels that have a true label.
        n_classes: C.
        first: The first class that has objects.

    Raises:
        DataError: Numbers of another size or kind, or below 0.
    """
    own, own_classes, _ = _numbered(*there, known, n_classes, first)
    found, found_classes, found_whole = _numbered(*said, known, n_classes, first)
    own_areas = np.bincount(own, minlength=len(own_classes))
    found_areas = np.bincount(found, minlength=len(found_classes))
    rows, columns, shared = _pairs(own, found, len(own_classes), len(found_classes))
    union = own_areas[rows] + found_areas[columns] - shared
    kept = (own_classes[rows] == found_classes[columns]) & (2 * shared >= union)
    rows, columns, shared, union = (each[kept] for each in (rows, columns, shared, union))
    single = _first(rows) & _first(columns)
    columns, shared, union = (each[single] for each in (columns, shared, union))
    levels, overlaps = np.zeros(len(found_classes), np.int64), np.zeros(len(found_classes))
    levels[columns] = sum((20 * shared >= limit * union).astype(np.int64) for limit in _TWENTIETHS)
    overlaps[columns] = shared / union
    outside = 2 * found_areas < found_whole
    real = np.flatnonzero(own_areas[1:]) + 1
    return ObjectMatches(
        areas=found_whole[1:],
        classes=found_classes[1:],
        levels=levels[1:],
        overlaps=overlaps[1:],
        outside=outside[1:],
        true_areas=own_areas[real],
        true_classes=own_classes[real],
    )


def _numbered(
    objects: AnyArray, labels: AnyArray, known: BoolArray, n_classes: int, first: int
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Numbers (H·W,) from 1 without gaps, 0 where none is known; classes and whole areas (n + 1,)."""
    if objects.shape != known.shape or objects.dtype.kind not in "iu":
        raise DataError(f"objects must be integers of shape {known.shape}, got {objects.dtype} {objects.shape}")
    if objects.size and objects.min() < 0:
        raise DataError("numbers of objects must be 0 or more")
    seen = known.ravel()
    everywhere = _without_gaps(objects.ravel())
    inside = np.where(seen, everywhere, 0)
    keys = inside * n_classes + np.where(seen, labels.ravel(), 0)
    size = int(everywhere.max(initial=0)) + 1
    votes = np.bincount(keys, minlength=size * n_classes).reshape(size, n_classes)
    classes = votes[:, first:].argmax(axis=1) + first if first < n_classes else np.zeros(len(votes), np.int64)
    return inside, classes, np.bincount(everywhere, minlength=size)


def _without_gaps(numbers: AnyArray) -> Int64Array:
    """Numbers (n,) of 0 and more, from 1 without gaps; 0 stays 0."""
    if numbers.max(initial=0) >= _DENSE:
        places = np.unique(np.append(numbers, 0), return_inverse=True)[1]
        return np.asarray(places[:-1], np.int64)
    there = np.bincount(numbers, minlength=1) > 0
    there[0] = False
    table: Int64Array = np.cumsum(there)
    return table[numbers]


def _pairs(own: Int64Array, found: Int64Array, n_own: int, n_found: int) -> tuple[IntpArray, IntpArray, Int64Array]:
    """Objects of both that share pixels, and how many; by rising number."""
    keys = own * n_found + found
    if n_own * n_found <= _DENSE:
        table = np.bincount(keys, minlength=n_own * n_found)
        pairs = np.flatnonzero(table)
        shared = table[pairs]
    else:
        pairs, shared = np.unique(keys[(own > 0) & (found > 0)], return_counts=True)
    rows, columns = np.divmod(pairs, n_found)
    both = (rows > 0) & (columns > 0)
    return rows[both], columns[both], shared[both]


def _first(numbers: IntpArray) -> BoolArray:
    """Which are the first of their number."""
    mask = np.zeros(len(numbers), bool)
    mask[np.unique(numbers, return_index=True)[1]] = True
    return mask
