"""What several sections ask of a page: the figures, wherever they are known."""

from __future__ import annotations

from typing import Any

from topwork.metrics import DetectionReport, Detections, OperatingReport
from topwork.report import PageContext


def report_of(page: PageContext) -> DetectionReport | None:
    """The figures: of the images that are shown, else of the model's record; None where nothing measured it."""
    found: Any = page.evaluated.report if page.evaluated is not None else page.record.task.report
    return None if found is None else found


def operating_of(page: PageContext) -> OperatingReport | None:
    """What the model's thresholds give, by the same images."""
    found: Any = page.evaluated.operating if page.evaluated is not None else page.record.task.at_thresholds
    return None if found is None else found


def given_of(page: PageContext) -> tuple[Any, tuple[Detections, ...], int]:
    """What the images hold, what was found in them, and how many classes there are: what figures are made of."""
    dataset = page.evaluated.dataset
    return dataset.all_boxes(), page.evaluated.detections, len(dataset.classes)


def shown_of(page: PageContext, row: int) -> Detections:
    """What the model tells of one image: what reaches its class's threshold."""
    found: Detections = page.evaluated.detections[row]
    thresholds = page.model.thresholds  # type: ignore[attr-defined]
    return found.select(found.scores >= thresholds[found.labels])
