"""The sections of a detector's page, in order."""

from __future__ import annotations

from topwork.report import Section, sections
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

SECTIONS = tuple(
    Section(
        each.__name__,
        each,
        of_images=each in _OF_IMAGES,
        narrow=each in _NARROW,
        **({"package": "topwork.tasks.detection"} if each in _OWN else {}),
    )
    for each in (
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
    )
)
