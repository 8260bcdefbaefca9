"""Regions and objects as GeoJSON's features, in the form that QuPath reads: pixels, from the image's upper left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import UInt8Array
from topwork.drawing import class_colours
from topwork.tasks.segmentation._certainty import SURE
from topwork.tasks.segmentation.outlines._regions import Region, Ring, regions_of

if TYPE_CHECKING:
    from topwork.tasks.segmentation._found import FoundMask
    from topwork.tasks.segmentation.promptable import PromptedMask


def features(found: FoundMask) -> Iterator[dict[str, Any]]:
    """What is found in an image, one feature after another: objects where they are told apart, else regions.

    Each is a polygon (several where an object lies in pieces) with its class, that class's colour and its area in
    pixels; an object is a ``detection`` and has its number, a region is an ``annotation``. Background has none. Where
    certainty was asked for, each has the mean of its pixels', from 0 to 1.

    Args:
        found: What a model says of an image that could be read.
    """
    colours = class_colours(max(1, len(found.foreground))).tolist()
    if found.objects is None:
        means = None if found.certainty is None else _Means(found.certainty)
        for place in found.foreground:
            for region in regions_of(found.labels, place):
                kind = _properties("annotation", found.classes[place], colours[place - found.foreground.start])
                yield _feature([region], kind, None if means is None else means(region))
        return
    for number, (top, bottom, left, right) in found.boxes().items():
        there = found.objects[top:bottom, left:right] == number
        place = found.class_of(there, (top, left))
        regions = [*regions_of(there, 1)]
        colour = colours[place - found.foreground.start]
        kind = _properties("detection", found.classes[place], colour, name=str(number))
        yield _feature(regions, kind, found.certainty_of(there, (top, left)), (left, top))


def mask_features(masks: Sequence[PromptedMask]) -> Iterator[dict[str, Any]]:
    """The same of masks that prompts gave, which may lie over each other: a detection each, with its score."""
    colours = class_colours(max(1, len(masks))).tolist()
    for number, each in enumerate(masks, start=1):
        left, top, right, bottom = each.box
        regions = [*regions_of(each.mask[top:bottom, left:right], 1)]
        if regions:
            kind = _properties("detection", each.label or "object", colours[number - 1], name=str(number))
            feature = _feature(regions, kind, None, (left, top))
            feature["properties"]["measurements"]["Score"] = round(each.score, 6)
            yield feature


def _properties(kind: str, category: str, colour: Sequence[int], **more: str) -> dict[str, Any]:
    return {"objectType": kind, **more, "classification": {"name": category, "color": [*colour]}}


class _Means:
    """The mean certainty of regions, by their corners alone (Green's theorem on sums of the pixels before).

    It holds eight bytes for each pixel of the image.
    """

    def __init__(self, certainty: UInt8Array) -> None:
        self._before = np.zeros([side + 1 for side in certainty.shape], np.int64)
        certainty.cumsum(axis=0, dtype=np.int64, out=self._before[1:, 1:])
        self._before[1:, 1:].cumsum(axis=1, out=self._before[1:, 1:])

    def __call__(self, region: Region) -> float:
        return round(sum(map(self._inside, (region.outline, *region.holes))) / region.area / SURE, 4)

    def _inside(self, ring: Ring) -> int:
        (x, y), (then, below) = ring.T, np.roll(ring, -1, axis=0).T
        upright = x == then
        return int((self._before[below, then] - self._before[y, x])[upright].sum())


def _feature(
    regions: Sequence[Region], properties: dict[str, Any], certainty: float | None, corner: tuple[int, int] = (0, 0)
) -> dict[str, Any]:
    measured: dict[str, float] = {"Area px^2": sum(each.area for each in regions)}
    if certainty is not None:
        measured["Certainty"] = certainty
    pieces = [[_closed(ring, corner) for ring in (each.outline, *each.holes)] for each in regions]
    one = len(pieces) == 1
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon" if one else "MultiPolygon", "coordinates": pieces[0] if one else pieces},
        "properties": {**properties, "measurements": measured},
    }


def _closed(ring: Ring, corner: tuple[int, int]) -> list[list[int]]:
    moved: list[list[int]] = (ring + np.asarray(corner, np.int32)).tolist()
    return [*moved, moved[0]]
