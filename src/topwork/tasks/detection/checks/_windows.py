"""Windows of an image, and what a network's maps say within them.

Places are shares of the image's width and height, so that a window is the same on a map of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.tasks.detection.checks._cases import Doubles, Places
from topwork.tasks.detection.checks._overlaps import intersection_over_union

Floats = npt.NDArray[np.floating[Any]]

PARTS = 3  # rows, and columns, that a window is looked at in
_AROUND = 1.6  # times its width and height, of which the surroundings are seen too
_STEP = 0.2  # of a window's width and height, between one and the next
_MOST_STEPS = 64  # along one side
_ROUNDS = 10


def means(values: Floats, windows: Floats) -> Doubles:
    """(K, channels), the mean of a map (side, side, channels) over each of K windows, as far as it lies in the image.

    Each cell counts by how much of it lies in the window, which is how much of its row does times how much of its
    column: so two small products take the place of a sum over each window.
    """
    across, down = (_covered(windows[:, place::2], len(values)) for place in (0, 1))
    rows = np.tensordot(down, values, axes=(1, 0))  # (K, side, channels): each window's columns
    return np.asarray((across[:, None] @ rows)[:, 0])


def _covered(ends: Floats, side: int) -> Doubles:
    """(K, side), of each span (K, 2) the share that lies in each of so many equal cells from 0 to 1."""
    low, high = np.clip(ends, 0, 1).T * side
    cells = np.arange(side)
    inside = np.clip(np.minimum(high[:, None], cells + 1) - np.maximum(low[:, None], cells), 0, None)
    return np.asarray(inside / np.maximum(inside.sum(axis=1, keepdims=True), 1e-9))


def parts_of(windows: Floats) -> list[Floats]:
    """The parts of each window, row by row: (K, 4) each."""
    left, top, right, bottom = windows.T
    cuts = [(share / PARTS, (share + 1) / PARTS) for share in range(PARTS)]
    width, height = right - left, bottom - top
    return [
        np.stack([left + width * x, top + height * y, left + width * x2, top + height * y2], axis=1)
        for y, y2 in cuts
        for x, x2 in cuts
    ]


def around(windows: Floats) -> Floats:
    """(K, 4), each window with what surrounds it."""
    middle, reach = (windows[:, :2] + windows[:, 2:]) / 2, (windows[:, 2:] - windows[:, :2]) * _AROUND / 2
    return np.concatenate([middle - reach, middle + reach], axis=1)


def windows_like(boxes: Floats, kinds: int, rng: np.random.Generator) -> Floats:
    """(W, 4), windows all over the image, of the sizes and shapes that boxes (B, 4) have."""
    return np.concatenate([_grid(width, height) for width, height in _shapes(boxes[:, 2:] - boxes[:, :2], kinds, rng)])


def _shapes(sides: Floats, kinds: int, rng: np.random.Generator) -> Doubles:
    """(kinds, 2), widths and heights that stand for all (B, 2): k-means of their logarithms, as in YOLO9000."""
    given = np.log(np.maximum(sides, 1e-3)).astype(np.float64)
    found = given[rng.choice(len(given), min(kinds, len(given)), replace=False)]
    for _ in range(_ROUNDS):
        nearest = ((given[:, None] - found[None]) ** 2).sum(axis=2).argmin(axis=1)
        for place in np.unique(nearest).tolist():
            found[place] = given[nearest == place].mean(axis=0)
    return np.asarray(np.exp(found))


def _grid(width: float, height: float) -> Doubles:
    across, down = (
        np.linspace(0, max(1 - side, 0), int(np.clip(np.ceil((1 - side) / (_STEP * side)) + 1, 1, _MOST_STEPS)))
        for side in (width, height)
    )
    x, y = (each.ravel() for each in np.meshgrid(across, down))
    return np.stack([x, y, np.minimum(x + width, 1), np.minimum(y + height, 1)], axis=1)


def joined(several: Sequence[Floats]) -> Doubles:
    """(sum of K, 4), all boxes of some rows."""
    return np.concatenate([np.zeros((0, 4)), *several])


def peaks(windows: Floats, scores: Floats, most: int, apart: float) -> Places:
    """The places of the highest scores, the highest first, that do not overlap another's window by more than that."""
    order = np.argsort(-scores, kind="stable")
    found: list[int] = []
    while len(order) and len(found) < most:
        best, order = order[0], order[1:]
        found.append(int(best))
        order = order[intersection_over_union(windows[order], windows[best]) <= apart]
    return np.array(found, np.intp)
