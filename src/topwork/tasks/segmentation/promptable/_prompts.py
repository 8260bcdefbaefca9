"""Prompts as a user gives them, checked against the image: points inside and outside of what is meant, and boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topwork._arrays import BoolArray, Float64Array
from topwork.errors import DataError

Point = Sequence[float]
"""Across and down, in pixels of the image as it is shown; a third number of 0 says that it is not part of it."""

Box = Sequence[float]
"""Left, top, right and bottom, in pixels of the image as it is shown."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """What is meant: one object by points and perhaps a box, or one for each box.

    Attributes:
        points: float64 (n, 2), across and down, in pixels of the image.
        inside: bool (n,), whether each is part of the object.
        boxes: float64 (m, 4), left, top, right and bottom, cut off at the image's edges.
    """

    points: Float64Array
    inside: BoolArray
    boxes: Float64Array

    @property
    def count(self) -> int:
        """Objects that are meant."""
        return max(1, len(self.boxes))

    @property
    def ambiguous(self) -> bool:
        """Whether it is a single point, which may mean a part as well as the whole."""
        return len(self.points) == 1 and not len(self.boxes)


def checked(points: Sequence[Point], boxes: Sequence[Box], height: int, width: int) -> Prompts:
    """Prompts on an image of that size.

    Raises:
        DataError: There is none, one lies outside of the image, a box is swapped or empty, or it is not told which box
            points belong to.
    """
    if not len(points) and not len(boxes):
        raise DataError("no prompt was given", hint="a point is across,down and a box left,top,right,bottom, in pixels")
    if len(points) and len(boxes) > 1:
        raise DataError(
            f"{len(points)} points and {len(boxes)} boxes: which box the points belong to is not told",
            hint="ask for one box with its points at a time",
        )
    of_points = [_point(each, height, width) for each in points]
    if of_points and not len(boxes) and not any(inside for *_, inside in of_points):
        raise DataError("all points lie outside of what is meant", hint="add a point inside it, or a box around it")
    return Prompts(
        np.array([each[:2] for each in of_points], np.float64).reshape(-1, 2),
        np.array([each[2] for each in of_points], np.bool_),
        np.array([_box(each, height, width) for each in boxes], np.float64).reshape(-1, 4),
    )


def _point(given: Point, height: int, width: int) -> tuple[float, float, bool]:
    if len(given) not in (2, 3) or not all(map(math.isfinite, given)):
        raise DataError(f"a point is two numbers, across and down, not {_shown(given)}")
    across, down = float(given[0]), float(given[1])
    if not (0 <= across < width and 0 <= down < height):
        raise DataError(
            f"the point {_shown(given[:2])} lies outside of the image, which is {width} x {height} pixels",
            hint="points are across,down from its upper left corner",
        )
    return across, down, len(given) == 2 or bool(given[2])


def _box(given: Box, height: int, width: int) -> tuple[float, float, float, float]:
    if len(given) != 4 or not all(map(math.isfinite, given)):
        raise DataError(f"a box is four numbers, left, top, right and bottom, not {_shown(given)}")
    left, top, right, bottom = map(float, given)
    if right <= left or bottom <= top:
        raise DataError(
            f"the box {_shown(given)} is {'empty' if right == left or bottom == top else 'swapped'}",
            hint="a box is left,top,right,bottom, with right beyond left and bottom below top",
        )
    cut = max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        raise DataError(f"the box {_shown(given)} lies outside of the image, which is {width} x {height} pixels")
    return cut


def _shown(numbers: Sequence[float]) -> str:
    return ",".join(f"{each:g}" for each in numbers)
