"""Objects that cannot be right as they are told apart: one number far apart, two that a straight line cuts, specks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from topwork.data import pieces

TINY = 9
"""Pixels at the size of training, below which an object is hardly seen."""

_PART = 0.1  # share of its object from which a piece is no speck
_GAP = 0.5  # of the root of its area, by which pieces lie apart
_LEAST_GAP = 3
_LINE = 8  # pixels of a straight contact
_STRAIGHT = 0.9  # share of the contact that lies in one line
_LONG = 0.7  # of the root of the smaller area

Objects = npt.NDArray[np.int32]
Corners = tuple[float, float, float, float]


def far_apart(objects: Objects) -> list[int]:
    """The objects of which two large pieces lie far from each other.

    Args:
        objects: (H, W), 0 where none is.
    """
    numbered, of = pieces(objects)
    if len(of) == len(np.unique(of)):
        return []
    areas = np.bincount(numbered.ravel(), minlength=len(of) + 1)[1:]
    whole = np.bincount(of, areas)
    boxes = _boxes(numbered, len(of))
    found = []
    for number in np.unique(of[np.bincount(of)[of] > 1]).tolist():
        parts = np.flatnonzero((of == number) & (areas >= _PART * whole[number]))
        gap = max((_gap(boxes[one], boxes[two]) for one in parts for two in parts if one < two), default=0.0)
        if gap >= max(_LEAST_GAP, _GAP * float(np.sqrt(whole[number]))):
            found.append(int(number))
    return found


def _boxes(numbered: Objects, count: int) -> npt.NDArray[np.int64]:
    """(P, 4): first and last row, first and last column of each number from 1."""
    rows, columns = np.nonzero(numbered)
    of = numbered[rows, columns] - 1
    found = np.empty((count, 4), np.int64)
    found[:, ::2], found[:, 1::2] = 2**31, -1
    for at, (values, low) in enumerate(((rows, True), (rows, False), (columns, True), (columns, False))):
        (np.minimum if low else np.maximum).at(found[:, at], of, values)
    return found


def _gap(one: npt.NDArray[np.int64], two: npt.NDArray[np.int64]) -> float:
    down = max(one[0] - two[1], two[0] - one[1], 0)
    right = max(one[2] - two[3], two[2] - one[3], 0)
    return float(np.hypot(down, right))


def cut_pairs(objects: Objects) -> list[tuple[int, int]]:
    """Pairs of objects that touch in one straight line along a row or a column, as wide as the smaller one nearly."""
    areas = np.bincount(objects.ravel())
    found = []
    contacts = [_contacts(objects[:, :-1], objects[:, 1:], axis=1), _contacts(objects[:-1], objects[1:], axis=0)]
    totals: dict[tuple[int, int], int] = {}
    lines: dict[tuple[int, int], int] = {}
    for first, second, line in contacts:
        for pair, count in _counted(first, second).items():
            totals[pair] = totals.get(pair, 0) + count
        if len(first):
            rows, counts = np.unique(np.stack([first, second, line], axis=1), axis=0, return_counts=True)
            for (one, two, _), count in zip(rows.tolist(), counts.tolist(), strict=True):
                lines[one, two] = max(lines.get((one, two), 0), count)
    for pair, longest in lines.items():
        smaller = float(np.sqrt(min(areas[pair[0]], areas[pair[1]])))
        if longest >= max(_LINE, _LONG * smaller) and longest >= _STRAIGHT * totals[pair]:
            found.append(pair)
    return sorted(found)


def _contacts(one: Objects, two: Objects, axis: int) -> tuple[npt.NDArray[np.int64], ...]:
    """Lower and higher number, and the line, of each pair of neighbouring pixels of two objects."""
    touching = (one != two) & (one > 0) & (two > 0)
    at = np.nonzero(touching)
    first, second = one[at].astype(np.int64), two[at].astype(np.int64)
    return np.minimum(first, second), np.maximum(first, second), at[axis].astype(np.int64)


def _counted(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> dict[tuple[int, int], int]:
    if not len(first):
        return {}
    pairs, counts = np.unique(np.stack([first, second], axis=1), axis=0, return_counts=True)
    return {(one, two): count for (one, two), count in zip(pairs.tolist(), counts.tolist(), strict=True)}


def tiny(objects: Objects, size: int) -> list[int]:
    """The objects with fewer than ``TINY`` pixels where the image is a square of so many pixels a side."""
    areas = np.bincount(objects.ravel())
    height, width = objects.shape
    scale = min(1.0, size * size / (height * width))  # made larger, a speck is still one
    found = np.flatnonzero((areas > 0) & (areas * scale < TINY))
    return [number for number in found.tolist() if number]


def corners_of(objects: Objects, numbers: Sequence[int]) -> tuple[Corners, ...]:
    """The boxes around some objects: ``xmin, ymin, xmax, ymax`` in pixels from the image's edge."""
    if not numbers:
        return ()
    boxes = _boxes(objects, int(objects.max()))
    return tuple(
        (float(left), float(top), float(right + 1), float(bottom + 1))
        for top, bottom, left, right in (boxes[number - 1].tolist() for number in numbers)
    )
