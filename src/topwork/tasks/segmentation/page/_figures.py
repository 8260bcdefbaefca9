"""A segmenter's figures on its page: all of them, those of each class, which is taken for which, calibration."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork.metrics import Estimate
from topwork.report import SQUARE, PageContext, reliability_points
from topwork.tasks.segmentation.page._facts import report_of

MOST_CLASSES = 200  # rows of the table
MOST_IN_MATRIX = 20  # classes up to which the matrix is drawn
MOST_PAIRS = 40

_FIGURES = {
    "iou": "iou",
    "dice": "dice",
    "iou_of_images": "iou_of_images",
    "dice_of_images": "dice_of_images",
    "boundary_f1": "boundary_f1",
    "pixel_accuracy": "accuracy",
}


def metrics(page: PageContext) -> list[tuple[str, Estimate, bool]] | None:
    """Every figure of pixels and outlines: key in the texts, value, and that it is a share."""
    report = report_of(page)
    if report is None:
        return None
    figures = [(key, getattr(report, name), True) for key, name in _FIGURES.items()]
    figures.append(("ece", report.calibration.ece if report.calibration else None, True))
    return [figure for figure in figures if figure[1] is not None] or None


def folds(page: PageContext) -> Any:
    """What k folds said of the whole procedure, as the record has it; None where ``fit`` was not asked."""
    return page.record.task.folds


def per_class(page: PageContext) -> dict[str, Any] | None:
    """A row for each class: its pixels and its figures; of very many the weakest."""
    report = report_of(page)
    if report is None:
        return None
    rows = list(zip(report.per_class, page.record.task.training, strict=True))
    if len(rows) > MOST_CLASSES:
        rows = sorted(rows, key=lambda row: row[0].iou.value if row[0].iou else 2.0)[:MOST_CLASSES]
    cut = len(rows) < len(report.per_class)
    return {"rows": rows, "cut": cut, "tolerance": max(report.tolerance), "least": min(report.tolerance)}


def class_table(page: PageContext) -> dict[str, Any] | None:
    """Which class is taken for which, as shares of the true class's pixels; as a matrix where it fits on a page."""
    report = report_of(page)
    if report is None or not report.pixels:
        return None
    counts, classes = report.table, report.classes
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    cells = sorted(zip(*(each.tolist() for each in wrong.nonzero()), strict=True), key=lambda cell: -int(wrong[cell]))
    if len(classes) > MOST_IN_MATRIX:
        pairs = [(classes[true], classes[said], int(wrong[true, said])) for true, said in cells[:MOST_PAIRS]]
        return {"classes": classes, "rows": [], "pairs": pairs, "more": max(len(cells) - MOST_PAIRS, 0)}
    rows = [(name, int(row.sum()), said.tolist()) for name, row, said in zip(classes, counts, shares, strict=True)]
    return {"classes": classes, "rows": rows, "pairs": [], "more": 0}


def calibration(page: PageContext) -> dict[str, Any] | None:
    """The reliability curve of the probabilities of pixels."""
    report = report_of(page)
    found = report.calibration if report is not None else None
    if found is None or not found.reliability or found.ece is None:
        return None
    most = max(each.images for each in found.reliability)
    return {
        "axes": SQUARE,
        "points": reliability_points(found.reliability, most),
        "points_before": [],
        "bins": found.reliability,
        "ece": found.ece.value,
        "before": None,
        "right": "pixel_accuracy",
        "unit": "pixels_of_bin",
    }
