"""The sections of a segmenter's page, in order."""

from __future__ import annotations

from topwork.report import Section, sections

SECTIONS = tuple(
    Section(each.__name__, each, of_images=each is sections.findings)
    for each in (sections.findings, sections.ladder, sections.trials, sections.repeat, sections.cite)
)
