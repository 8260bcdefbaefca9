"""The sections of a text classifier's page, in order."""

from __future__ import annotations

from topwork.report import Section, sections
from topwork.tasks.text._lengths import lengths
from topwork.tasks.text._worst import worst

_OF_TEXTS = (sections.findings, worst, sections.unsure, lengths)
_NARROW = (sections.use, sections.data, sections.metrics, sections.calibration)
_OWN = {lengths: "topwork.tasks.text"}

SECTIONS = tuple(
    Section(
        each.__name__,
        each,
        of_images=each in _OF_TEXTS,
        narrow=each in _NARROW,
        **({"package": _OWN[each]} if each in _OWN else {}),
    )
    for each in (
        sections.answer,
        sections.use,
        sections.data,
        sections.findings,
        worst,
        sections.unsure,
        sections.confusion,
        sections.per_class,
        lengths,
        sections.metrics,
        sections.calibration,
        sections.folds,
        sections.selective,
        sections.shift,
        sections.ladder,
        sections.forecast,
        sections.trials,
        sections.repeat,
        sections.cite,
    )
)
