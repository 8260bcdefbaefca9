"""Metrics of predicted classes: all of them read off the confusion matrix."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._checks import Doubles, Integers, check_pair


class PerClass(NamedTuple):
    """Figures of each class, in class order.

    Attributes:
        precision: (C,) share of the predictions of a class that are right; NaN where it was never predicted.
        recall: (C,) share of a class's images that are found; NaN where it has none.
        f1: (C,) 2 TP / (2 TP + FP + FN); NaN where the class is neither in labels nor in predictions.
        support: (C,) int64, number of images.
        predicted: (C,) int64, number of predictions.
    """

    precision: Doubles
    recall: Doubles
    f1: Doubles
    support: Integers
    predicted: Integers


def confusion_matrix(predictions: npt.NDArray[Any], labels: npt.NDArray[Any], n_classes: int) -> Integers:
    """Counts (C, C) int64: rows are the true class, columns the predicted one.

    Args:
        predictions: (N,) class indices.
        labels: (N,) class indices.
        n_classes: C.

    Raises:
        DataError: Empty, different lengths, or an index outside 0..C-1.

    Example:
        >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    predictions, labels = check_pair(predictions, labels, n_classes)
    counts = np.bincount(labels * n_classes + predictions, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def accuracy(predictions: npt.NDArray[Any], labels: npt.NDArray[Any], n_classes: int) -> float:
    """Share of right predictions (top-1), 0..1. The arguments and errors are those of `confusion_matrix`."""
    predictions, labels = check_pair(predictions, labels, n_classes)
    return float(np.mean(predictions == labels))


def macro_f1(predictions: npt.NDArray[Any], labels: npt.NDArray[Any], n_classes: int) -> float:
    """Mean F1 over the classes that occur in the labels, each class counting the same.

    A class without a test image has no recall, so it has no say; predictions of it still count as misses of
    the true classes. Equals scikit-learn's `f1_score(average="macro", labels=np.unique(labels))`. The
    arguments and errors are those of `confusion_matrix`.
    """
    confusion = confusion_matrix(predictions, labels, n_classes)
    right = np.diagonal(confusion)[None]
    return float(mean_f1(right, confusion.sum(axis=1)[None], confusion.sum(axis=0)[None])[0])


def balanced_accuracy(predictions: npt.NDArray[Any], labels: npt.NDArray[Any], n_classes: int) -> float:
    """Mean recall over the classes that occur in the labels.

    The arguments and errors are those of `confusion_matrix`.
    """
    confusion = confusion_matrix(predictions, labels, n_classes)
    return float(mean_recall(np.diagonal(confusion)[None], confusion.sum(axis=1)[None])[0])


def per_class(confusion: Integers) -> PerClass:
    """Precision, recall, F1 and support of each class, from a confusion matrix (C, C)."""
    right = np.diagonal(confusion)
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return PerClass(
        precision=_ratio(right, predicted),
        recall=_ratio(right, support),
        f1=_ratio(2 * right, support + predicted),
        support=support,
        predicted=predicted,
    )


def mean_f1(right: npt.NDArray[Any], support: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> Doubles:
    """Macro-F1 (R,) of R tables at once, each given by its right, true and predicted counts (R, C)."""
    scores = np.nan_to_num(_ratio(2 * right, support + predicted))
    present = support > 0
    means: Doubles = (scores * present).sum(axis=1) / present.sum(axis=1)
    return means


def mean_recall(right: npt.NDArray[Any], support: npt.NDArray[Any]) -> Doubles:
    """Balanced accuracy (R,) of R tables at once, each given by its right and true counts (R, C)."""
    means: Doubles = np.nan_to_num(_ratio(right, support)).sum(axis=1) / (support > 0).sum(axis=1)
    return means


def _ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Doubles:
    """Part / whole, NaN where whole is 0."""
    out: Doubles = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out
