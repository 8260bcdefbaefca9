"""Everything about one classifier on one test set, as a value that can be saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import PlainSerializer, PlainValidator, TypeAdapter, ValidationError, ValidationInfo

from topwork._arrays import AnyArray, Int64Array
from topwork._html import html_table
from topwork.errors import DataError

from ._classification import balanced_accuracy, confusion_matrix, macro_f1
from ._intervals import around, bootstrap_intervals, share_of
from ._probabilities import brier, ece, log_loss, reliability_curve
from ._ranking import TOP, average_precision, ranks, roc_auc
from ._values import ClassReport, Estimate, ReliabilityBin, Saved, Uncalibrated, answers_of, check_probabilities

_CELLS = TypeAdapter(list[tuple[int, int, int]])


def cells_of(confusion: Int64Array) -> list[tuple[int, int, int]]:
    """Only what is not zero, as (true class, predicted class, images): a thousand classes have a million numbers."""
    return [(int(true), int(said), int(confusion[true, said])) for true, said in zip(*confusion.nonzero(), strict=True)]


def from_cells(cells: Any, others: ValidationInfo, more: int = 0) -> Int64Array:
    """The table of such cells, of the classes and so many places more."""
    try:
        checked = _CELLS.validate_python(cells)
    except ValidationError as wrong:
        raise ValueError("expected whole numbers (true class, predicted class, images)") from wrong
    size = len(others.data.get("classes", ())) + more
    confusion = np.zeros((size, size), np.int64)
    for true, said, images in checked:
        if not (0 <= true < size and 0 <= said < size):
            raise ValueError(f"confusion names class {max(true, said)} of {size}")
        confusion[true, said] = images
    return confusion


def _of_classes(cells: Any, others: ValidationInfo) -> Int64Array:
    return from_cells(cells, others)


@dataclass(frozen=True, eq=False)
class Evaluation(Saved):
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
    confusion: Annotated[Int64Array, PlainValidator(_of_classes), PlainSerializer(cells_of)]
    top5: Estimate | None = None
    balanced_accuracy: Estimate | None = None
    roc_auc: Estimate | None = None
    average_precision: Estimate | None = None
    brier: Estimate | None = None
    reliability: tuple[ReliabilityBin, ...] = ()
    before_scaling: Uncalibrated | None = None

    _what = "evaluation"

    def __post_init__(self) -> None:
        size = len(self.classes)
        if self.confusion.shape != (size, size) or int(self.confusion.sum()) != self.n:
            raise ValueError(
                f"confusion must be ({size}, {size}) and sum to {self.n}, "
                f"got {self.confusion.shape} with sum {int(self.confusion.sum())}"
            )
        if tuple(report.name for report in self.per_class) != self.classes:
            raise ValueError("per_class must have one report for each class, in the order of classes")

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        shares = ("accuracy", "top5", "balanced_accuracy", "macro_f1", "ece")
        figures = [
            (name, getattr(self, name)) for name in (*shares, "roc_auc", "average_precision", "log_loss", "brier")
        ]
        rows = [
            (name, each.as_percent() if name in shares else f"{each.value:.4f} ({each.low:.4f} to {each.high:.4f})")
            for name, each in figures
            if each is not None
        ]
        missing = len(self.classes) - self.measured
        notes = (
            [f"Not measured: {missing} of the {len(self.classes)} classes, of which there is none here"]
            if missing
            else []
        )
        title = f"{len(self.classes)} classes, n = {self.n:,}"
        return html_table(title, ("metric", "value (95 % interval)"), rows, notes=notes)

    @property
    def measured(self) -> int:
        """Number of classes with images: the macro averages are over these alone."""
        return sum(report.support > 0 for report in self.per_class)

    @property
    def weakest(self) -> int | None:
        """Place of the class with the lowest recall, of several the one with most images; None where all are found."""
        missing = [place for place, each in enumerate(self.per_class) if each.recall and each.recall.value < 1]
        return min(missing, key=lambda place: (self._recall(place), -self.per_class[place].support), default=None)

    def found(self, place: int) -> int:
        """How many images of a class are found."""
        return int(self.confusion[place, place])

    def mistaken_for(self, place: int) -> tuple[int, int] | None:
        """The class that a class's images are most often taken for, and how many of them; None where none is wrong."""
        wrong = self.confusion[place].copy()
        wrong[place] = 0
        other = int(wrong.argmax())
        return (other, int(wrong[other])) if wrong[other] else None

    def _recall(self, place: int) -> float:
        recall = self.per_class[place].recall
        return 1.0 if recall is None else recall.value


def evaluate(
    probabilities: AnyArray,
    labels: AnyArray,
    classes: Sequence[str],
    *,
    decided: AnyArray | None = None,
    before_scaling: AnyArray | None = None,
    seed: int = 0,
) -> Evaluation:
    """Measure a classifier on a test set it has not seen.

    Args:
        probabilities: (N, C) floats, rows summing to one; ties go to the lower class index.
        labels: (N,) class indices.
        classes: C names.
        decided: (N,) what is answered where that is not the most probable class. Accuracy, macro-F1, balanced accuracy,
            the confusion matrix and each class's report are of the answers; all else is of the probabilities.
        before_scaling: (N, C), the probabilities as they were without a temperature.
        seed: Of the bootstrap.

    Raises:
        DataError: What `log_loss` refuses, or another number of class names than of columns.
    """
    if probabilities.ndim == 2 and probabilities.shape[1] != len(classes):
        raise DataError(f"{probabilities.shape[1]} columns of probabilities but {len(classes)} class names")
    probabilities, labels = check_probabilities(probabilities, labels)
    predictions = answers_of(probabilities, decided)
    confusion = confusion_matrix(predictions, labels, len(classes))
    intervals = bootstrap_intervals(probabilities, labels, predictions, seed=seed)
    return Evaluation(
        n=len(labels),
        classes=tuple(classes),
        accuracy=share_of(int(np.trace(confusion)), len(labels)),
        macro_f1=around(macro_f1(predictions, labels, len(classes)), intervals.macro_f1),
        log_loss=around(log_loss(probabilities, labels), intervals.log_loss),
        ece=around(ece(probabilities, labels), intervals.ece),
        per_class=per_class(confusion, classes),
        confusion=confusion,
        top5=share_of(int((ranks(probabilities, labels) < TOP).sum()), len(labels)) if len(classes) > TOP else None,
        balanced_accuracy=around(balanced_accuracy(predictions, labels, len(classes)), intervals.balanced_accuracy),
        roc_auc=roc_auc(probabilities, labels),
        average_precision=average_precision(probabilities, labels),
        brier=around(brier(probabilities, labels), intervals.brier),
        reliability=reliability_curve(probabilities, labels),
        before_scaling=None if before_scaling is None else _uncalibrated(before_scaling, labels),
    )


def _uncalibrated(probabilities: AnyArray, labels: AnyArray) -> Uncalibrated:
    given = probabilities, labels
    return Uncalibrated(log_loss(*given), ece(*given), brier(*given), reliability_curve(*given))


def per_class(confusion: Int64Array, classes: Sequence[str]) -> tuple[ClassReport, ...]:
    """Precision, recall, F1 and support of each class, from a confusion matrix (C, C) and the C names."""
    rights, supports, predictions = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    counts = zip(classes, rights.tolist(), supports.tolist(), predictions.tolist(), strict=True)
    return tuple(
        ClassReport(
            name=name,
            support=support,
            precision=share_of(right, predicted) if predicted else None,
            recall=share_of(right, support) if support else None,
            f1=2 * right / (support + predicted) if support else None,
        )
        for name, right, support, predicted in counts
    )
