"""Charts as inline SVG in the page's own colours: no script, no file, sharp in print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from topwork.metrics import ReliabilityBin

SIDE = 300.0  # units of the drawing
_WIDTH, _HEIGHT = 320.0, 200.0  # of a plot, in units too
_UP = (0.01, 0.02, 0.05, 0.1, 0.2)  # steps between the marks of an axis of accuracy
_ACROSS = (1, 2, 5)  # digits at which a logarithmic axis is marked
_MOST_TICKS = 6
_MARGIN = 40.0
_SMALL_WIDTH, _SMALL_HEIGHT, _SMALL_TOP = 180.0, 110.0, 16.0  # of a chart among others, and its upper margin
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


@dataclass(frozen=True)
class Spot:
    """An accuracy over something positive, such as seconds or images.

    Attributes:
        over: The something.
        accuracy: 0 to 1.
        bounds: Of its interval; None where it has none.
        kind: CSS class of its mark.
        text: Upon it.
    """

    over: float
    accuracy: float
    bounds: tuple[float, float] | None
    kind: str
    text: str = ""


@dataclass(frozen=True)
class Mark:
    """A spot in the drawing, in its units; ``high`` and ``low`` are where its interval ends."""

    x: float
    y: float
    high: float
    low: float
    kind: str
    text: str


@dataclass(frozen=True)
class Plot:
    """Accuracy over a logarithmic axis, ready to be drawn.

    Attributes:
        width: Of the whole, in units.
        height: Likewise.
        left: Where the axes meet.
        right: Where the one across ends.
        top: Where the one upwards ends.
        bottom: Where the axes meet.
        across: Places and texts of the axis across.
        up: Likewise, upwards.
        marks: The spots, in order.
        level: Where an accuracy that is aimed at lies; None where there is none.
    """

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    marks: tuple[Mark, ...]
    level: float | None


def accuracy_plot(spots: Sequence[Spot], aim: float | None = None) -> Plot:
    """Lay out accuracies over what they cost or are made of.

    Args:
        spots: One at least.
        aim: An accuracy to be marked across the whole.
    """
    ends = [end for spot in spots for end in (spot.bounds or (spot.accuracy,))]
    ends += [aim] if aim is not None else []
    step = next((each for each in _UP if (max(ends) - min(ends)) / each <= _MOST_TICKS - 1), _UP[-1])
    floor, ceiling = math.floor(min(ends) / step + 1e-9), max(math.ceil(max(ends) / step - 1e-9), 1)
    floor = min(floor, ceiling - 1)
    first, last = (math.log10(edge(spot.over for spot in spots)) for edge in (min, max))
    spare = max(0.08 * (last - first), 0.15)  # so that no mark lies upon an axis
    first, last = first - spare, last + spare

    def x(over: float) -> float:
        return round(_MARGIN + _WIDTH * (math.log10(over) - first) / (last - first), 1)

    def y(accuracy: float) -> float:
        return round(_MARGIN + _HEIGHT * (1 - (accuracy / step - floor) / (ceiling - floor)), 1)

    marks = []
    for spot in spots:
        low, high = spot.bounds or (spot.accuracy, spot.accuracy)
        marks.append(Mark(x(spot.over), y(spot.accuracy), y(high), y(low), spot.kind, spot.text))
    return Plot(
        width=_WIDTH + 2 * _MARGIN,
        height=_HEIGHT + 2 * _MARGIN,
        left=_MARGIN,
        right=_MARGIN + _WIDTH,
        top=_MARGIN,
        bottom=_MARGIN + _HEIGHT,
        across=tuple((x(value), f"{value:,g}") for value in _round_numbers(10**first, 10**last)),
        up=tuple((y(each * step), f"{each * step:.0%}") for each in range(floor, ceiling + 1)),
        marks=tuple(marks),
        level=None if aim is None else y(aim),
    )


def _round_numbers(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, … between two numbers; only the powers of ten where that would be many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [digit * 10.0**power for power in powers for digit in _ACROSS]
    found = [each for each in found if low <= each <= high]
    tens = [each for each in found if round(math.log10(each), 6).is_integer()]
    return tens if len(found) > _MOST_TICKS + 1 and len(tens) > 1 else found


@dataclass(frozen=True)
class CurveChart:
    """One curve of accuracy over equal steps, ready to be drawn.

    Attributes:
        name: What it is of.
        width: Of the whole, in units.
        height: Likewise.
        left: Where the axes meet.
        right: Where the one across ends.
        top: Where accuracy 1 lies.
        bottom: Where accuracy 0 lies.
        across: Places and texts of the axis across.
        up: Likewise, upwards.
        points: The curve's places.
        values: Its accuracies.
    """

    name: str
    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    points: tuple[tuple[float, float], ...]
    values: tuple[float, ...]


def curve_chart(name: str, values: Sequence[float], across: Sequence[str]) -> CurveChart:
    """Lay out one curve, small enough to stand beside others of its kind.

    Args:
        name: What it is of.
        values: Accuracies, two at least.
        across: What stands below each of them.
    """
    step = _SMALL_WIDTH / (len(values) - 1)
    places = [round(_MARGIN + number * step, 1) for number in range(len(values))]
    heights = [round(_SMALL_TOP + _SMALL_HEIGHT * (1 - value), 1) for value in values]
    return CurveChart(
        name=name,
        width=_SMALL_WIDTH + _MARGIN + _SMALL_TOP,
        height=_SMALL_HEIGHT + _SMALL_TOP + _MARGIN,
        left=_MARGIN,
        right=_MARGIN + _SMALL_WIDTH,
        top=_SMALL_TOP,
        bottom=_SMALL_TOP + _SMALL_HEIGHT,
        across=tuple(zip(places, across, strict=True)),
        up=tuple((_SMALL_TOP + _SMALL_HEIGHT * (1 - share), f"{share:.0%}") for share in (0, 0.5, 1)),
        points=tuple(zip(places, heights, strict=True)),
        values=tuple(values),
    )
