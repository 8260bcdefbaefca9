"""Metrics of predicted classes: all of them read off the confusion matrix."""

from __future__ import annotations

import numpy as np

from topwork._arrays import AnyArray, Float64Array, Int64Array
from topwork.errors import DataError

from ._values import check_labels


def confusion_matrix(predictions: AnyArray, labels: AnyArray, n_classes: int) -> Int64Array:
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
    if predictions.shape != labels.shape:
        raise DataError(f"predictions {predictions.shape} and labels {labels.shape} must have the same shape")
    predictions, labels = check_labels(predictions, n_classes, "predictions"), check_labels(labels, n_classes)
    counts = np.bincount(labels * n_classes + predictions, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def macro_f1(predictions: AnyArray, labels: AnyArray, n_classes: int) -> float:
    """Mean F1 over the classes that occur in the labels, each class counting the same.

    A class without a test image has no recall, so it has no say; predictions of it still count as misses of
    the true classes. Equals scikit-learn's `f1_score(average="macro", labels=np.unique(labels))`. The
    arguments and errors are those of `confusion_matrix`.
    """
    confusion = confusion_matrix(predictions, labels, n_classes)
    right = np.diagonal(confusion)[None]
    return float(mean_f1(right, confusion.sum(axis=1)[None], confusion.sum(axis=0)[None])[0])


def balanced_accuracy(predictions: AnyArray, labels: AnyArray, n_classes: int) -> float:
    """Mean recall over the classes that occur in the labels. The arguments and errors are those of `macro_f1`."""
    confusion = confusion_matrix(predictions, labels, n_classes)
    return float(mean_recall(np.diagonal(confusion)[None], confusion.sum(axis=1)[None])[0])


def mean_f1(right: AnyArray, support: AnyArray, predicted: AnyArray) -> Float64Array:
    """Macro-F1 (R,) of R tables at once, each given by its right, true and predicted counts (R, C)."""
    scores = np.nan_to_num(_ratio(2 * right, support + predicted))
    present = support > 0
    means: Float64Array = (scores * present).sum(axis=1) / present.sum(axis=1)
    return means


def mean_recall(right: AnyArray, support: AnyArray) -> Float64Array:
    """Balanced accuracy (R,) of R tables at once, each given by its right and true counts (R, C)."""
    means: Float64Array = np.nan_to_num(_ratio(right, support)).sum(axis=1) / (support > 0).sum(axis=1)
    return means


def _ratio(part: AnyArray, whole: AnyArray) -> Float64Array:
    """Part / whole, NaN where whole is 0."""
    out: Float64Array = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out
