"""Boxes upon an image, each with the colour of its class and a few words."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import UInt8Array
from topwork.drawing._outlines import Outline
from topwork.drawing._words import line_height, words

if TYPE_CHECKING:
    from PIL.Image import Image

_LEAST, _MOST = 480, 2048  # pixels of a picture's longer side: below, no words could be read in it
_DARK, _LIGHT = (0, 0, 0), (255, 255, 255)
_DASH = 6  # widths of the line

Colour = tuple[int, ...]
Corners = tuple[float, float, float, float]


def framed(image: UInt8Array, outlines: Sequence[Outline], *, side: int | None = None) -> UInt8Array:
    """An image with boxes upon it, the first on top.

    Args:
        image: uint8 (H, W, 3).
        outlines: Boxes; what lies outside of the image is not seen.
        side: Pixels of the picture's longer side; None keeps the image's own, from 480 to 2048.

    Returns:
        uint8 (h, w, 3).
    """
    from PIL import Image, ImageDraw

    longest = max(image.shape[:2])
    scale = (side or min(max(longest, _LEAST), _MOST)) / longest
    canvas = _resized(Image.fromarray(np.ascontiguousarray(image)), scale)
    pen, width = ImageDraw.Draw(canvas), max(2, round(max(canvas.size) / 320))
    size = max(11, round(max(canvas.size) / 48))
    placed = [(each, _placed(each, scale, canvas.size)) for each in reversed(outlines)]
    for outline, corners in placed:
        _outline(pen, corners, outline, max(1, width // 2) if outline.stroke == "thin" else width)
    for outline, corners in placed:
        _caption(pen, corners, outline, width, size, canvas.size)
    return np.asarray(canvas)


def _resized(image: Image, scale: float) -> Image:
    from PIL import Image as Images

    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.copy() if size == image.size else image.resize(size, Images.Resampling.LANCZOS)


def _placed(outline: Outline, scale: float, size: tuple[int, int]) -> Corners:
    """Its corners in the picture, as far as they lie in it."""
    within = np.clip(np.nan_to_num(np.array(outline.corners) * scale), 0, [size[0] - 1, size[1] - 1] * 2)
    left, right = sorted(within[[0, 2]].tolist())
    top, bottom = sorted(within[[1, 3]].tolist())
    return left, top, right, bottom


def _outline(pen: Any, corners: Corners, outline: Outline, width: int) -> None:
    if outline.stroke != "dashed":
        pen.rectangle(corners, outline=_rgb(outline), width=width)
        return
    left, top, right, bottom = corners
    around = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    for start, end in itertools.pairwise(around):
        _dashes(pen, start, end, _rgb(outline), width)


def _dashes(pen: Any, start: tuple[float, float], end: tuple[float, float], colour: Colour, width: int) -> None:
    """A broken line; it begins and ends with a dash."""
    first, last = np.array(start), np.array(end)
    pieces = 2 * round(float(np.abs(last - first).sum()) / (2 * _DASH * width)) + 1
    for piece in range(0, pieces, 2):
        here, there = (first + (last - first) * share for share in (piece / pieces, (piece + 1) / pieces))
        pen.line([tuple(here), tuple(there)], fill=colour, width=width)


def _caption(
    pen: Any,
    corners: Corners,
    outline: Outline,
    width: int,
    size: int,
    canvas: tuple[int, int],
) -> None:
    """Words on a patch of the colour: above the box, and within the picture wherever the box lies."""
    if not outline.text:
        return
    text, face = words(outline.text, size, canvas[0] - 2 * width)
    room, height = face.getlength(text) + 2 * width, line_height(size)
    left = min(max(corners[0], 0), max(canvas[0] - room, 0))
    top = corners[1] - height if corners[1] >= height else min(corners[1], max(canvas[1] - height, 0))
    pen.rectangle((left, top, left + room, top + height), fill=_rgb(outline))
    pen.text((left + width, top + height / 2), text, fill=_ink(_rgb(outline)), font=face, anchor="lm")


def _rgb(outline: Outline) -> Colour:
    return tuple(bytes.fromhex(outline.colour[1:]))


def _ink(paper: Colour) -> Colour:
    """Black or white, whichever is read better (WCAG's relative luminance)."""
    linear = [(each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4) for each in np.array(paper) / 255]
    return _DARK if np.dot(linear, (0.2126, 0.7152, 0.0722)) > 0.179 else _LIGHT
