"""The values that an evaluation is made of, and how JSON holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


def as_json(value: Any) -> dict[str, Any]:
    """The fields of a data class as JSON holds them: in order, data classes as objects and tuples as lists."""
    return {field.name: _as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _as_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return as_json(value)
    return [_as_json(each) for each in value] if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval.

    Raises:
        ValueError: Not finite, or not low <= value <= high.
    """

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.value, self.low, self.high]).all() and self.low <= self.value <= self.high):
            raise ValueError(f"expected finite low <= value <= high, got {self.low}, {self.value}, {self.high}")

    def to_dict(self) -> dict[str, float]:
        """The estimate as JSON holds it."""
        return {"value": self.value, "low": self.low, "high": self.high}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Estimate:
        """The estimate that `to_dict` gave."""
        return cls(float(data["value"]), float(data["low"]), float(data["high"]))


def estimate_or_none(data: Mapping[str, Any] | None) -> Estimate | None:
    """The estimate that `Estimate.to_dict` gave; None where JSON holds null."""
    return None if data is None else Estimate.from_dict(data)


@dataclass(frozen=True)
class ClassReport:
    """One class of the test set.

    Attributes:
        name: The class.
        support: Number of its images.
        precision: None where the class was never predicted.
        recall: None where the class has no image.
        f1: None where the class has no image: it has no say in macro-F1 either.
    """

    name: str
    support: int
    precision: Estimate | None
    recall: Estimate | None
    f1: float | None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClassReport:
        """The report that `as_json` gave."""
        return cls(
            name=str(data["name"]),
            support=int(data["support"]),
            precision=estimate_or_none(data["precision"]),
            recall=estimate_or_none(data["recall"]),
            f1=None if data["f1"] is None else float(data["f1"]),
        )


class ReliabilityBin(NamedTuple):
    """Images whose confidence lies in one bin; a sound model's accuracy equals its confidence there.

    Attributes:
        images: How many, at least 1.
        confidence: Mean probability of the predicted class.
        accuracy: Share of them that are right.
    """

    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Uncalibrated:
    """The same predictions before temperature scaling.

    Attributes:
        log_loss: In nats.
        ece: Expected calibration error over 15 bins.
        brier: Mean squared distance, 0..2.
        reliability: The bins that hold an image, by rising confidence.
    """

    log_loss: float
    ece: float
    brier: float
    reliability: tuple[ReliabilityBin, ...]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Uncalibrated:
        """The figures that `as_json` gave."""
        return cls(
            float(data["log_loss"]), float(data["ece"]), float(data["brier"]), reliability_bins(data["reliability"])
        )


def reliability_bins(rows: Sequence[Sequence[float]]) -> tuple[ReliabilityBin, ...]:
    """The bins that `as_json` gave as rows (images, confidence, accuracy)."""
    return tuple(
        ReliabilityBin(int(images), float(confidence), float(accuracy)) for images, confidence, accuracy in rows
    )
