"""The sections of a segmenter's page, in order."""

from __future__ import annotations

from topwork.report import Section, sections
from topwork.tasks.segmentation import page

_OF_IMAGES = (sections.findings, page.worst, page.sizes)
_NARROW = (page.use, page.data)
_OWN = (page.answer, page.worst, page.per_class, page.class_table, page.objects, page.shares, page.sizes, page.folds)

SECTIONS = tuple(
    Section(
        each.__name__,
        each,
        of_images=each in _OF_IMAGES,
        narrow=each in _NARROW,
        **({"package": "topwork.tasks.segmentation"} if each in _OWN else {}),
    )
    for each in (
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
    )
)
