"""The sections of a detector's page, in order."""

from __future__ import annotations

from topwork.report import in_order, sections
from topwork.tasks.detection import page

_OF_IMAGES = (sections.findings, page.misses, page.inventions, page.curves, page.errors, page.class_table, page.sizes)
_NARROW = (page.use, page.data)
_OWN = (
    page.answer,
    page.misses,
    page.inventions,
    page.curves,
    page.per_class,
    page.errors,
    page.class_table,
    page.sizes,
    page.folds,
)

SECTIONS = in_order(
    (
        page.answer,
        page.use,
        page.data,
        sections.findings,
        page.misses,
        page.inventions,
        page.per_class,
        page.curves,
        page.errors,
        page.class_table,
        page.sizes,
        sections.explained,
        page.metrics,
        page.folds,
        sections.ladder,
        sections.forecast,
        sections.trials,
        sections.repeat,
        sections.cite,
    ),
    package="topwork.tasks.detection",
    own=_OWN,
    of_images=_OF_IMAGES,
    narrow=_NARROW,
)
