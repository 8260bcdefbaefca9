"""A detector's figures on its page: curves, classes with their thresholds, kinds of error, sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork.drawing import Axes, Axis, share_axis
from topwork.metrics import Estimate, error_report, precision_recall_curves, wilson_interval, worst_misses
from topwork.metrics import class_table as table_of
from topwork.report import Missing, PageContext
from topwork.tasks.detection.page._facts import given_of, operating_of, report_of

MOST_CURVES = 12
MOST_CLASSES = 200  # rows of the table
MOST_IN_MATRIX = 20  # classes up to which the matrix is drawn
MOST_PAIRS = 40
_BARS = 8  # of the histogram, at most


def metrics(page: PageContext) -> list[tuple[str, Estimate, bool]] | None:
    """COCO's figures: key in the texts, value, and that it is a share."""
    report = report_of(page)
    names = ("ap50", "ap", "ap75", "ap_small", "ap_medium", "ap_large", "ar1", "ar10", "ar100")
    figures = [(name, getattr(report, name), True) for name in names] if report is not None else []
    return [figure for figure in figures if figure[1] is not None] or None


def folds(page: PageContext) -> Any:
    """What k folds said of the whole procedure, as the record has it; None where ``fit`` was not asked."""
    return page.record.task.folds


def curves(page: PageContext) -> dict[str, Any] | Missing | None:
    """Precision over recall of each class, the weakest first, with the point where its threshold lies."""
    if page.evaluated is None:
        return page.without_images
    report, operating = report_of(page), operating_of(page)
    assert report is not None
    boxes, found, _ = given_of(page)
    ap50 = {each.name: each.ap50.value for each in report.per_class if each.ap50}
    points = dict(zip(operating.classes, operating.per_class, strict=True)) if operating is not None else {}
    several = sorted(precision_recall_curves(boxes, found, report.classes), key=lambda curve: ap50[curve.name])
    shown = [_curve(curve.name, curve.precision, ap50[curve.name], points.get(curve.name)) for curve in several]
    return {"curves": shown[:MOST_CURVES], "more": max(len(shown) - MOST_CURVES, 0)} if shown else None


_CURVE = Axes(236.0, 176.0, 40.0, 220.0, 16.0, 136.0, share_axis(2), share_axis(2), digits=1)


def _curve(name: str, precision: tuple[float, ...], ap50: float, point: Any) -> dict[str, Any]:
    """One curve laid out: as far as recall is reached, and the point of the threshold where something is shown."""
    reached = [(place / (len(precision) - 1), each) for place, each in enumerate(precision) if each > 0]
    known = point is not None and point.precision is not None and point.recall is not None
    at = (point.recall.value, point.precision.value) if known else None
    return {
        "name": name,
        "ap50": ap50,
        "reached": reached,
        "point": at,
        "axes": _CURVE,
        "points": [_CURVE.at(*each) for each in reached],
        "at": _CURVE.at(*at) if at else None,
    }


def per_class(page: PageContext) -> dict[str, Any] | None:
    """A row for each class: its figures, its threshold and what that costs; of very many the weakest."""
    report, operating = report_of(page), operating_of(page)
    if report is None:
        return None
    thresholds = page.record.task.thresholds
    points = operating.per_class if operating is not None else (None,) * len(report.per_class)
    rows = list(zip(report.per_class, page.record.task.training, thresholds, points, strict=True))
    if len(rows) > MOST_CLASSES:
        rows = sorted(rows, key=lambda row: row[0].ap50.value if row[0].ap50 else 2.0)[:MOST_CLASSES]
    return {"rows": rows, "cut": len(rows) < len(report.per_class), "recall": _wanted(page), "iou": 0.5}


def _wanted(page: PageContext) -> float | None:
    """The recall that thresholds were asked to reach; None where they have the best F1."""
    choice = page.record.task.choice
    found: float | None = choice["recall"] if choice else None
    return found


def errors(page: PageContext) -> dict[str, Any] | Missing | None:
    """Kinds of error, the costliest first: how many there are, and what AP50 would be without them."""
    if page.evaluated is None:
        return page.without_images
    found = error_report(*given_of(page), seed=page.record.seed)
    kinds = sorted(found.kinds, key=lambda each: -(each.gain.value if each.gain else 0))
    most = max((each.gain.value for each in kinds if each.gain), default=0.0)
    return {"kinds": kinds, "most": max(most, 1e-9), "ap50": found.ap50} if any(e.count for e in kinds) else None


def class_table(page: PageContext) -> dict[str, Any] | Missing | None:
    """Which class is taken for which, what is missed and what is invented; as a matrix where it fits on a page."""
    if page.evaluated is None:
        return page.without_images
    boxes, found, _ = given_of(page)
    classes = page.evaluated.dataset.classes
    counts = table_of(boxes, found, classes, page.record.task.thresholds).counts
    matrix = len(classes) <= MOST_IN_MATRIX
    totals = np.maximum(counts.sum(axis=1), 1)
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    cells = sorted(zip(*(each.tolist() for each in wrong.nonzero()), strict=True), key=lambda cell: -int(wrong[cell]))
    background = len(classes)
    return {
        "classes": classes,
        "background": background,
        "rows": [[(int(n), n / totals[place]) for n in row] for place, row in enumerate(counts)] if matrix else [],
        "pairs": [(true, said, int(wrong[true, said])) for true, said in cells[:MOST_PAIRS]],
        "more": max(len(cells) - MOST_PAIRS, 0),
    }


def sizes(page: PageContext) -> dict[str, Any] | Missing | None:
    """How many objects there are of each size, and how many of them are found."""
    if page.evaluated is None:
        return page.without_images
    dataset = page.evaluated.dataset
    kept = ~dataset.crowd
    side = np.sqrt((dataset.corners[:, 2:] - dataset.corners[:, :2]).prod(axis=1))[kept]
    if not len(side) or side.max() == side.min():
        return None
    hit = np.ones(len(dataset.labels), bool)
    missed = worst_misses(*given_of(page), page.record.task.thresholds, most=len(hit))
    hit[[int(dataset.starts[each.row]) + each.place for each in missed]] = False
    hit = hit[kept]
    low, high = np.floor(np.log2(side.min())), np.ceil(np.log2(side.max()) + 1e-9)
    step = max(1.0, float(np.ceil((high - low) / _BARS)))
    edges = 2.0 ** np.arange(low, high + step, step)
    bins = np.clip(np.searchsorted(edges, side, side="right") - 1, 0, len(edges) - 2)
    rows = []
    for place in range(len(edges) - 1):
        inside = bins == place
        count, hits = int(inside.sum()), int(hit[inside].sum())
        share = Estimate(hits / count, *wilson_interval(hits, count)) if count else None
        rows.append((int(edges[place]), int(edges[place + 1]), count, hits, share))
    return {"rows": rows, "bars": _bars(rows)}


def _bars(rows: list[Any]) -> dict[str, Any]:
    """The histogram laid out: a bar for each size, filled as far as its objects are found."""
    most = max(count for _, _, count, _, _ in rows)
    axes = Axes(420.0, 190.0, 40.0, 404.0, 16.0, 150.0, Axis(), Axis(0, most), digits=1)
    width = (axes.right - axes.left) / len(rows)
    bars = []
    for place, (low, _, count, hits, _) in enumerate(rows):
        left = round(axes.left + place * width + 3, 1)
        bars.append((left, round(width - 6, 1), axes.y_at(count), axes.y_at(hits), low, count))
    return {"axes": axes, "bars": bars, "end": rows[-1][1]}
