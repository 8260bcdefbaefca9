"""The sections of a classifier's page, in order."""

from __future__ import annotations

from topwork.report import Section, sections

SECTIONS = (
    Section("answer", sections.answer),
    Section("data", sections.data),
    Section("findings", sections.findings),
    Section("metrics", sections.metrics),
    Section("confusion", sections.confusion),
    Section("worst", sections.worst),
    Section("unsure", sections.unsure),
    Section("per_class", sections.per_class),
    Section("calibration", sections.calibration),
    Section("promises", sections.promises),
    Section("shift", sections.shift),
    Section("ladder", sections.ladder),
    Section("forecast", sections.forecast),
    Section("space", sections.space),
    Section("robustness", sections.robustness),
    Section("ideal", sections.ideal),
    Section("explained", sections.explained),
    Section("trials", sections.trials),
    Section("use", sections.use),
    Section("repeat", sections.repeat),
)
