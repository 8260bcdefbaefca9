"""Which way up an image is, as its EXIF block says, and how pixels and boxes are turned to that."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.data._source import Pixels

_ORIENTATION = 0x0112
_NUMBERS = {3: "H", 4: "I"}  # SHORT, as the standard says; some cameras write LONG

# EXIF 2.32, tag Orientation: what has to be done to see the picture upright.
_UPRIGHT: dict[int, Callable[[Any], Any]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: pixels[::-1].transpose(1, 0, 2),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: pixels[:, ::-1].transpose(1, 0, 2),
}


def orientation(exif: bytes) -> int:
    """Read the orientation, 1 to 8, from an EXIF block; 1 (upright) where it has none or is damaged.

    The block is a TIFF header and its directory, with or without ``Exif\\0\\0`` before it.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        return _lookup(exif, order)
    except struct.error:  # an offset that points outside the block
        return 1


def _lookup(exif: bytes, order: str) -> int:
    (directory,) = struct.unpack_from(order + "I", exif, 4)
    (entries,) = struct.unpack_from(order + "H", exif, directory)
    for position in range(directory + 2, directory + 2 + 12 * entries, 12):
        tag, kind = struct.unpack_from(order + "HH", exif, position)
        if tag == _ORIENTATION and kind in _NUMBERS:
            (value,) = struct.unpack_from(order + _NUMBERS[kind], exif, position + 8)
            return int(value) if 1 <= value <= 8 else 1
    return 1


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn pixels, shape ``(H, W, 3)``, the right way up; the result is C-contiguous."""
    turn = _UPRIGHT.get(orientation)
    return np.ascontiguousarray(turn(pixels)) if turn else pixels


def upright_corners(
    corners: npt.NDArray[np.float64], orientations: npt.NDArray[np.int64], sizes: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Turn boxes as :func:`upright` turns the images that they are in.

    Args:
        corners: Shape (B, 4), ``xmin, ymin, xmax, ymax`` in the pixels of the images as they are stored.
        orientations: Shape (B,), 1 to 8, of each box's image.
        sizes: Shape (B, 2), height and width of it as stored.
    """
    points = corners.reshape(-1, 2, 2).copy()  # box, corner, x and y
    for axis, mirrored in ((0, (2, 3, 7, 8)), (1, (3, 4, 6, 7))):
        turned = np.isin(orientations, mirrored)
        points[turned, :, axis] = sizes[turned, 1 - axis][:, None] - points[turned, ::-1, axis]
    points[orientations > 4] = points[orientations > 4][:, :, ::-1]
    return points.reshape(-1, 4)
