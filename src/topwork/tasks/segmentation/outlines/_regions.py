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


class _Loop(NamedTuple):
    corners: list[int]
    verticals: list[int]  # edges


def regions_of(labels: AnyArray, label: int) -> Iterator[Region]:
    """The regions of one label, by their topmost row.

    Args:
        labels: (H, W), whole numbers or bool. Beside it so much is held as its outlines have corners.
        label: Whose pixels are meant.
    """
    corners = corners_of(labels, label)
    loops = sorted(_loops(corners), key=lambda each: min(each.corners))
    owner = np.empty(len(corners.rows) // 2, np.intp)
    for place, loop in enumerate(loops):
        owner[loop.verticals] = place
    keys = _keys(corners, len(labels))
    holes: dict[int, list[int]] = {}
    of = np.arange(len(loops))
    for place, loop in enumerate(loops):
        first = min(loop.corners)
        row, column = int(corners.rows[first]), int(corners.columns[first])
        if row < len(labels) and column < labels.shape[1] and labels[row, column] == label:
            holes[place] = []
        else:  # what lies above a hole began further up: its loop is known
            start = _start_of_run(labels[row - 1], column, label)
            of[place] = of[owner[np.searchsorted(keys, start * (len(labels) + 1) + row - 1, "right") - 1]]
            holes[int(of[place])].append(place)
    for place, within in holes.items():
        rings = [_ring(corners, loops[each], outer=each == place) for each in (place, *within)]
        yield Region(rings[0], tuple(rings[1:]), sum(map(_area, rings)))


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
    return _Loop(way, [edges[each] for each in way[1 - place % 2 :: 2]])


def _ring(corners: Corners, loop: _Loop, *, outer: bool) -> Ring:
    ring = np.stack([corners.columns[loop.corners], corners.rows[loop.corners]], axis=1)
    return ring if (_area(ring) > 0) is outer else ring[::-1]


def _area(ring: Ring) -> int:
    x, y = ring.T.astype(np.int64)
    return int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) // 2
