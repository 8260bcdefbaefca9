"""The sections of a text classifier's page, in order."""

from __future__ import annotations

from topwork.report import in_order, sections
from topwork.tasks.text._lengths import lengths
from topwork.tasks.text._worst import worst

_OF_TEXTS = (sections.findings, worst, sections.unsure, lengths)
_NARROW = (sections.use, sections.data, sections.metrics, sections.calibration)

SECTIONS = in_order(
    (
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
    ),
    package="topwork.tasks.text",
    own=(lengths,),
    of_images=_OF_TEXTS,
    narrow=_NARROW,
)
