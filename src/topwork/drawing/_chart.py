"""Charts as pixels: curves over an axis, and points in the plane, drawn large and reduced for smooth lines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topwork._arrays import AnyArray, IntegerArray, UInt8Array
from topwork.drawing._axes import Axes, Place, named_axis, share_axis, spread
from topwork.drawing._colours import class_colours
from topwork.drawing._words import line_height, words

_SCALE = 2
_TEXT = 15  # pixels
_WIDTH, _HEIGHT = 760, 420  # of a line chart, in pixels
_LEFT, _LEGEND, _TOP, _BOTTOM = 64, 240, 66, 62  # pixels around its axes
_SIDE, _RADIUS = 320, 3  # of a scatter's and its legend's square, and of its points, in pixels
_INK, _GRID, _PAPER = (30, 30, 30), (222, 222, 222), (255, 255, 255)


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        values: Heights, one for each place of the axis.
    """

    name: str
    values: Sequence[float]
    dashed: bool = False


def line_chart(places: Sequence[str], curves: Sequence[Curve], *, title: str, across: str, up: str) -> UInt8Array:
    """Curves of shares from 0 to 1 over named places at equal distances.

    Args:
        places: What stands beneath the axis, two or more.
        curves: Lines; each has a value for each place.
        title: Above.
        across: What the places are.
        up: What the heights are.

    Returns:
        uint8 (420, 760, 3).
    """
    ends = {"left": _LEFT, "right": _WIDTH - _LEGEND, "top": _TOP, "bottom": _HEIGHT - _BOTTOM}
    axes = Axes(_WIDTH, _HEIGHT, **ends, x=named_axis(places), y=share_axis(5))
    board = _Board(axes)
    for place, text in axes.up:
        board.line([(axes.left, place), (axes.right, place)], _INK if place == axes.bottom else _GRID, 1)
        board.text(text, (axes.left - 8, place), "rm")
    for place, text in axes.across:
        board.text(text, (place, axes.bottom + 8), "mt")
    steps = [step for step, _ in axes.x.marks]
    for number, (curve, colour) in enumerate(zip(curves, class_colours(len(curves)).tolist(), strict=True)):
        points = [axes.at(step, value) for step, value in zip(steps, curve.values, strict=True)]
        board.line(points, tuple(colour), 3, dashed=curve.dashed)
        for point in points:
            board.dot(point, tuple(colour), 4)
        row = 1 - number * line_height(_TEXT) / (axes.bottom - axes.top)
        start, end, name = (axes.at(beyond, row) for beyond in (1.05, 1.11, 1.13))
        board.line([start, end], tuple(colour), 3, dashed=curve.dashed)
        board.text(curve.name, name, "lm")
    board.text(title, (axes.left, 10), "lt")
    board.text(up, (axes.left - 8, axes.top - 18), "mm")
    board.text(across, (axes.x_at(0.5), axes.bottom + 32), "mt")
    return board.done()


def scatter(points: AnyArray, labels: IntegerArray, classes: int) -> UInt8Array:
    """Points of the plane, coloured by class, in a frame. Such a map's scale means nothing, so there are no numbers.

    Args:
        points: (N, 2).
        labels: (N,), which class.
        classes: How many there are.

    Returns:
        uint8 (320, 320, 3).
    """
    from PIL import Image, ImageDraw

    places, side = spread(points), _SIDE * _SCALE
    canvas = Image.new("RGB", (side, side), _PAPER)
    pen = ImageDraw.Draw(canvas)
    colours = class_colours(classes).tolist()
    for row in np.random.default_rng(0).permutation(len(points)):  # so that no class lies on top of all others
        x, y = (places[row] * (side - 1)).tolist()
        pen.circle((x, side - 1 - y), _RADIUS * _SCALE, fill=tuple(colours[labels[row]]))
    pen.rectangle((0, 0, side - 1, side - 1), outline=_GRID, width=_SCALE)
    return np.asarray(canvas.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS))


def legend(names: Sequence[str]) -> UInt8Array:
    """The colours that ``scatter`` gives to classes, as many as there is room for: uint8 (320, 320, 3)."""
    from PIL import Image, ImageDraw

    canvas = Image.new("RGB", (_SIDE, _SIDE), _PAPER)
    pen = ImageDraw.Draw(canvas)
    room = _SIDE // line_height(_TEXT) - 1
    for number, (name, colour) in enumerate(zip(names[:room], class_colours(len(names)).tolist(), strict=False)):
        middle = (number + 0.5) * line_height(_TEXT)
        pen.circle((8, middle), 6, fill=tuple(colour))
        text, face = words(name, _TEXT, _SIDE - 24)
        pen.text((22, middle), text, fill=_INK, font=face, anchor="lm")
    if len(names) > room:
        text, face = words(f"and {len(names) - room} more", _TEXT, _SIDE)
        pen.text((22, (room + 0.5) * line_height(_TEXT)), text, fill=_INK, font=face, anchor="lm")
    return np.asarray(canvas)


Ink = tuple[int, ...]


class _Board:
    """A canvas of the axes' size; places are pixels."""

    def __init__(self, axes: Axes) -> None:
        from PIL import Image, ImageDraw

        self._size = (int(axes.width), int(axes.height))
        self._canvas = Image.new("RGB", (self._size[0] * _SCALE, self._size[1] * _SCALE), _PAPER)
        self._pen = ImageDraw.Draw(self._canvas)
        self._words: list[tuple[str, Place, str]] = []

    def line(self, points: Sequence[Place], ink: Ink, width: int, *, dashed: bool = False) -> None:
        """A line through places."""
        for start, end in itertools.pairwise(points):
            (left, top), (right, bottom) = _large(start), _large(end)
            pieces = max(1, round(np.hypot(right - left, bottom - top) / (7 * _SCALE))) if dashed else 1
            for piece in range(0, pieces, 2):
                shares = (piece / pieces, min(1, (piece + 1) / pieces))
                ends = [(left + share * (right - left), top + share * (bottom - top)) for share in shares]
                self._pen.line(ends, fill=ink, width=width * _SCALE)

    def dot(self, point: Place, ink: Ink, radius: int) -> None:
        """A filled circle."""
        self._pen.circle(_large(point), radius * _SCALE, fill=ink)

    def text(self, text: str, at: Place, anchor: str) -> None:
        """Words at a place; ``anchor`` as Pillow has it."""
        self._words.append((text, at, anchor))

    def done(self) -> UInt8Array:
        """The chart, reduced, and the words upon it at their own size."""
        from PIL import Image, ImageDraw

        canvas = self._canvas.resize(self._size, Image.Resampling.LANCZOS)
        pen = ImageDraw.Draw(canvas)
        for text, (left, top), anchor in self._words:
            room = self._size[0] - left - 4 if anchor.startswith("l") else self._size[0]
            shown, face = words(text, _TEXT, room)
            pen.text((left, top), shown, fill=_INK, font=face, anchor=anchor)
        return np.asarray(canvas)


def _large(place: Place) -> Place:
    return place[0] * _SCALE, place[1] * _SCALE
