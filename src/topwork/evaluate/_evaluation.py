"""Everything about one classifier on one test set, as a value that can be saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.errors import DataError

from ._calibration import ece, log_loss
from ._checks import Integers, check_probabilities
from ._counts import confusion_matrix, macro_f1, per_class
from ._intervals import bootstrap_intervals, wilson_interval


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


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a classifier did on a test set, with 95 % intervals.

    Attributes:
        n: Number of images.
        classes: Class names, in index order.
        accuracy: Top-1, with a Wilson interval.
        macro_f1: Mean F1 over the classes with images, with a bootstrap interval.
        log_loss: In nats, with a bootstrap interval.
        ece: Expected calibration error over 15 bins, with a bootstrap interval.
        per_class: One report for each class, in index order.
        confusion: (C, C) int64 counts; rows are the true class, columns the predicted one.
    """

    n: int
    classes: tuple[str, ...]
    accuracy: Estimate
    macro_f1: Estimate
    log_loss: Estimate
    ece: Estimate
    per_class: tuple[ClassReport, ...]
    confusion: Integers

    def __post_init__(self) -> None:
        size = len(self.classes)
        if self.confusion.shape != (size, size) or int(self.confusion.sum()) != self.n:
            raise ValueError(
                f"confusion must be ({size}, {size}) and sum to {self.n}, "
                f"got {self.confusion.shape} with sum {int(self.confusion.sum())}"
            )
        if tuple(report.name for report in self.per_class) != self.classes:
            raise ValueError("per_class must have one report for each class, in the order of classes")

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; `from_dict` gives an equal evaluation back.

        Of the confusion only what is not zero: [true class, predicted class, images]. A thousand classes would take a
        million numbers otherwise.
        """
        return {
            "n": self.n,
            "classes": list(self.classes),
            "accuracy": self.accuracy.to_dict(),
            "macro_f1": self.macro_f1.to_dict(),
            "log_loss": self.log_loss.to_dict(),
            "ece": self.ece.to_dict(),
            "per_class": [report.to_dict() for report in self.per_class],
            "confusion": [[*cell, int(self.confusion[cell])] for cell in _cells(self.confusion)],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """What `to_dict` gave.

        Raises:
            DataError: A field is missing or does not fit the others.
        """
        try:
            return cls(
                n=int(data["n"]),
                classes=tuple(str(name) for name in data["classes"]),
                accuracy=Estimate.from_dict(data["accuracy"]),
                macro_f1=Estimate.from_dict(data["macro_f1"]),
                log_loss=Estimate.from_dict(data["log_loss"]),
                ece=Estimate.from_dict(data["ece"]),
                per_class=tuple(ClassReport.from_dict(report) for report in data["per_class"]),
                confusion=_from_cells(data["confusion"], len(data["classes"])),
            )
        except KeyError as missing:
            raise DataError(f"not a saved evaluation: field {missing} is missing") from missing
        except (TypeError, ValueError) as wrong:
            raise DataError(f"not a saved evaluation: {wrong}") from wrong


def _cells(confusion: Integers) -> list[tuple[int, int]]:
    return [(int(true), int(said)) for true, said in zip(*confusion.nonzero(), strict=True)]


def _from_cells(cells: Sequence[Sequence[int]], size: int) -> Integers:
    confusion = np.zeros((size, size), np.int64)
    for true, said, images in cells:
        if not (0 <= true < size and 0 <= said < size):
            raise ValueError(f"confusion names class {max(true, said)} of {size}")
        confusion[true, said] = images
    return confusion


def evaluate(
    probabilities: npt.NDArray[Any], labels: npt.NDArray[Any], classes: Sequence[str], *, seed: int = 0
) -> Evaluation:
    """Measure a classifier on a test set it has not seen.

    Args:
        probabilities: (N, C) floats, rows summing to one; ties go to the lower class index.
        labels: (N,) class indices.
        classes: C names.
        seed: Of the bootstrap.

    Raises:
        DataError: Empty, misshapen, NaN, rows that do not sum to one, labels out of range, or another number
            of class names than of columns.
    """
    if probabilities.ndim == 2 and probabilities.shape[1] != len(classes):
        raise DataError(f"{probabilities.shape[1]} columns of probabilities but {len(classes)} class names")
    probabilities, labels = check_probabilities(probabilities, labels)
    predictions = probabilities.argmax(axis=1)
    confusion = confusion_matrix(predictions, labels, len(classes))
    intervals = bootstrap_intervals(probabilities, labels, seed=seed)
    return Evaluation(
        n=len(labels),
        classes=tuple(classes),
        accuracy=_share(int(np.trace(confusion)), len(labels)),
        macro_f1=_around(macro_f1(predictions, labels, len(classes)), intervals.macro_f1),
        log_loss=_around(log_loss(probabilities, labels), intervals.log_loss),
        ece=_around(ece(probabilities, labels), intervals.ece),
        per_class=_reports(confusion, classes),
        confusion=confusion,
    )


def _share(right: int, total: int) -> Estimate:
    return Estimate(right / total, *wilson_interval(right, total))


def _around(value: float, interval: tuple[float, float]) -> Estimate:
    """The interval, widened where need be to hold the value: resampling biases ECE upwards."""
    return Estimate(value, min(value, interval[0]), max(value, interval[1]))


def _reports(confusion: Integers, classes: Sequence[str]) -> tuple[ClassReport, ...]:
    figures = per_class(confusion)
    right = np.diagonal(confusion)
    return tuple(
        ClassReport(
            name=name,
            support=int(figures.support[i]),
            precision=_share(int(right[i]), int(figures.predicted[i])) if figures.predicted[i] else None,
            recall=_share(int(right[i]), int(figures.support[i])) if figures.support[i] else None,
            f1=float(figures.f1[i]) if figures.support[i] else None,
        )
        for i, name in enumerate(classes)
    )
