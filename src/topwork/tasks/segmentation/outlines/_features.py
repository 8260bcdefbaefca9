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

_CELLS = 1 << 24
"""Pixels whose sums are held at once; eight bytes each."""


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
        for place in found.foreground:
            kind = _properties("annotation", found.classes[place], colours[place - found.foreground.start])
            if found.certainty is None:
                yield from (_feature([region], kind, None) for region in regions_of(found.labels, place))
                continue
            regions = [*regions_of(found.labels, place)]
            means = _certainties(regions, found.certainty)
            yield from (_feature([region], kind, mean) for region, mean in zip(regions, means, strict=True))
        return
    for number, (top, bottom, left, right) in found.boxes().items():
        there = found.objects[top:bottom, left:right] == number
        place = found.class_of(there, (top, left))
        pieces = [*regions_of(there, 1)]
        colour = colours[place - found.foreground.start]
        kind = _properties("detection", found.classes[place], colour, name=str(number))
        yield _feature(pieces, kind, found.certainty_of(there, (top, left)), (left, top))


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


def _certainties(regions: Sequence[Region], certainty: UInt8Array) -> list[float]:
    """The mean certainty of each region, by its corners alone (Green's theorem on sums of the pixels before)."""
    if not regions:
        return []
    rings = [(place, ring) for place, each in enumerate(regions) for ring in (each.outline, *each.holes)]
    of = np.repeat([place for place, _ in rings], [len(ring) for _, ring in rings])
    x, y = np.concatenate([ring for _, ring in rings]).T
    then, below = np.concatenate([np.roll(ring, -1, axis=0) for _, ring in rings]).T
    upright = x == then
    of, x, y, below = of[upright], x[upright], y[upright], below[upright]
    sums = np.zeros(len(regions))
    height, width = certainty.shape
    rows = max(1, _CELLS // (width + 1))
    for top in range(0, height, rows):  # the sums of a whole slide would hold eight bytes for each of its pixels
        strip = certainty[top : top + rows]
        before = np.zeros((len(strip) + 1, width + 1), np.int64)
        strip.cumsum(axis=0, dtype=np.int64, out=before[1:, 1:])
        before[1:, 1:].cumsum(axis=1, out=before[1:, 1:])
        here = np.flatnonzero((np.maximum(y, below) > top) & (np.minimum(y, below) < top + len(strip)))
        first, last = (np.clip(each[here] - top, 0, len(strip)) for each in (y, below))
        sums += np.bincount(of[here], before[last, x[here]] - before[first, x[here]], len(regions))
    return [round(total / each.area / SURE, 4) for total, each in zip(sums.tolist(), regions, strict=True)]


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
