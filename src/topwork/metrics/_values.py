"""What an evaluation is made of: figures with intervals, classes, and the reliability curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


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
        """As JSON holds it."""
        return {"value": self.value, "low": self.low, "high": self.high}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Estimate:
        """What `to_dict` gave."""
        return cls(float(data["value"]), float(data["low"]), float(data["high"]))


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

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "name": self.name,
            "support": self.support,
            "precision": None if self.precision is None else self.precision.to_dict(),
            "recall": None if self.recall is None else self.recall.to_dict(),
            "f1": self.f1,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClassReport:
        """What `to_dict` gave."""
        precision, recall = data["precision"], data["recall"]
        return cls(
            name=str(data["name"]),
            support=int(data["support"]),
            precision=None if precision is None else Estimate.from_dict(precision),
            recall=None if recall is None else Estimate.from_dict(recall),
            f1=None if data["f1"] is None else float(data["f1"]),
        )


@dataclass(frozen=True)
class ReliabilityBin:
    """Images whose confidence lies in one bin; a sound model's accuracy equals its confidence there.

    Attributes:
        images: How many, at least 1.
        confidence: Mean probability of the predicted class.
        accuracy: Share of them that are right.
    """

    images: int
    confidence: float
    accuracy: float

    def to_list(self) -> list[float]:
        """As JSON holds it: [images, confidence, accuracy]."""
        return [self.images, self.confidence, self.accuracy]

    @classmethod
    def from_list(cls, data: Sequence[float]) -> ReliabilityBin:
        """What `to_list` gave."""
        images, confidence, accuracy = data
        return cls(int(images), float(confidence), float(accuracy))


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

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        bins = [each.to_list() for each in self.reliability]
        return {"log_loss": self.log_loss, "ece": self.ece, "brier": self.brier, "reliability": bins}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Uncalibrated:
        """What `to_dict` gave."""
        bins = tuple(ReliabilityBin.from_list(each) for each in data["reliability"])
        return cls(float(data["log_loss"]), float(data["ece"]), float(data["brier"]), bins)
