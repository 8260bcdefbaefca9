"""Large images in parts that overlap, seen larger, and blended where they do: a strip at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork.errors import DataError
from topwork.tasks.segmentation.network._strips import Strip

LEAST = 16
"""Pixels of a tile's side."""

OVERLAP = 0.25
"""Share of a tile's side that it has in common with the next, at least."""

_MARGIN = 0.25  # of the overlap: what lies so near a tile's edge saw little around it, and hardly counts
_LITTLE = 1e-3


class Part(NamedTuple):
    """Part of an image, in its pixels."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, image: UInt8Array) -> UInt8Array:
        """Its pixels, uint8 (height, width, 3), of the image's."""
        return np.ascontiguousarray(image[self.top : self.bottom, self.left : self.right])


def parts_of(height: int, width: int, tile: int, step: int = 1) -> tuple[tuple[Part, ...], ...]:
    """Rows of squares that cover an image, as few as there can be; an image's side where that is shorter.

    Args:
        height: Of the image in pixels.
        width: Of the image in pixels.
        tile: Side of a tile in pixels, at least 16.
        step: Multiples of so many pixels are where tiles begin, as far as the image's end allows: with the coarsest
            stride, a network sees the same cells in each.

    Raises:
        DataError: The tile is too small.
    """
    if tile < LEAST:
        raise DataError(f"a tile is at least {LEAST} pixels wide and high, not {tile!r}")
    rows, columns = _starts(height, tile, step), _starts(width, tile, step)
    return tuple(tuple(Part(x, y, min(x + tile, width), min(y + tile, height)) for x in columns) for y in rows)


def _starts(side: int, tile: int, step: int) -> list[int]:
    if side <= tile:
        return [0]
    count = -(-(side - tile) // max(1, int(tile * (1 - OVERLAP)))) + 1
    even = np.linspace(0, side - tile, count)
    return [*(int(place) // step * step for place in even[:-1]), side - tile]


def blended(rows: Iterable[Sequence[tuple[Part, Float32Array]]], height: int, width: int, tile: int) -> Iterator[Strip]:
    """Probabilities of an image's pixels from those of its parts (K, h, w), which come row by row of them.

    Where parts overlap, each counts the more the farther a pixel lies from its edge. Strips are given as soon as no
    further row of parts reaches them, so about one row of parts is held.
    """
    ramp = max(1.0, tile * OVERLAP)
    summed = counts = None
    done = 0
    for row in rows:
        top, bottom = row[0][0].top, row[0][0].bottom
        if summed is None or counts is None:
            channels = len(row[0][1])
            summed, counts = np.zeros((channels, 0, width), np.float32), np.zeros((0, width), np.float32)
        if top > done:
            yield _strip(done, summed[:, : top - done], counts[: top - done])
            summed, counts, done = summed[:, top - done :], counts[top - done :], top
        missing = bottom - done - len(counts)
        summed = np.concatenate([summed, np.zeros((len(summed), missing, width), np.float32)], axis=1)
        counts = np.concatenate([counts, np.zeros((missing, width), np.float32)])
        for part, probabilities in row:
            weight = _weight(bottom - top, ramp)[:, None] * _weight(part.right - part.left, ramp)
            place = slice(part.top - done, part.bottom - done), slice(part.left, part.right)
            summed[:, *place] += probabilities * weight
            counts[place] += weight
    if summed is not None and counts is not None:
        yield _strip(done, summed, counts)


def _strip(top: int, summed: Float32Array, counts: Float32Array) -> Strip:
    return Strip(top, summed / counts)


def _weight(side: int, ramp: float) -> Float32Array:
    """(side,) how much the pixels of a part count, by how far they are from its edges."""
    away = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5)
    return np.asarray(np.clip((away / ramp - _MARGIN) / (1 - _MARGIN), _LITTLE, 1), np.float32)
