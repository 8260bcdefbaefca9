"""Charts of a page, laid out on ``drawing``'s axes; the templates draw them as inline SVG, which is sharp in print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from topwork.drawing import Axes, Axis, accuracy_axis, logarithmic_axis, named_axis, share_axis
from topwork.metrics import Estimate, ReliabilityBin

_MARGIN, _SMALL_MARGIN = 40.0, 16.0  # units of the drawing, as all sizes here; the small one where no text stands
_APART = 22.0  # between two texts of a plot
_LARGEST = 11.0  # radius of the bin with the most images


def _axes(width: float, height: float, x: Axis, y: Axis, margin: float = _MARGIN) -> Axes:
    """Axes of a size, with room for texts beneath and to the left, and ``margin`` at the other sides."""
    left, top, right, bottom = _MARGIN, margin, _MARGIN + width, margin + height
    return Axes(right + margin, bottom + _MARGIN, left, right, top, bottom, x, y, digits=1)


SQUARE = _axes(300.0, 300.0, share_axis(5), share_axis(5))
"""Accuracy over confidence: the axes of a reliability chart."""


def reliability_points(bins: Sequence[ReliabilityBin], most: int) -> list[dict[str, float]]:
    """Lay out a reliability curve on ``SQUARE``: centres and radii, whose areas are in proportion to images.

    Bins with few images can still be seen; ``most`` are the images of the largest point.
    """
    points = []
    for each in bins:
        x, y = SQUARE.at(each.confidence, each.accuracy)
        points.append({"x": x, "y": y, "radius": round(max(2.5, _LARGEST * math.sqrt(each.images / most)), 1)})
    return points


class Spot(NamedTuple):
    """An accuracy over something positive, such as seconds; the CSS class of its mark, and the text upon it."""

    over: float
    accuracy: Estimate
    kind: str
    text: str = ""


class Mark(NamedTuple):
    """A spot in the drawing; ``high`` and ``low`` are where its interval ends, ``beside`` is where its text stands."""

    x: float
    y: float
    high: float
    low: float
    kind: str
    text: str
    beside: float


class Plot(NamedTuple):
    """Accuracy over a logarithmic axis; ``level`` is where an accuracy that is aimed at lies.

    The marks' texts stand in a row at ``top``, none upon another.
    """

    axes: Axes
    marks: tuple[Mark, ...]
    level: float | None
    top: float = _MARGIN - 14


def accuracy_plot(spots: Sequence[Spot], aim: float | None = None) -> Plot:
    """Lay out accuracies, one at least, over what they cost or are made of; ``aim`` is marked across the whole."""
    ends = [end for spot in spots for end in (spot.accuracy.low, spot.accuracy.high)]
    up = accuracy_axis(ends if aim is None else [*ends, aim])
    axes = _axes(360.0, 200.0, logarithmic_axis([spot.over for spot in spots]), up)
    beside = parted([axes.x_at(spot.over) for spot in spots], axes.left, axes.right)
    marks = []
    for spot, place in zip(spots, beside, strict=True):
        height, low, high = map(axes.y_at, (spot.accuracy.value, spot.accuracy.low, spot.accuracy.high))
        marks.append(Mark(axes.x_at(spot.over), height, high, low, spot.kind, spot.text, place))
    return Plot(axes, tuple(marks), None if aim is None else axes.y_at(aim))


def parted(places: Sequence[float], low: float, high: float, least: float = _APART) -> list[float]:
    """Places in their order, moved no farther than they must be to lie ``least`` apart between two ends.

    >>> parted([10, 12, 90], 0, 100, 20)
    [10, 30, 90]
    """
    order = sorted(range(len(places)), key=lambda number: places[number])
    found, last = list(places), low - least
    for number in order:
        last = found[number] = max(found[number], last + least)
    last = high + least
    for number in reversed(order):
        last = found[number] = min(found[number], last - least)
    return [round(place, 1) for place in found]


def curve_chart(name: str, accuracies: Sequence[float], across: Sequence[str]) -> dict[str, Any]:
    """Lay out a curve of two accuracies at least over equal steps, small enough to stand beside others of its kind."""
    axes = _axes(180.0, 110.0, named_axis(across), share_axis(2), _SMALL_MARGIN)
    points = [axes.at(step, each) for (step, _), each in zip(axes.x.marks, accuracies, strict=True)]
    return {"name": name, "axes": axes, "points": points, "accuracies": accuracies}
