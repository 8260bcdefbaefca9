"""The learning curve: what more images would bring, from nested subsets of features that are there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Point:
    """One point of the curve.

    Attributes:
        images: That were learnt from.
        accuracy: On others.
    """

    images: int
    accuracy: float


@dataclass(frozen=True)
class Forecast:
    """What more images would bring.

    Attributes:
        points: Measured.
    """

    points: tuple[Point, ...]

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Forecast:
        """What ``asdict`` gave."""
        return cls(tuple(Point(**each) for each in fields["points"]))
