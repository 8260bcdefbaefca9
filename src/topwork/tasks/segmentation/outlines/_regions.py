"""The regions of a mask as polygons along the edges of its pixels: filled again they are the mask, pixel by pixel.

Rings are valid as OGC's Simple Features have it: none meets itself, holes touch their region's outline and each other
in single points at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._arrays import AnyArray, IntpArray
from topwork.tasks.segmentation.outlines._corners import Corners, corners_of

Ring = npt.NDArray[np.int32]
"""(n, 2), x and y of its corners in pixels from the image's upper left; the first is not repeated."""


class Region(NamedTuple):
    """Pixels that hang together by their edges.

    Attributes:
        outline: Its outer ring; the area by the shoelace formula is above 0.
        holes: Rings around what is not of it, the other way round.
        area: How many pixels it has.
    """

    outline: Ring
    holes: tuple[Ring, ...]
    area: int


_Loop = tuple[list[int], list[int]]
"""Corners in order, and the vertical edges between them."""


class _Rings(NamedTuple):
    """All rings, by their topmost row.

    Attributes:
        corners: (n, 2) x and y, ring after ring.
        ends: Where each ring begins, and where the last one ends.
        areas: By the shoelace formula: below 0 where the way went round the other way.
        firsts: (R, 2) row and column of each ring's upper left corner.
        owner: Of each vertical edge its ring.
    """

    corners: Ring
    ends: IntpArray
    areas: npt.NDArray[np.int64]
    firsts: IntpArray
    owner: IntpArray

    def ring(self, place: int) -> Ring:
        """A ring whose area is above 0."""
        ring = self.corners[self.ends[place] : self.ends[place + 1]]
        return ring if self.areas[place] > 0 else ring[::-1]


def regions_of(labels: AnyArray, label: int) -> Iterator[Region]:
    """The regions of one label, by their topmost row.

    Args:
        labels: (H, W), whole numbers or bool. Beside it so much is held as its outlines have corners.
        label: Whose pixels are meant.
    """
    corners = corners_of(labels, label)
    if not len(corners.rows):
        return
    rings = _rings(corners)
    for outer, within in _nested(labels, label, rings, _keys(corners, len(labels))).items():
        area = abs(int(rings.areas[outer])) - sum(abs(int(rings.areas[each])) for each in within)
        yield Region(rings.ring(outer), tuple(rings.ring(each)[::-1] for each in within), area)


def _nested(labels: AnyArray, label: int, rings: _Rings, keys: IntpArray) -> dict[int, list[int]]:
    """Of each outer ring those of its holes."""
    holes: dict[int, list[int]] = {}
    of: list[int] = []
    for place, (row, column) in enumerate(rings.firsts.tolist()):
        if labels[row, column] == label:
            of.append(place)
            holes[place] = []
        else:  # what lies above a hole began further up: its ring is known
            start = _start_of_run(labels[row - 1], column, label)
            edge = np.searchsorted(keys, start * (len(labels) + 1) + row - 1, "right") - 1
            of.append(of[rings.owner[edge]])
            holes[of[-1]].append(place)
    return holes


def _rings(corners: Corners) -> _Rings:
    found = sorted(_loops(corners), key=lambda each: min(each[0]))
    flat = np.fromiter((each for way, _ in found for each in way), np.intp)
    ends = np.cumsum([0, *(len(way) for way, _ in found)])
    owner = np.empty(len(corners.rows) // 2, np.intp)
    owner[np.fromiter((each for _, edges in found for each in edges), np.intp)] = np.repeat(
        np.arange(len(found)), np.diff(ends) // 2
    )
    x, y = corners.columns[flat].astype(np.int64), corners.rows[flat].astype(np.int64)
    after = np.arange(1, len(flat) + 1)
    after[ends[1:] - 1] = ends[:-1]
    areas = np.add.reduceat(x * y[after] - x[after] * y, ends[:-1]) // 2
    firsts = np.minimum.reduceat(flat, ends[:-1])
    places = np.stack([corners.rows[firsts], corners.columns[firsts]], axis=1).astype(np.intp)
    return _Rings(np.stack([x, y], axis=1).astype(np.int32), ends, areas, places, owner)


def _keys(corners: Corners, height: int) -> IntpArray:
    """Of each vertical edge its column and first row, as one number; they rise."""
    upper = np.minimum(corners.rows, corners.rows[corners.down])
    keys = np.empty(len(corners.rows) // 2, np.intp)
    keys[corners.edge] = corners.columns.astype(np.intp) * (height + 1) + upper
    return keys


def _start_of_run(row: AnyArray, column: int, label: int) -> int:
    """Where the pixels of a label that lie side by side in a row, up to this column, begin."""
    others = np.flatnonzero(row[:column] != label)
    return int(others[-1]) + 1 if len(others) else 0


def _loops(corners: Corners) -> Iterator[_Loop]:
    """Closed ways along the edges; one that would meet itself is two."""
    down, twice, edges = corners.down.tolist(), corners.twice.tolist(), corners.edge.tolist()
    rows, columns = corners.rows.tolist(), corners.columns.tolist()
    left = bytearray(b"\1") * len(down)
    for start in range(0, len(down), 2):
        if not left[start]:
            continue
        way: list[int] = []
        met: dict[tuple[int, int], int] = {}
        at = start
        while left[at]:
            if twice[at]:
                here = rows[at], columns[at]
                place = met.get(here)
                if place is not None:
                    yield _loop(way[place:], place, edges)
                    for each in way[place:]:
                        if twice[each]:
                            met.pop((rows[each], columns[each]), None)
                    del way[place:]
                met[here] = len(way)
            left[at] = 0
            way.append(at)
            at = down[at] if len(way) % 2 == 0 else at ^ 1
        yield _loop(way, 0, edges)


def _loop(way: list[int], place: int, edges: list[int]) -> _Loop:
    """Of corners in order, the first of which was left along a row where its place is even."""
    return way, [edges[each] for each in way[1 - place % 2 :: 2]]
