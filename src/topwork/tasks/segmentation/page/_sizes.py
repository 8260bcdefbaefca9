"""How much of the images each class is, and how large the objects are."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork._arrays import Float64Array
from topwork.drawing import Axes, Axis
from topwork.errors import DataError
from topwork.report import Missing, PageContext
from topwork.tasks.segmentation.page._facts import report_of

MOST_CLASSES = 40  # rows
MOST_IMAGES = 200  # whose masks are read for the sizes of objects
_BARS = 8  # of the histogram, at most


def shares(page: PageContext) -> dict[str, Any] | None:
    """Of each class its share of the labelled pixels in training, in the test images, and by the answers there."""
    report, training = report_of(page), page.record.task.training
    if report is None or not report.pixels:
        return None
    trained = np.array(training) / max(1, sum(training))
    there, said = (report.table.sum(axis=axis) / report.pixels for axis in (1, 0))
    rows = list(zip(report.classes, trained.tolist(), there.tolist(), said.tolist(), strict=True))
    return {"rows": rows[:MOST_CLASSES], "more": max(0, len(rows) - MOST_CLASSES)}


def sizes(page: PageContext) -> dict[str, Any] | Missing | None:
    """How many objects there are of each size, by the diameter of a disc of their area."""
    if page.evaluated is None:
        return page.without_images if page.record.task.objects is not None else None
    dataset = page.evaluated.dataset
    if not dataset.tells_objects:
        return None
    rows = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), MOST_IMAGES)).astype(int)).tolist()
    diameters = np.concatenate([_diameters(dataset, row) for row in rows])
    if not len(diameters) or diameters.max() == diameters.min():
        return None
    counts, edges = _histogram(diameters)
    quarters = np.quantile(diameters, (0.25, 0.5, 0.75)).tolist()
    return {"bars": _bars(counts, edges), "images": len(rows), "objects": len(diameters), "quarters": quarters}


def _diameters(dataset: Any, row: int) -> Float64Array:
    try:
        objects = dataset.mask(row).objects
    except DataError:  # it was read a moment ago
        return np.zeros(0)
    areas = np.bincount(objects[objects > 0])
    return np.asarray(np.sqrt(areas[areas > 0] * 4 / np.pi), np.float64)


def _histogram(values: Float64Array) -> tuple[list[int], list[float]]:
    """Counts, and the edges of the bins: each as many times as wide as the one before."""
    low, high = np.floor(np.log2(values.min()) * 2) / 2, np.ceil(np.log2(values.max()) * 2 + 1e-9) / 2
    step = max(0.5, float(np.ceil(2 * (high - low) / _BARS)) / 2)
    edges = 2.0 ** np.arange(low, high + step, step)
    counts, _ = np.histogram(values, edges)
    return counts.tolist(), edges.tolist()


def _bars(counts: list[int], edges: list[float]) -> dict[str, Any]:
    """The histogram laid out."""
    axes = Axes(420.0, 190.0, 40.0, 404.0, 16.0, 150.0, Axis(), Axis(0, max(counts)), digits=1)
    width = (axes.right - axes.left) / len(counts)
    bars = [
        (round(axes.left + place * width + 3, 1), round(width - 6, 1), axes.y_at(count), f"{edges[place]:.0f}", count)
        for place, count in enumerate(counts)
    ]
    return {"axes": axes, "bars": bars, "end": f"{edges[-1]:.0f}"}
