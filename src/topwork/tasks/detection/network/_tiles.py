"""Large images in parts that overlap, so that small objects are seen large, and what is found put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from topwork._arrays import BoolArray, UInt8Array
from topwork.errors import ModelError
from topwork.metrics import Detections, overlaps
from topwork.tasks.detection.network._suppress import suppress

_EDGE = 2.0  # pixels from a tile's edge at which a box counts as cut by it
_AT_ONCE = 256  # boxes that are compared with all others
_INSIDE = 0.7  # share of a box that was cut, within another of its class, from which it is a part of that


class Tile(NamedTuple):
    """Part of an image, in its pixels."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, image: UInt8Array) -> UInt8Array:
        """Its pixels, uint8 (height, width, 3), of the image's."""
        return image[self.top : self.bottom, self.left : self.right]


def tiles(height: int, width: int, tile: int, overlap: float = 0.25) -> tuple[Tile, ...]:
    """Squares that cover an image, as few as there can be, evenly spaced; an image's side where that is shorter.

    An object that is no larger than the overlap lies whole in one of them.

    Args:
        height: Of the image in pixels.
        width: Of the image in pixels.
        tile: Side of a tile in pixels, at least 16.
        overlap: Share of a tile's side that it has in common with the next, at least; from 0 to below 1.

    Raises:
        ModelError: The tile or the overlap is out of its range.
    """
    if tile < 16 or not 0 <= overlap <= 0.9:
        raise ModelError(
            f"tiles of {tile} pixels that overlap by {overlap:g}",
            hint="tiles have 16 pixels or more and overlap by 0 to 0.9",
        )
    rows, columns = _starts(height, tile, overlap), _starts(width, tile, overlap)
    return tuple(Tile(x, y, min(x + tile, width), min(y + tile, height)) for y in rows for x in columns)


def _starts(side: int, tile: int, overlap: float) -> list[int]:
    if side <= tile:
        return [0]
    step = max(1, int(tile * (1 - overlap)))
    count = -(-(side - tile) // step) + 1
    return [round(place) for place in np.linspace(0, side - tile, count)]


def merged(
    found: Sequence[Detections],
    parts: Sequence[Tile],
    height: int,
    width: int,
    *,
    overlap: float = 0.6,
    most: int | None = None,
) -> Detections:
    """What was found in an image's tiles, in pixels of the image, each object once.

    Of boxes of one class that overlap the surest stays. A box that ends at a tile's edge within the image may be
    part of an object: it goes where most of it lies in another box of its class that is not cut itself, however sure it
    is. What is cut in every tile, being larger than the overlap, stays in parts.

    Args:
        found: Of each tile, in its pixels.
        parts: The tiles.
        height: Of the image.
        width: Of the image.
        overlap: Intersection over union beyond which two boxes of one class are one object.
        most: Objects that are given; all when None.
    """
    offsets = [np.array([tile.left, tile.top] * 2, np.float32) for tile in parts]
    corners = np.concatenate([each.corners + offset for each, offset in zip(found, offsets, strict=True)])
    whole = Detections(
        corners, np.concatenate([each.scores for each in found]), np.concatenate([each.labels for each in found])
    )
    cut = np.concatenate([_cut(each, tile, height, width) for each, tile in zip(found, parts, strict=True)])
    whole = whole.select(~_parts(whole, cut))
    return whole.select(suppress(whole.corners, whole.scores, whole.labels, overlap, most))


def _cut(found: Detections, tile: Tile, height: int, width: int) -> BoolArray:
    """(K,) whether a box ends at an edge of the tile that is none of the image."""
    left, top, right, bottom = found.corners.T
    cut: BoolArray = (
        ((left <= _EDGE) & (tile.left > 0))
        | ((top <= _EDGE) & (tile.top > 0))
        | ((right >= tile.right - tile.left - _EDGE) & (tile.right < width))
        | ((bottom >= tile.bottom - tile.top - _EDGE) & (tile.bottom < height))
    )
    return cut


def _parts(found: Detections, cut: BoolArray) -> BoolArray:
    """(K,) which of the boxes that are cut are parts of one that is not."""
    parts, wholes = np.zeros(len(found), np.bool_), found.select(~cut)
    of_own_area = np.ones(len(wholes), np.bool_)
    for rows in np.array_split(np.flatnonzero(cut), 1 + len(found) // _AT_ONCE):
        some = found.select(rows)
        within = overlaps(some.corners, wholes.corners, of_own_area) > _INSIDE
        parts[rows] = (within & (some.labels[:, None] == wholes.labels)).any(axis=1)
    return parts
