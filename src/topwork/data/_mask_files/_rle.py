"""Run-length encoding of masks and filled polygons, as COCO has them.

Source: the format of COCO's ``mask`` API: runs go down each column, the first is of pixels outside; compressed, each
number is written in groups of five bits as letters from ``0``, as the difference to the number two before.
A polygon covers the pixels whose centres lie in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.errors import DataError

Plane = npt.NDArray[np.bool_]


def rle_of(
    mask: npt.NDArray[Any], corner: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None
) -> dict[str, Any]:
    """A mask as compressed run lengths: ``{"size": [height, width], "counts": text}``.

    Args:
        mask: (h, w), of the whole image or of a part, outside of which nothing is; what is not 0 is inside.
        corner: The part's first row and column.
        size: Height and width of the image; the mask's own when None.
    """
    height, width = size or mask.shape
    edges = np.zeros((mask.shape[1], mask.shape[0] + 2), np.int8)
    edges[:, 1:-1] = np.asarray(mask, np.bool_).T
    steps = np.diff(edges, axis=1)
    columns = (np.arange(mask.shape[1]) + corner[1])[:, None] * height + corner[0]
    places = np.broadcast_to(columns + np.arange(steps.shape[1]), steps.shape)
    starts, ends = places[steps == 1], places[steps == -1]
    apart = starts[1:] > ends[:-1]  # one that fills its column to the end goes on in the next
    runs = np.stack([starts[np.append(True, apart)[: len(starts)]], ends[np.append(apart, True)[: len(ends)]]], axis=1)
    counts = np.diff(runs.ravel(), prepend=0, append=height * width).tolist()
    return {"size": [height, width], "counts": _written(counts if len(counts) == 1 or counts[-1] else counts[:-1])}


def _written(counts: Sequence[int]) -> str:
    letters = []
    for place, count in enumerate(counts):
        rest = count - (counts[place - 2] if place > 2 else 0)
        more = True
        while more:
            group, rest = rest & 31, rest >> 5
            more = rest != (-1 if group & 16 else 0)
            letters.append(chr(48 + (group | (32 if more else 0))))
    return "".join(letters)


def _counts(text: str) -> list[int]:
    counts: list[int] = []
    value, shift = 0, 0
    for letter in text:
        group = ord(letter) - 48
        if not 0 <= group < 64:
            raise DataError("its run lengths hold a letter that is none of theirs")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise DataError("its run lengths are cut off")
    return counts


def mask_of_rle(rle: Mapping[str, Any]) -> Plane:
    """Run lengths, compressed or as numbers, as a mask; bool (H, W).

    Raises:
        DataError: They are none, or do not fill the size that they tell.
    """
    try:
        height, width = (int(side) for side in rle["size"])
        given = rle["counts"]
        given = given.decode("ascii") if isinstance(given, bytes) else given
        counts = np.array(_counts(given) if isinstance(given, str) else given, np.int64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError("its run lengths are not COCO's: size and counts") from error
    within = counts.ndim == 1 and (counts >= 0).all() and (counts <= height * width).all()  # so that no sum overflows
    if height < 1 or width < 1 or not within or int(counts.sum()) != height * width:
        raise DataError(f"its run lengths do not fill {width} × {height} pixels")
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return np.asarray(inside.reshape(height, width, order="F"))


def filled(polygons: Sequence[npt.ArrayLike], height: int, width: int) -> Plane:
    """The pixels whose centres lie in any of these polygons, bool (H, W).

    Args:
        polygons: Each ``x, y, x, y, …`` in pixels, from the image's edge.
        height: Of the image.
        width: Of the image.
    """
    found = np.zeros((height, width), bool)
    for polygon in polygons:
        points = np.asarray(polygon, np.float64).reshape(-1, 2)
        found |= _filled(points, np.roll(points, -1, axis=0), height, width)
    return found


def _filled(start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], height: int, width: int) -> Plane:
    """Count, along each row of centres, the edges to the left: an odd number is inside."""
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.clip(np.ceil(low - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(high - 0.5), 0, height).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(start)), counts)
    rows = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    rise = end[edge, 1] - start[edge, 1]
    along = (rows + 0.5 - start[edge, 1]) / rise
    x = start[edge, 0] + along * (end[edge, 0] - start[edge, 0])
    columns = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    crossings = np.zeros((height, width + 1), np.int32)
    np.add.at(crossings, (rows, columns), 1)
    return np.asarray(np.cumsum(crossings[:, :-1], axis=1) % 2 == 1)
