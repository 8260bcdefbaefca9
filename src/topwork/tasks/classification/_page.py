"""The sections of a classifier's page, in order."""

from __future__ import annotations

from topwork.report import Section, sections

_OF_IMAGES = (sections.findings, sections.worst, sections.unsure, sections.space)
_NARROW = (sections.use, sections.data, sections.metrics, sections.calibration)

SECTIONS = tuple(
    Section(each.__name__, each, of_images=each in _OF_IMAGES, narrow=each in _NARROW)
    for each in (
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
    )
)
