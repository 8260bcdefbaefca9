"""What was found in images as rows of a table: objects, measured, or classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork.tasks.segmentation._certainty import SURE
from topwork.tasks.segmentation._found import FoundMask
from topwork.tasks.segmentation.instances import MeasuredObject, measured

_DIGITS = 4
_OF_OBJECTS = tuple(name for name in MeasuredObject._fields if name not in ("label", "intensity"))


def object_rows(found: FoundMask) -> list[dict[str, Any]]:
    """A row for each object: its number, class, area, place and form, in pixels; its certainty where asked for.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    certain = None if found.certainty is None else found.certainty / np.float32(SURE)
    first = found.foreground.start
    objects = () if found.objects is None else measured(found.objects, found.labels, certain, first=first)
    names = _OF_OBJECTS if certain is None else (*_OF_OBJECTS, "certainty")
    said = [
        {
            "path": found.source,
            "label": found.classes[each.label],
            **{name: _rounded(getattr(each, "intensity" if name == "certainty" else name)) for name in names},
            "error": "",
        }
        for each in objects
    ]
    return said or [{"path": found.source, "label": "", **dict.fromkeys(names), "error": found.error}]


def _rounded(number: float) -> float:
    return round(number, _DIGITS) if isinstance(number, float) else number


def class_rows(found: FoundMask) -> list[dict[str, Any]]:
    """A row for each foreground class: its pixels, and their share of the image."""
    if found.error:
        return [{"path": found.source, "label": "", "pixels": None, "share": None, "error": found.error}]
    pixels, shares = found.pixels(), found.shares()
    return [
        {
            "path": found.source,
            "label": name,
            "pixels": pixels[name],
            "share": round(shares[name], 6),
            "error": "",
        }
        for name in found.classes[found.foreground.start :]
    ]
