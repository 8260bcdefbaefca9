"""Where the outline of a mask turns, and which turn follows which: without a look at any pixel that is no corner."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._arrays import AnyArray, BoolArray, IntpArray

_CELLS = 2**22  # that are looked at together

_Int32 = npt.NDArray[np.int32]


class Corners(NamedTuple):
    """The N turns of an outline, by rows, from the left; where two pixels touch by their corners alone there are two.

    Two turns that follow each other along a row of vertices are joined by an edge, and so are two along a column: the
    first with the second, the third with the fourth. At a place with two turns each keeps to its own pixel, so pixels
    are of one region where they share an edge.

    Attributes:
        rows: int32 (N,), vertices lie between pixels: 0 is the image's upper edge.
        columns: int32 (N,).
        twice: bool (N,), whether it is one of two at its place.
        down: intp (N,), the turn at the other end of its vertical edge.
        edge: intp (N,), the number of that edge: by columns, from the top.
    """

    rows: _Int32
    columns: _Int32
    twice: BoolArray
    down: IntpArray
    edge: IntpArray


def corners_of(labels: AnyArray, label: int) -> Corners:
    """The corners of the pixels (H, W) of one label; a mask of several thousand million is read some rows at a time."""
    height, width = labels.shape
    step = max(1, _CELLS // (width + 1))
    found = [_of_rows(labels, label, top, min(top + step, height + 1)) for top in range(0, height + 1, step)]
    rows, columns, twice, falling = (np.concatenate(each) for each in zip(*found, strict=True))
    second = np.zeros(len(rows), bool)
    second[1:] = twice[1:] & (rows[1:] == rows[:-1]) & (columns[1:] == columns[:-1])
    order = np.lexsort((second ^ falling, rows, columns))  # the edge from above ends where the one below begins
    down, edge = np.empty(len(order), np.intp), np.empty(len(order), np.intp)
    down[order] = order.reshape(-1, 2)[:, ::-1].ravel()
    edge[order] = np.arange(len(order)) // 2
    return Corners(rows, columns, twice, down, edge)


def _of_rows(labels: AnyArray, label: int, top: int, bottom: int) -> tuple[_Int32, _Int32, BoolArray, BoolArray]:
    """Rows, columns, whether there are two, and whether those two pixels lie down to the left and up to the right."""
    height, width = labels.shape
    first, last = max(0, top - 1), min(bottom, height)
    inside = np.zeros((bottom - top + 1, width + 2), bool)
    inside[first - top + 1 : last - top + 1, 1:-1] = labels[first:last] == label
    above, below = inside[:-1], inside[1:]
    turned = above[:, :-1] ^ above[:, 1:] ^ below[:, :-1] ^ below[:, 1:]
    two = (above[:, :-1] == below[:, 1:]) & (above[:, 1:] == below[:, :-1]) & (above[:, 1:] != below[:, 1:])
    rows, columns = np.nonzero(turned | two)
    times = 1 + two[rows, columns]
    falling = two[rows, columns] & above[rows, columns + 1]
    kinds = (rows + top).astype(np.int32), columns.astype(np.int32), times == 2, falling
    repeated = tuple(np.repeat(each, times) for each in kinds)
    return repeated  # type: ignore[return-value]
