"""Charts of a page, laid out on ``drawing``'s axes; the templates draw them as inline SVG, which is sharp in print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from topwork.drawing import Axes, Axis, accuracy_axis, logarithmic_axis, named_axis, share_axis
from topwork.metrics import Estimate, ReliabilityBin

_MARGIN, _SMALL_MARGIN = 40.0, 16.0  # units of the drawing, as all sizes here; the small one where no text stands
_LARGEST = 11.0  # radius of the bin with the most images


def _axes(width: float, height: float, x: Axis, y: Axis, margin: float = _MARGIN) -> Axes:
    """Axes of a size, with room for texts beneath and to the left, and ``margin`` at the other sides."""
    left, top, right, bottom = _MARGIN, margin, _MARGIN + width, margin + height
    return Axes(right + margin, bottom + _MARGIN, left, right, top, bottom, x, y, digits=1)


SQUARE = _axes(300.0, 300.0, share_axis(5), share_axis(5))
"""Accuracy over confidence: the axes of a reliability chart."""


class Point(NamedTuple):
    """One bin of a reliability chart: centre and radius, whose areas are in proportion to images."""

    x: float
    y: float
    radius: float


def reliability_points(bins: Sequence[ReliabilityBin], most: int) -> tuple[Point, ...]:
    """Lay out a reliability curve on ``SQUARE``, bins with few images still to be seen.

    Args:
        bins: Of the curve.
        most: Images of the largest point.
    """
    return tuple(
        Point(*SQUARE.at(each.confidence, each.accuracy), round(max(2.5, _LARGEST * math.sqrt(each.images / most)), 1))
        for each in bins
    )


@dataclass(frozen=True)
class Spot:
    """An accuracy over something positive, such as seconds or images.

    Attributes:
        over: The something.
        accuracy: 0 to 1; its interval is drawn where that has a width.
        kind: CSS class of its mark.
        text: Upon it.
    """

    over: float
    accuracy: Estimate
    kind: str
    text: str = ""


class Mark(NamedTuple):
    """A spot in the drawing; ``high`` and ``low`` are where its interval ends."""

    x: float
    y: float
    high: float
    low: float
    kind: str
    text: str


@dataclass(frozen=True)
class Plot:
    """Accuracy over a logarithmic axis.

    Attributes:
        axes: What the accuracies cost or are made of across, accuracy upwards.
        marks: The spots, in order.
        level: Where an accuracy that is aimed at lies; None where there is none.
    """

    axes: Axes
    marks: tuple[Mark, ...]
    level: float | None


def accuracy_plot(spots: Sequence[Spot], aim: float | None = None) -> Plot:
    """Lay out accuracies over what they cost or are made of.

    Args:
        spots: One at least.
        aim: An accuracy to be marked across the whole.
    """
    ends = [end for spot in spots for end in (spot.accuracy.low, spot.accuracy.high)]
    up = accuracy_axis(ends if aim is None else [*ends, aim])
    axes = _axes(320.0, 200.0, logarithmic_axis([spot.over for spot in spots]), up)
    marks = []
    for spot in spots:
        height, low, high = map(axes.y_at, (spot.accuracy.value, spot.accuracy.low, spot.accuracy.high))
        marks.append(Mark(axes.x_at(spot.over), height, high, low, spot.kind, spot.text))
    return Plot(axes, tuple(marks), None if aim is None else axes.y_at(aim))


@dataclass(frozen=True)
class CurveChart:
    """One curve of accuracy over equal steps.

    Attributes:
        name: What it is of.
        axes: The steps across, accuracy upwards.
        points: The curve's places.
        values: Its accuracies.
    """

    name: str
    axes: Axes
    points: tuple[tuple[float, float], ...]
    values: tuple[float, ...]


def curve_chart(name: str, values: Sequence[float], across: Sequence[str]) -> CurveChart:
    """Lay out one curve, small enough to stand beside others of its kind.

    Args:
        name: What it is of.
        values: Accuracies, two at least.
        across: What stands below each of them.
    """
    axes = _axes(180.0, 110.0, named_axis(across), share_axis(2), _SMALL_MARGIN)
    points = tuple(axes.at(step, value) for (step, _), value in zip(axes.x.marks, values, strict=True))
    return CurveChart(name, axes, points, tuple(values))
