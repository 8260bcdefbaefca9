"""Objects beside objects: which overlap by so much that they are the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float64Array, Int64Array, IntpArray
from topwork.errors import DataError

_TWENTIETHS = range(10, 20)  # overlaps are compared as whole numbers, without rounding
IOUS = tuple(each / 20 for each in _TWENTIETHS)  # 0.5, 0.55 to 0.95
_DENSE = 4_000_000  # cells of a table of pairs, 32 MB


class ObjectCounts(NamedTuple):
    """What one image's objects add. C classes, T overlaps 0.5, 0.55 to 0.95."""

    right: Int64Array  # (C, T) objects that were found
    invented: Int64Array  # (C, T) of what was found, those that are no object
    missed: Int64Array  # (C, T)
    panoptic: Float64Array  # (C, 4) right, invented, missed at an overlap above 0.5; the sum of overlaps of those right


def object_counts(
    there: tuple[AnyArray, AnyArray],
    said: tuple[AnyArray, AnyArray],
    known: BoolArray,
    n_classes: int,
    first: int,
) -> ObjectCounts:
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
    """
    own, own_classes, _ = _numbered(*there, known, n_classes, first)
    found, found_classes, outside = _numbered(*said, known, n_classes, first)
    own_areas = np.bincount(own, minlength=len(own_classes))
    found_areas = np.bincount(found, minlength=len(found_classes))
    rows, columns, shared = _pairs(own, found, len(own_classes), len(found_classes))
    union = own_areas[rows] + found_areas[columns] - shared
    same = (own_classes[rows] == found_classes[columns]) & (2 * shared >= union)
    rows, columns, shared, union = rows[same], columns[same], shared[same], union[same]
    single = _first(rows) & _first(columns)
    rows, columns, shared, union = rows[single], columns[single], shared[single], union[single]

    totals = np.bincount(own_classes[1:][own_areas[1:] > 0], minlength=n_classes)
    right, invented = np.zeros((2, n_classes, len(IOUS) + 1), np.int64)
    limits = [20 * shared >= limit * union for limit in _TWENTIETHS]
    for place, enough in enumerate([*limits, 2 * shared > union]):
        counted = ~outside
        counted[columns[enough]] = True
        counted[0] = False
        right[:, place] = np.bincount(own_classes[rows[enough]], minlength=n_classes)
        invented[:, place] = np.bincount(found_classes[counted], minlength=n_classes) - right[:, place]
    missed = totals[:, None] - right
    above = 2 * shared > union
    quality = np.bincount(own_classes[rows[above]], shared[above] / union[above], minlength=n_classes)
    panoptic = np.stack([right[:, -1], invented[:, -1], missed[:, -1], quality], axis=1).astype(np.float64)
    return ObjectCounts(right[:, :-1], invented[:, :-1], missed[:, :-1], panoptic)


def _numbered(
    objects: AnyArray, labels: AnyArray, known: BoolArray, n_classes: int, first: int
) -> tuple[Int64Array, Int64Array, BoolArray]:
    """Numbers (H·W,) from 1 without gaps, 0 where none is; classes (n + 1,); which lie mostly in what is not known."""
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
    areas = np.bincount(inside, minlength=size), np.bincount(everywhere, minlength=size)
    return inside, classes, 2 * areas[0] < areas[1]


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
