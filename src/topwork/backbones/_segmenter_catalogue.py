"""The catalogue of segmenters: networks that already tell what a pixel belongs to, by prompts, classes or words.

The table ``segmenters.tsv`` beside this file holds them. Parameters of SAM, SegFormer, Mask2Former and CLIPSeg were
counted from their configurations, those of SAM 2.1 are as published; a figure that could not be looked up is left out.
"""

from __future__ import annotations

import csv
import difflib
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from topwork.backbones._catalogue import Listed, narrowed

ToldBy = Literal["prompts", "classes", "words"]
"""What tells a network what to segment: points and boxes, classes of its own, or words."""

_TABLE = Path(__file__).with_name("segmenters.tsv")


@dataclass(frozen=True)
class SegmenterRow(Listed):
    """What is known of one segmenter before anything is loaded.

    Attributes:
        alias: The short name that ``--backbone`` takes.
        family: Networks of one design.
        told_by: What tells it what to segment.
        parameters: In millions.
        miou: Mean IoU on ADE20K's validation images in per cent, one scale, as published; None where none is known.
        size: Side of the square image in pixels.
        licence: The weights' licence by its SPDX name, or in words where it has none.
        advice: One line on when to pick it.
        repository: The hub's, ``owner/name``.
        paper: Where it was published.
    """

    alias: str
    family: str
    told_by: ToldBy
    parameters: float
    miou: float | None
    size: int
    licence: str
    advice: str
    repository: str
    paper: str


@functools.cache
def segmenter_rows() -> tuple[SegmenterRow, ...]:
    """Every row, in the table's order."""
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        return tuple(_parsed(cells) for cells in csv.DictReader(lines, dialect="excel-tab"))


def _parsed(cells: dict[str, Any]) -> SegmenterRow:
    numbers = {"parameters": float(cells["parameters"]), "miou": float(cells["miou"]) if cells["miou"] else None}
    return SegmenterRow(**{**cells, **numbers, "size": int(cells["size"])})


def segmenter_row(name: str) -> SegmenterRow | None:
    """The row of that alias or repository; None where there is none."""
    plain = name.strip().lower()
    return next((row for row in segmenter_rows() if plain in (row.alias, row.repository.lower())), None)


def select_segmenters(*, licence: str | None = None, max_params: float | None = None) -> tuple[SegmenterRow, ...]:
    """Rows that meet every condition given, in the table's order.

    Args:
        licence: An SPDX name, or ``free`` for those without terms of their own.
        max_params: Parameters in millions.
    """
    return narrowed(segmenter_rows(), licence, max_params)


def segmenters_near(name: str) -> list[str]:
    """Aliases that look most like a name, the nearest first; there may be none."""
    return difflib.get_close_matches(name.lower(), [row.alias for row in segmenter_rows()], n=3, cutoff=0.6)
