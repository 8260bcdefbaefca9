"""The sections of a classifier's page, in order."""

from __future__ import annotations

from topwork.report import Section, sections

_OF_IMAGES = (sections.findings, sections.worst, sections.unsure, sections.space)

SECTIONS = tuple(
    Section(each.__name__, each, of_images=each in _OF_IMAGES)
    for each in (
        sections.answer,
        sections.data,
        sections.findings,
        sections.metrics,
        sections.folds,
        sections.confusion,
        sections.worst,
        sections.unsure,
        sections.per_class,
        sections.calibration,
        sections.selective,
        sections.shift,
        sections.ladder,
        sections.forecast,
        sections.space,
        sections.robustness,
        sections.ideal,
        sections.explained,
        sections.trials,
        sections.use,
        sections.repeat,
        sections.cite,
    )
)
