"""The sections of a classifier's page, in order."""

from __future__ import annotations

from topwork.report import in_order, sections

_OF_IMAGES = (sections.findings, sections.worst, sections.unsure, sections.space)
_NARROW = (sections.use, sections.data, sections.metrics, sections.calibration)

SECTIONS = in_order(
    (
        sections.answer,
        sections.use,
        sections.data,
        sections.findings,
        sections.worst,
        sections.unsure,
        sections.confusion,
        sections.per_class,
        sections.metrics,
        sections.folds,
        sections.calibration,
        sections.selective,
        sections.shift,
        sections.ladder,
        sections.forecast,
        sections.trials,
        sections.space,
        sections.robustness,
        sections.ideal,
        sections.explained,
        sections.repeat,
        sections.cite,
    ),
    of_images=_OF_IMAGES,
    narrow=_NARROW,
)
