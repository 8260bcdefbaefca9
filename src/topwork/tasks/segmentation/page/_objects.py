"""How well objects are told apart: figures over the overlap that is asked for, and how many are counted."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork.drawing import Axes, Axis, named_axis, share_axis
from topwork.metrics import Estimate
from topwork.report import PageContext
from topwork.tasks.segmentation.page._facts import report_of

MOST_POINTS = 500  # images in the plot of counts
_KEYS = (("pq", True), ("sq", True), ("rq", True), ("count_error", False), ("count_bias", False))
_OVERLAPS = tuple(range(50, 100, 5))  # percent


def objects(page: PageContext) -> dict[str, Any] | None:
    """Average precision over the overlap, panoptic quality, counts; None where objects are not told apart."""
    report = report_of(page)
    of = report.objects if report is not None else None
    if of is None or not of.objects + of.found:
        return None
    means: list[tuple[str, Estimate | None, bool]] = [("ap50", of.ap50, True), ("ap", of.ap, True)]
    means += [("ap50_of_images", of.ap50_of_images, True), ("ap_of_images", of.ap_of_images, True)]
    means += [(key, getattr(of, key), share) for key, share in _KEYS]
    values = [each.value if each is not None else 0.0 for each in of.ap_by_iou]
    return {
        "objects": of.objects,
        "found": of.found,
        "figures": [figure for figure in means if figure[1] is not None],
        "curve": _curve(values),
        "overlaps": list(zip(_OVERLAPS, of.ap_by_iou, strict=True)),
        "classes": of.per_class if len(of.per_class) > 1 else (),
        "counts": _counts(page),
    }


_AXES = Axes(420.0, 300.0, 48.0, 404.0, 20.0, 256.0, named_axis([f"{each}%" for each in _OVERLAPS]), share_axis(4))


def _curve(values: list[float]) -> dict[str, Any]:
    """Average precision over the overlap, laid out."""
    steps = [step for step, _ in _AXES.x.marks]
    points = [_AXES.at(step, value) for step, value in zip(steps, values, strict=True)]
    return {"axes": _AXES, "points": [(round(x, 1), round(y, 1)) for x, y in points], "values": values}


def counts_of(page: PageContext) -> list[tuple[int, int]]:
    """Of each image how many objects are there and how many were found; none where that is not known."""
    each_of = [each.objects for each in page.evaluated.counts] if page.evaluated is not None else []
    known = [each for each in each_of if each is not None]
    return [
        (int((each.right[:, 0] + each.missed[:, 0]).sum()), int((each.right[:, 0] + each.invented[:, 0]).sum()))
        for each in known
    ]


def _counts(page: PageContext) -> dict[str, Any] | None:
    """A dot for each image: the objects that are there, and those that were found."""
    pairs = counts_of(page)
    most = max((max(pair) for pair in pairs), default=0)
    if len(pairs) < 2 or not most:
        return None
    rows = np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), MOST_POINTS)).astype(int)).tolist()
    step = _step(most)
    axis = Axis(0, most * 1.04, marks=tuple((mark, f"{mark:,}") for mark in range(0, most + 1, step)))
    axes = Axes(420.0, 300.0, 48.0, 404.0, 20.0, 256.0, axis, axis, digits=1)
    return {"axes": axes, "points": [axes.at(*pairs[row]) for row in rows], "end": axes.at(axis.high, axis.high)}


def _step(most: int) -> int:
    """A round number of which about four fit."""
    power: int = 10 ** max(0, len(str(most)) - 1)
    return next((each for each in (power // 2, power, 2 * power) if each and most / each <= 5), 2 * power)
