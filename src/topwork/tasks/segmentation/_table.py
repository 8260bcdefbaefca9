"""What was found in images as rows of a table: objects, measured, or classes."""

from __future__ import annotations

from typing import Any

from topwork.tasks.segmentation._found import FoundMask
from topwork.tasks.segmentation.instances import MeasuredObject, measured

_DIGITS = 4
_OF_OBJECTS = tuple(name for name in MeasuredObject._fields if name not in ("label", "intensity"))


def object_rows(found: FoundMask) -> list[dict[str, Any]]:
    """A row for each object: its number, class, area, place and form, in pixels.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    objects = () if found.objects is None else measured(found.objects, found.labels)
    said = [
        {
            "path": found.source,
            "label": found.classes[each.label],
            **{name: _rounded(getattr(each, name)) for name in _OF_OBJECTS},
            "error": "",
        }
        for each in objects
    ]
    return said or [{"path": found.source, "label": "", **dict.fromkeys(_OF_OBJECTS), "error": found.error}]


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
