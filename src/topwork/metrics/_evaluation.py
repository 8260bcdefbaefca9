"""Everything about one classifier on one test set, as a value that can be saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.errors import DataError

from ._checks import Integers, check_probabilities
from ._classification import balanced_accuracy, confusion_matrix, macro_f1, per_class
from ._intervals import bootstrap_intervals, share_of
from ._probabilities import brier, ece, log_loss, reliability_curve, uncalibrated
from ._ranking import TOP, average_precision, ranks, roc_auc
from ._values import ClassReport, Estimate, ReliabilityBin, Uncalibrated, as_json, estimate_or_none, reliability_bins


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
        top5: Share of images whose true class is among the five most probable, with a Wilson interval; None where there
            are no more than five classes. This and what follows is None or empty in evaluations that an older topwork
            saved.
        balanced_accuracy: Mean recall over the classes with images, with a bootstrap interval.
        roc_auc: Each class against the others, mean over the classes with images; None where that is one class.
        average_precision: Each class against the others, mean over the classes with images; None where the area is.
        brier: Mean squared distance from the truth, 0..2, with a bootstrap interval.
        reliability: The bins behind the calibration error that hold an image.
        before_scaling: The calibration figures without the temperature; None where there is none.
    """

    n: int
    classes: tuple[str, ...]
    accuracy: Estimate
    macro_f1: Estimate
    log_loss: Estimate
    ece: Estimate
    per_class: tuple[ClassReport, ...]
    confusion: Integers
    top5: Estimate | None = None
    balanced_accuracy: Estimate | None = None
    roc_auc: Estimate | None = None
    average_precision: Estimate | None = None
    brier: Estimate | None = None
    reliability: tuple[ReliabilityBin, ...] = ()
    before_scaling: Uncalibrated | None = None

    def __post_init__(self) -> None:
        size = len(self.classes)
        if self.confusion.shape != (size, size) or int(self.confusion.sum()) != self.n:
            raise ValueError(
                f"confusion must be ({size}, {size}) and sum to {self.n}, "
                f"got {self.confusion.shape} with sum {int(self.confusion.sum())}"
            )
        if tuple(report.name for report in self.per_class) != self.classes:
            raise ValueError("per_class must have one report for each class, in the order of classes")

    @property
    def measured(self) -> int:
        """Number of classes with images: the macro averages are over these alone."""
        return sum(report.support > 0 for report in self.per_class)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; `from_dict` gives an equal evaluation back.

        Of the confusion only what is not zero: [true class, predicted class, images]. A thousand classes would take a
        million numbers otherwise.
        """
        return as_json(self) | {"confusion": [[*cell, int(self.confusion[cell])] for cell in _cells(self.confusion)]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """The evaluation that `to_dict` gave.

        Raises:
            DataError: A field is missing or does not fit the others.
        """
        try:
            figures: dict[str, Any] = {name: Estimate.from_dict(data[name]) for name in _FIRST}
            figures |= {name: estimate_or_none(data.get(name)) for name in _LATER}
            return cls(
                n=int(data["n"]),
                classes=tuple(str(name) for name in data["classes"]),
                per_class=tuple(ClassReport.from_dict(report) for report in data["per_class"]),
                confusion=_from_cells(data["confusion"], len(data["classes"])),
                **figures,
                reliability=reliability_bins(data.get("reliability", ())),
                before_scaling=Uncalibrated.from_dict(before) if (before := data.get("before_scaling")) else None,
            )
        except KeyError as missing:
            raise DataError(f"not a saved evaluation: field {missing} is missing") from missing
        except (TypeError, ValueError) as wrong:
            raise DataError(f"not a saved evaluation: {wrong}") from wrong


_FIRST = ("accuracy", "macro_f1", "log_loss", "ece")
_LATER = ("top5", "balanced_accuracy", "roc_auc", "average_precision", "brier")  # than the first saved evaluations


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
    probabilities: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    classes: Sequence[str],
    *,
    before_scaling: npt.NDArray[Any] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Measure a classifier on a test set it has not seen.

    Args:
        probabilities: (N, C) floats, rows summing to one; ties go to the lower class index.
        labels: (N,) class indices.
        classes: C names.
        before_scaling: (N, C), the probabilities as they were without a temperature.
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
        accuracy=share_of(int(np.trace(confusion)), len(labels)),
        macro_f1=_around(macro_f1(predictions, labels, len(classes)), intervals.macro_f1),
        log_loss=_around(log_loss(probabilities, labels), intervals.log_loss),
        ece=_around(ece(probabilities, labels), intervals.ece),
        per_class=_reports(confusion, classes),
        confusion=confusion,
        top5=share_of(int((ranks(probabilities, labels) < TOP).sum()), len(labels)) if len(classes) > TOP else None,
        balanced_accuracy=_around(balanced_accuracy(predictions, labels, len(classes)), intervals.balanced_accuracy),
        roc_auc=roc_auc(probabilities, labels),
        average_precision=average_precision(probabilities, labels),
        brier=_around(brier(probabilities, labels), intervals.brier),
        reliability=reliability_curve(probabilities, labels),
        before_scaling=None if before_scaling is None else uncalibrated(before_scaling, labels),
    )


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
            precision=share_of(int(right[i]), int(figures.predicted[i])) if figures.predicted[i] else None,
            recall=share_of(int(right[i]), int(figures.support[i])) if figures.support[i] else None,
            f1=float(figures.f1[i]) if figures.support[i] else None,
        )
        for i, name in enumerate(classes)
    )
