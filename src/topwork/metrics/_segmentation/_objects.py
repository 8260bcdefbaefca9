"""Objects beside objects: which overlap by so much that they are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float64Array, Int64Array, IntpArray
from topwork.errors import DataError

from ._bands import bands

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
    own, found = (_Objects(*side, known, n_classes, first) for side in (there, said))
    pairs = _Pairs(own.count, found.count)
    for band in bands(known.shape):
        pairs.add(own.add(band), found.add(band))
    own_classes, own_areas, _ = own.told()
    found_classes, found_areas, found_whole = found.told()
    rows, columns, shared = pairs.told()
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


class _Objects:
    """The objects of one mask, counted some rows at a time.

    Attributes:
        count: How many numbers there are, from 1 without gaps, and 0.
    """

    def __init__(self, objects: AnyArray, labels: AnyArray, known: BoolArray, n_classes: int, first: int) -> None:
        if objects.shape != known.shape or objects.dtype.kind not in "iu":
            raise DataError(f"objects must be integers of shape {known.shape}, got {objects.dtype} {objects.shape}")
        if objects.size and objects.min() < 0:
            raise DataError("numbers of objects must be 0 or more")
        self._objects, self._labels, self._known = objects, labels, known
        self._n_classes, self._first = n_classes, first
        self._without_gaps, self.count = _numbering(objects)
        self._votes = np.zeros(self.count * n_classes, np.int64)
        self._whole = np.zeros(self.count, np.int64)

    def add(self, rows: slice) -> Int64Array:
        """Count some rows, and give their numbers, in one row: from 1 without gaps, 0 where none is known."""
        seen = self._known[rows].ravel()
        everywhere = self._without_gaps(self._objects[rows].ravel())
        inside: Int64Array = np.where(seen, everywhere, 0)
        keys = inside * self._n_classes + np.where(seen, self._labels[rows].ravel(), 0)
        self._votes += np.bincount(keys, minlength=len(self._votes))
        self._whole += np.bincount(everywhere, minlength=self.count)
        return inside

    def told(self) -> tuple[IntpArray, Int64Array, Int64Array]:
        """(n,) each: the class of most of an object's known pixels, how many of these there are, and of all."""
        votes = self._votes.reshape(self.count, self._n_classes)
        if self._first >= self._n_classes:
            return np.zeros(self.count, np.intp), votes.sum(axis=1), self._whole
        return votes[:, self._first :].argmax(axis=1) + self._first, votes.sum(axis=1), self._whole


def _numbering(objects: AnyArray) -> tuple[Callable[[AnyArray], Int64Array], int]:
    """What makes of numbers of 0 and more those from 1 without gaps, where 0 stays 0; and how many there are then."""
    most = int(objects.max(initial=0))
    if most >= _DENSE:
        values = np.unique(np.append(np.unique(objects), 0))
        return lambda numbers: np.searchsorted(values, numbers).astype(np.int64), len(values)
    there = np.zeros(most + 1, bool)
    for rows in bands(objects.shape):
        there |= np.bincount(objects[rows].ravel(), minlength=most + 1) > 0
    there[0] = False
    table: Int64Array = np.cumsum(there)
    return lambda numbers: table[numbers], int(table[-1]) + 1


class _Pairs:
    """Objects of both masks that share pixels, counted some rows at a time."""

    def __init__(self, n_own: int, n_found: int) -> None:
        self._n_found = n_found
        self._table = np.zeros(n_own * n_found, np.int64) if n_own * n_found <= _DENSE else None
        self._keys, self._shared = list[Int64Array](), list[Int64Array]()

    def add(self, own: Int64Array, found: Int64Array) -> None:
        """Count pixels, of which the numbers in both masks are given."""
        keys = own * self._n_found + found
        if self._table is not None:
            self._table += np.bincount(keys, minlength=len(self._table))
            return
        pairs, shared = np.unique(keys[(own > 0) & (found > 0)], return_counts=True)
        self._keys.append(pairs)
        self._shared.append(shared)

    def told(self) -> tuple[IntpArray, IntpArray, Int64Array]:
        """Numbers in the first mask and in the second, and how many pixels are shared; by rising number."""
        if self._table is not None:
            pairs = np.flatnonzero(self._table)
            shared = self._table[pairs]
        else:
            pairs, places = np.unique(np.concatenate([*self._keys, np.empty(0, np.int64)]), return_inverse=True)
            shared = np.zeros(len(pairs), np.int64)
            np.add.at(shared, places, np.concatenate([*self._shared, np.empty(0, np.int64)]))
        rows, columns = np.divmod(pairs, self._n_found)
        both = (rows > 0) & (columns > 0)
        return rows[both], columns[both], shared[both]


def _first(numbers: IntpArray) -> BoolArray:
    """Which are the first of their number."""
    mask = np.zeros(len(numbers), bool)
    mask[np.unique(numbers, return_index=True)[1]] = True
    return mask
