"""A mask upon an image: each class in its colour, a line around each object, and which colour is which beneath it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from topwork._arrays import BoolArray, IntegerArray, IntpArray, UInt8Array
from topwork.drawing._colours import class_colours
from topwork.drawing._words import line_height, words

_LEAST, _MOST = 480, 2048  # pixels of a picture's longer side
_SHARE = 0.35  # of a class's colour in its pixels; the image shows through
_PAPER, _INK = (255, 255, 255), (20, 20, 20)


def painted(
    image: UInt8Array,
    labels: IntegerArray,
    names: Mapping[int, str],
    objects: IntegerArray | None = None,
    *,
    side: int | None = None,
    legend: bool = True,
) -> UInt8Array:
    """An image with its mask upon it, and a legend beneath.

    Colours are those of Okabe and Ito (2008), told apart with any colour vision. Outlines are of the class's full
    colour with a dark or light line beside it, so that they are seen on any ground.

    Args:
        image: uint8 (H, W, 3).
        labels: (H, W) numbers of classes.
        names: Of the numbers that are painted; the others are left as they are.
        objects: (H, W) numbers of objects, 0 where none is; a line is drawn around each. Around each class when None.
        side: Pixels of the picture's longer side; None keeps the image's own, from 480 to 2048.
        legend: Whether there is to be one.

    Returns:
        uint8 (h, w, 3), of that size but for the legend.
    """
    canvas, at = scaled(image, side or min(max(*image.shape[:2], _LEAST), _MOST))
    size = canvas.shape[1], canvas.shape[0]
    there = labels[at]
    told = there if objects is None else objects[at]
    numbers = sorted(names)
    colours = class_colours(len(numbers)).astype(np.float32)
    line = _edges(told, max(1, round(max(size) / 480)))
    halo = _grown(line) & ~line
    for colour, number in zip(colours, numbers, strict=True):
        of = there == number
        canvas[of] = canvas[of] * (1 - _SHARE) + colour * _SHARE
        canvas[of & halo] = _INK if colour.mean() > 110 else _PAPER
        canvas[of & line] = colour
    seen = {number: name for number, name in names.items() if legend and (there == number).any()}
    return np.concatenate([canvas, _legend(seen, numbers, colours, size)]) if seen else canvas


def scaled(image: UInt8Array, side: int) -> tuple[UInt8Array, tuple[IntpArray, IntpArray]]:
    """An image with so many pixels on its longer side, to draw upon; and which of its own pixels lies at each of them.

    Args:
        image: uint8 (H, W, 3).
        side: Pixels.

    Returns:
        uint8 (h, w, 3); rows (h, 1) and columns (1, w) of the image.
    """
    from PIL import Image

    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    whole = Image.fromarray(np.ascontiguousarray(image))
    way = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    rows = np.minimum(((np.arange(size[1]) + 0.5) / scale).astype(np.intp), height - 1)
    columns = np.minimum(((np.arange(size[0]) + 0.5) / scale).astype(np.intp), width - 1)
    return np.asarray(whole.resize(size, way)).copy(), (rows[:, None], columns[None])


def _edges(numbers: IntegerArray, width: int) -> BoolArray:
    """(H, W) where another number lies right below or to the right, and so many pixels inwards."""
    found = np.zeros(numbers.shape, np.bool_)
    for axis in (0, 1):
        other = np.diff(numbers, axis=axis) != 0
        for end in ((0, 1), (1, 0)):
            pad = [(0, 0), (0, 0)]
            pad[axis] = end
            found |= np.pad(other, pad)
    for _ in range(width - 1):
        found = _grown(found)
    return found


def _grown(mask: BoolArray) -> BoolArray:
    found = mask.copy()
    found[1:] |= mask[:-1]
    found[:-1] |= mask[1:]
    found[:, 1:] |= mask[:, :-1]
    found[:, :-1] |= mask[:, 1:]
    return found


def _legend(seen: Mapping[int, str], numbers: list[int], colours: Any, size: tuple[int, int]) -> UInt8Array:
    """A patch of each class's colour and its name, in as many lines as they take."""
    from PIL import Image, ImageDraw

    letters = max(12, round(max(size) / 40))
    step, line = letters, line_height(letters)
    lines: list[list[tuple[int, Any]]] = [[]]
    used = step
    for number, name in seen.items():
        label = words(name, letters, max(1, size[0] - 4 * step))
        needed = 3 * step + label.face.getlength(label.text)
        if lines[-1] and used + needed > size[0]:
            lines.append([])
            used = step
        lines[-1].append((number, label))
        used += needed
    canvas = Image.new("RGB", (size[0], len(lines) * line + letters // 2), _PAPER)
    pen = ImageDraw.Draw(canvas)
    for row, entries in enumerate(lines):
        left, middle = float(step), letters // 4 + (row + 0.5) * line
        for number, label in entries:
            colour = tuple(int(each) for each in colours[numbers.index(number)])
            pen.rectangle((left, middle - letters / 2, left + letters, middle + letters / 2), fill=colour, outline=_INK)
            pen.text((left + 1.5 * letters, middle), label.text, fill=_INK, font=label.face, anchor="lm")
            left += 3 * step + label.face.getlength(label.text)
    return np.asarray(canvas)
