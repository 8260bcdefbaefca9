"""The catalogue of detectors: networks that already find objects, whose classes are COCO's or told in words.

The table ``detectors.tsv`` beside this file holds them, the figures as their makers published them (COCO val2017).
None is under the AGPL: what is, is refused by name.
"""

from __future__ import annotations

import csv
import difflib
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from topwork.backbones._catalogue import Listed, narrowed
from topwork.errors import BackboneError

Library = Literal["torchvision", "transformers"]

_TABLE = Path(__file__).with_name("detectors.tsv")

# Networks whose code and weights are under the AGPL or GPL: a program with one inside has to be given away under it.
_COPYLEFT = re.compile(r"(ultralytics/.*|(.*/)?(yolo[-_]?v?(5|6|7|8|9|10|11|12|13|26).*|yolo-?nas.*|fastsam.*))", re.I)


@dataclass(frozen=True)
class DetectorRow(Listed):
    """What is known of one detector before anything is loaded.

    Attributes:
        alias: The short name that ``--backbone`` takes.
        name: What its library or the hub calls it.
        family: Networks of one design.
        parameters: In millions.
        ap: COCO's average precision on val2017 in per cent, as published; None where its makers give none.
        size: Side of the square image in pixels.
        classes: Places that its class layer has; COCO's 80 classes are among 91 in some. 0: words tell the classes.
        licence: The weights' licence by its SPDX name.
        advice: One line on when to pick it.
        library: Which builds it.
        repository: The hub's, ``owner/name``; empty where torchvision holds the weights.
        paper: Where it was published, and the figure with it (torchvision's are in its table of weights).
    """

    alias: str
    name: str
    family: str
    parameters: float
    ap: float | None
    size: int
    classes: int
    licence: str
    advice: str
    library: Library
    repository: str
    paper: str


@functools.cache
def detector_rows() -> tuple[DetectorRow, ...]:
    """Every row, in the table's order."""
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        return tuple(_parsed(cells) for cells in csv.DictReader(lines, dialect="excel-tab"))


def _parsed(cells: dict[str, Any]) -> DetectorRow:
    numbers = {"parameters": float(cells["parameters"]), "ap": float(cells["ap"]) if cells["ap"] else None}
    return DetectorRow(**{**cells, **numbers, "size": int(cells["size"]), "classes": int(cells["classes"])})


def detector_row(name: str) -> DetectorRow | None:
    """The row of that alias, name or repository; None where there is none."""
    plain = name.strip().lower().removeprefix("torchvision:")
    return next((row for row in detector_rows() if plain in _names(row)), None)


def _names(row: DetectorRow) -> tuple[str, ...]:
    return tuple(each.lower() for each in (row.alias, row.name, row.repository) if each)


def select_detectors(*, licence: str | None = None, max_params: float | None = None) -> tuple[DetectorRow, ...]:
    """Rows that meet every condition given, in the table's order.

    Args:
        licence: An SPDX name, or ``free`` for those without terms of their own.
        max_params: Parameters in millions.
    """
    return narrowed(detector_rows(), licence, max_params)


def detectors_near(name: str) -> list[str]:
    """Aliases that look most like a name, the nearest first; there may be none."""
    names = {spelt: row.alias for row in detector_rows() for spelt in _names(row)}
    near = difflib.get_close_matches(name.lower().removeprefix("torchvision:"), names, n=3, cutoff=0.6)
    return list(dict.fromkeys(names[each] for each in near))


def require_permissive(name: str, licence: str = "") -> None:
    """Refuse a network whose licence is the AGPL or GPL, told by its own word or by its name.

    Raises:
        BackboneError: It is one.
    """
    told = licence.lower()
    if "gpl" in told and "lgpl" not in told:
        why = f"its licence is {licence}"
    elif not licence and _COPYLEFT.fullmatch(name):
        why = "networks of that name are published under the AGPL or GPL"
    else:
        return
    raise BackboneError(
        f"{name} is not used: {why}, and a program with it inside would have to be given away under that licence",
        hint="rtdetr-r18 and dfine-s are as accurate and under Apache-2.0; `topwork models --task detection` lists all",
    )
