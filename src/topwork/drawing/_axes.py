"""A chart's geometry, computed before anything is drawn: Pillow draws from it here, and a page draws it as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topwork._arrays import AnyArray

Place = tuple[float, float]

_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)  # between the marks of an axis of accuracy
_DIGITS = (1, 2, 5)  # at which a logarithmic axis is marked
_MOST_MARKS = 6


@dataclass(frozen=True)
class Axis:
    """The numbers along one side of a chart.

    Attributes:
        low: Where it begins, in units.
        high: Where it ends, in units.
        unit: What those two count: whole steps of a fraction such as 0.05 have no rounding error.
        marks: Numbers that are marked, each with what stands there.
        logarithmic: Whether equal ratios lie equally far apart, and not equal differences.
    """

    low: float = 0.0
    high: float = 1.0
    unit: float = 1.0
    marks: tuple[tuple[float, str], ...] = ()
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """How far along the axis a number lies: 0 where it begins, 1 where it ends."""
        ends = (self.low, self.high, value / self.unit)
        low, high, place = map(math.log10, ends) if self.logarithmic else ends
        return (place - low) / (high - low)


def share_axis(steps: int) -> Axis:
    """Shares from 0 to 1, marked in percent at so many equal steps."""
    return Axis(marks=tuple((step / steps, f"{step / steps:.0%}") for step in range(steps + 1)))


def named_axis(names: Sequence[str]) -> Axis:
    """Names at equal distances from 0 to 1."""
    last = max(len(names) - 1, 1)
    return Axis(marks=tuple((number / last, name) for number, name in enumerate(names)))


def accuracy_axis(values: Sequence[float]) -> Axis:
    """Accuracies from 0 to 1, only as much of the range as holds the values (one at least), between round numbers."""
    low, high = min(values), max(values)
    step = next((each for each in _STEPS if (high - low) / each <= _MOST_MARKS - 1), _STEPS[-1])
    first, last = math.floor(low / step + 1e-9), max(math.ceil(high / step - 1e-9), 1)
    first = min(first, last - 1)
    marks = tuple((number * step, f"{number * step:.0%}") for number in range(first, last + 1))
    return Axis(first, last, step, marks)


def logarithmic_axis(values: Sequence[float]) -> Axis:
    """Positive numbers, one at least, with some room at both ends so that none of them lies upon another axis."""
    first, last = math.log10(min(values)), math.log10(max(values))
    spare = max(0.08 * (last - first), 0.15)
    low, high = 10 ** (first - spare), 10 ** (last + spare)
    marks = tuple((each, f"{each:,g}") for each in _round_numbers(low, high))
    return Axis(low, high, marks=marks, logarithmic=True)


def _round_numbers(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, … between two numbers; only the powers of ten where that would be many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [digit * 10.0**power for power in powers for digit in _DIGITS]
    found = [each for each in found if low <= each <= high]
    tens = [each for each in found if round(math.log10(each), 6).is_integer()]
    return tens if len(found) > _MOST_MARKS + 1 and len(tens) > 1 else found


@dataclass(frozen=True)
class Axes:
    """Two axes laid out in a drawing, whose units are pixels or those of an SVG, counted from its upper left corner.

    Attributes:
        left: Where the axis across begins.
        right: Where it ends.
        top: Where the axis upwards ends.
        bottom: Where it begins.
        x: The numbers across.
        y: The numbers upwards.
        digits: To which places are rounded; None where they are not.
    """

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x: Axis
    y: Axis
    digits: int | None = None

    @property
    def across(self) -> tuple[tuple[float, str], ...]:
        """Places and texts of the marks of the axis across."""
        return tuple((self.x_at(value), text) for value, text in self.x.marks)

    @property
    def up(self) -> tuple[tuple[float, str], ...]:
        """Places and texts of the marks of the axis upwards."""
        return tuple((self.y_at(value), text) for value, text in self.y.marks)

    def x_at(self, value: float) -> float:
        """Where a number of the axis across lies in the drawing."""
        return self._rounded(self.left + (self.right - self.left) * self.x.share(value))

    def y_at(self, value: float) -> float:
        """Where a number of the axis upwards lies in the drawing."""
        return self._rounded(self.top + (self.bottom - self.top) * (1 - self.y.share(value)))

    def at(self, x: float, y: float) -> Place:
        """Where two numbers lie in the drawing."""
        return self.x_at(x), self.y_at(y)

    def _rounded(self, place: float) -> float:
        return place if self.digits is None else round(place, self.digits)


def spread(points: AnyArray, side: float = 1.0) -> AnyArray:
    """Points (N, 2) brought into a square, each direction stretched by itself, at 3 to 97 % of its side."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.03 * side
    return np.asarray(margin + (side - 2 * margin) * (points - low) / np.where(high > low, high - low, 1))
