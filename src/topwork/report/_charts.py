"""Charts as inline SVG in the page's own colours: no script, no file, sharp in print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from topwork.evaluate import ReliabilityBin

SIDE = 300.0  # units of the drawing
_MARGIN = 40.0
_LARGEST = 11.0  # radius of the bin with the most images


@dataclass(frozen=True)
class Point:
    """One bin in the drawing: centre and radius, in its units."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Tick:
    """A mark on both axes: its place from the origin in units, and what stands there."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class ReliabilityChart:
    """Accuracy over confidence, ready to be drawn.

    Attributes:
        width: Of the whole, in units; it is square.
        left: Where confidence 0 lies.
        right: Where confidence 1 lies.
        top: Where accuracy 1 lies.
        bottom: Where accuracy 0 lies.
        points: As the model answers.
        before: Without temperature scaling.
        ticks: Of both axes.
    """

    width: float
    left: float
    right: float
    top: float
    bottom: float
    points: tuple[Point, ...]
    before: tuple[Point, ...]
    ticks: tuple[Tick, ...]


def reliability_chart(bins: Sequence[ReliabilityBin], before: Sequence[ReliabilityBin] = ()) -> ReliabilityChart:
    """Lay out the reliability curve, and the one before temperature scaling behind it."""
    most = max((each.images for each in (*bins, *before)), default=1)
    ticks = tuple(Tick(*_place(step / 5, step / 5), f"{step / 5:.0%}") for step in range(6))
    left, bottom = _place(0, 0)
    right, top = _place(1, 1)
    return ReliabilityChart(
        SIDE + 2 * _MARGIN, left, right, top, bottom, _points(bins, most), _points(before, most), ticks
    )


def _points(bins: Sequence[ReliabilityBin], most: int) -> tuple[Point, ...]:
    """Areas in proportion to images, small ones still to be seen."""
    return tuple(
        Point(*_place(each.confidence, each.accuracy), round(max(2.5, _LARGEST * math.sqrt(each.images / most)), 1))
        for each in bins
    )


def _place(confidence: float, accuracy: float) -> tuple[float, float]:
    return round(_MARGIN + SIDE * confidence, 1), round(_MARGIN + SIDE * (1 - accuracy), 1)
