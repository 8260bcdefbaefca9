"""The sections of a segmenter's page, in order."""

from __future__ import annotations

from topwork.report import in_order, sections
from topwork.tasks.segmentation import page

_OF_IMAGES = (sections.findings, page.worst, page.sizes)
_NARROW = (page.use, page.data)
_OWN = (page.answer, page.worst, page.per_class, page.class_table, page.objects, page.shares, page.sizes, page.folds)

SECTIONS = in_order(
    (
        page.answer,
        page.use,
        page.data,
        sections.findings,
        page.worst,
        page.per_class,
        page.class_table,
        page.objects,
        page.shares,
        page.sizes,
        page.calibration,
        sections.explained,
        page.metrics,
        page.folds,
        sections.ladder,
        sections.forecast,
        sections.trials,
        sections.repeat,
        sections.cite,
    ),
    package="topwork.tasks.segmentation",
    own=_OWN,
    of_images=_OF_IMAGES,
    narrow=_NARROW,
)
