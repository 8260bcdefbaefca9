"""What several sections ask of a page: the figures, wherever they are known."""

from __future__ import annotations

from topwork.metrics import SegmentationReport, WorstMask, worst_masks
from topwork.report import PageContext

_ALL = 1_000_000  # images


def report_of(page: PageContext) -> SegmentationReport | None:
    """The figures: of the images that are shown, else of the model's record; None where nothing measured it."""
    found: SegmentationReport | None = page.evaluated.report if page.evaluated else page.record.task.report
    return found


def ranked(page: PageContext) -> tuple[WorstMask, ...]:
    """Every image that shows a class, or was said to, the worst first."""
    dataset = page.evaluated.dataset
    how = {"has_background": dataset.has_background, "most": _ALL}
    return worst_masks(page.evaluated.counts, len(dataset.classes), **how)
