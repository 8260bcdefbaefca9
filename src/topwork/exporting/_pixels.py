"""Preprocessing as part of the graph: what Pillow's ``resize`` does, as two matrix products.

ONNX's ``Resize`` cannot say what Pillow's filters do. Here a row of a matrix holds what one pixel of the square takes
of the image's pixels; its numbers are computed from height and width as Pillow's ``Resample.c`` computes them, in
double precision and then in steps of 2^-22. Pillow resizes along the rows first, and rounds to whole levels after each
of both passes. It sums whole numbers, where halves are common: a sum of rounded ones would fall to the other side, and
cloth at 250 pixels then answers otherwise. So each weight is two whole numbers, whose sums float32 holds exactly.
"""

from __future__ import annotations

import importlib.metadata
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from topwork.backbones import Preprocessing
from topwork.exporting._nodes import Nodes, Value

_STEPS = 2.0**22  # of one: how finely Pillow's weights are rounded
_PART = 2.0**11  # of them, in the higher of the two numbers that hold a weight
_REACH = {"bilinear": 1.0, "bicubic": 2.0}  # of a filter, in pixels of what it makes


@dataclass(frozen=True)
class _Axis:
    """One side of the image, float64 () each; plain numbers where they are the same for all images.

    Attributes:
        length: Pixels of the image.
        start: Where the part begins that is resized, in them.
        extent: How long it is.
        count: Pixels that it becomes.
        first: Which of these is the first in the square; below 0 where there is a margin before.
    """

    length: Value
    start: Value | float
    extent: Value
    count: Value | float
    first: Value | float

    @property
    def enlarges(self) -> Value:
        """Whether it becomes longer."""
        return self.extent < self.count


def square_of(nodes: Nodes, images: Value, preprocessing: Preprocessing) -> Value:
    """What the network sees of images, in levels from 0 to 255.

    Args:
        nodes: The graph.
        images: uint8 (batch, height, width, 3).
        preprocessing: Its crop, filter and rules.

    Returns:
        float32 (batch, 3, size, size), whole numbers, equal to those of ``Preprocessing.__call__``.
    """
    height, width = (images.size(axis).to(np.float64) for axis in (1, 2))
    down, across = _axes(nodes, height, width, preprocessing)
    enlarges = down.enlarges | across.enlarges
    rows, columns = (_weights(nodes, axis, preprocessing, enlarges) for axis in (down, across))
    levels = _resized(images.to(np.float32).transpose(0, 3, 1, 2), rows, columns, (down, across))
    if preprocessing.crop_mode != "pad":
        return levels
    colour = np.round(np.array(preprocessing.mean) * 255)[:, None, None].astype(np.float32)
    inside = _inside(down, preprocessing.size).reshape(-1, 1) & _inside(across, preprocessing.size).reshape(1, -1)
    return nodes.where(inside, levels, colour)


def _resized(levels: Value, rows: Value, columns: Value, axes: tuple[_Axis, _Axis]) -> Value:
    """Both passes, each rounded, in Pillow's order: since 13 one that is far taller is made lower first."""

    def narrowed(levels: Value) -> Value:
        return _whole(levels @ columns.transpose(1, 0), axis=3)

    def lowered(levels: Value) -> Value:
        return _whole(rows @ levels, axis=2)

    def across_first() -> Value:
        return lowered(narrowed(levels))

    if _pillow() < 13:
        return across_first()
    shrinks, narrows = (axis.length - axis.count for axis in axes)
    tall = (shrinks > 0.0) & (shrinks > narrows * 2.0)
    return levels.nodes.either(tall, lambda: narrowed(lowered(levels)), across_first)


def _pillow() -> int:
    """The major version of the Pillow that is installed."""
    return int(importlib.metadata.version("pillow").partition(".")[0])


def _axes(nodes: Nodes, height: Value, width: Value, values: Preprocessing) -> tuple[_Axis, _Axis]:
    """Both sides, as ``Preprocessing.view`` and ``_grid`` have them."""
    sides, size = (height, width), float(values.size)
    if values.crop_mode == "pad":
        scale = height.largest(width) / size
        counts = [(side / scale).round().largest(1.0) for side in sides]
        return _pair(
            _Axis(side, 0.0, side, count, -((size - count) / 2.0).floor())
            for side, count in zip(sides, counts, strict=True)
        )
    if values.rules == "timm":
        return _pair(_whole_pixels(side, height.smallest(width), values) for side in sides)
    if values.crop_mode == "squash":
        return _pair(_Axis(side, 0.0, side, size, 0.0) for side in sides)
    seen = height.smallest(width) * values.crop
    return _pair(_cropped(side, seen, size) for side in sides)


def _whole_pixels(side: Value, short: Value, values: Preprocessing) -> _Axis:
    """A side in timm's rules: the whole is resized, and its middle is seen."""
    least = math.floor(values.size / values.crop)
    if values.crop_mode == "squash":
        return _Axis(side, 0.0, side, float(least), float(round((least - values.size) / 2)))
    count = (side * float(least) / short).floor()
    return _Axis(side, 0.0, side, count, ((count - float(values.size)) / 2.0).round())


def _pair(axes: Any) -> tuple[_Axis, _Axis]:
    down, across = axes
    return down, across


@dataclass(frozen=True)
class _Cropped(_Axis):
    """A side whose part begins and ends between pixels."""

    exact: Value  # the extent before Pillow kept the ends in 32 bits, by which the filter is chosen

    @property
    def enlarges(self) -> Value:
        return self.exact < self.count


def _cropped(side: Value, seen: Value, size: float) -> _Axis:
    start = (side - seen) / 2.0
    end = start + seen
    kept = [each.to(np.float32) for each in (start, end)]
    extent = (kept[1] - kept[0]).to(np.float64)
    return _Cropped(side, kept[0].to(np.float64), extent, size, 0.0, end - start)


def _inside(axis: _Axis, size: int) -> Value:
    """Which pixels of the square are not margin, bool (size,)."""
    place: Any = axis.first + np.arange(size, dtype=np.float64)
    inside: Value = (place >= 0.0) & (place < axis.count)
    return inside


def _weights(nodes: Nodes, axis: _Axis, values: Preprocessing, enlarges: Value) -> Value:
    """What each pixel of the square takes of the image's, float32 (2 size, length): the higher numbers, the lower.

    They are computed for the few pixels that a filter reaches, (size, taps), and laid into rows of zeros.
    """
    place: Any = axis.first + np.arange(values.size, dtype=np.float64)[:, None]
    scale = axis.extent / axis.count
    stretch = scale.largest(1.0)
    centre = (place + 0.5) * scale
    centre = axis.start + centre if isinstance(axis.start, Value) else centre
    reach = stretch * _reach(enlarges, values.interpolation)
    low, high = (centre - reach + 0.5).floor().largest(0.0), (centre + reach + 0.5).floor().smallest(axis.length)
    taps = nodes.add("Ceil", reach).to(np.int64) * 2 + 1
    pixels = low + nodes.add("Range", np.int64(0), taps, np.int64(1)).to(np.float64)
    distance = (pixels - centre + 0.5) * (1.0 / stretch)
    taken = nodes.where(pixels < high, _filtered(nodes, distance, values.interpolation, enlarges), 0.0)
    total = taken.sum(1)
    taken = taken / nodes.where(total.equals(0.0), 1.0, total)
    steps = nodes.add("Sign", taken) * (abs(taken) * _STEPS + 0.5).floor()
    whole = (steps / _PART).floor()
    parts = nodes.add("Concat", whole, steps - whole * _PART, axis=0).to(np.float32)
    return _laid_out(nodes, parts, pixels, axis.length)


def _laid_out(nodes: Nodes, parts: Value, pixels: Value, length: Value) -> Value:
    """Weights (2 size, taps) of pixels (size, taps) as rows (2 size, length), zero elsewhere."""
    places = pixels.smallest(length - 1.0).to(np.int64)
    places = nodes.add("Concat", places, places, axis=0)
    count = parts.nodes.add("Gather", nodes.add("Shape", parts, dtype=np.int64), np.array([0]), axis=0)
    shape = nodes.add("Concat", count, length.to(np.int64).reshape(1), axis=0)
    rows = nodes.add("Expand", nodes.constant(np.zeros((1, 1), np.float32)), shape)
    return nodes.add("ScatterElements", rows, places, parts, axis=1, reduction="add")


def _reach(enlarges: Value, name: str) -> Value | float:
    """How far a filter reaches, in pixels of what it makes."""
    return 0.5 + enlarges.to(np.float64) * 0.5 if name == "area" else _REACH[name]


def _filtered(nodes: Nodes, distance: Value, name: str, enlarges: Value) -> Value:
    """A filter's value at distances in pixels of what it makes."""
    if name == "bicubic":
        return _bicubic(nodes, abs(distance))
    triangle = (1.0 - abs(distance)).largest(0.0)
    if name == "bilinear":
        return triangle
    box = ((distance > -0.5) & (distance <= 0.5)).to(np.float64)
    return nodes.where(enlarges, triangle, box)


def _bicubic(nodes: Nodes, far: Value) -> Value:
    """Keys' cubic with a = -0.5, in Pillow's order of operations."""
    near = (far * 1.5 - 2.5) * far * far + 1.0
    tail = (((far - 5.0) * far + 8.0) * far - 4.0) * -0.5
    return nodes.where(far < 1.0, near, nodes.where(far < 2.0, tail, 0.0))


def _whole(sums: Value, axis: int) -> Value:
    """Levels as Pillow keeps them between its passes, whole, from 0 to 255, of both sums side by side along an axis."""
    nodes = sums.nodes
    high, low = nodes.add_several("Split", sums, dtypes=(None, None), axis=axis, num_outputs=2)
    half, whole = _STEPS / _PART / 2, _STEPS / _PART
    return nodes.add("Clip", ((high + (low / _PART).floor() + half) / whole).floor(), 0.0, 255.0)
