"""Each object's size and form, as rows of a table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, IntegerArray
from topwork._system import optional
from topwork.errors import DataError

_COLUMNS = ("label", "area", "centroid", "bbox", "eccentricity", "equivalent_diameter_area", "perimeter", "solidity")


class MeasuredObject(NamedTuple):
    """One object. Pixels; y down and x to the right, from the upper left corner.

    Attributes:
        object: Its number.
        label: Its class: that of most of its pixels, background aside, as a place among the classes.
        area: Pixels.
        y: Of its centroid, the middle of a pixel being a whole number.
        x: Of its centroid.
        top: First row of its box.
        left: First column.
        bottom: Row after the last.
        right: Column after the last.
        eccentricity: Of the ellipse of the same second moments: 0 of a disc, towards 1 of a line.
        equivalent_diameter: Of the disc of the same area.
        perimeter: Length of the line through its boundary pixels.
        solidity: Share of its convex hull that it fills.
        intensity: Mean over its pixels; None where no intensities were given.
    """

    object: int
    label: int
    area: int
    y: float
    x: float
    top: int
    left: int
    bottom: int
    right: int
    eccentricity: float
    equivalent_diameter: float
    perimeter: float
    solidity: float
    intensity: float | None


def measured(
    objects: IntegerArray, labels: IntegerArray, intensity: AnyArray | None = None, *, first: int = 0
) -> tuple[MeasuredObject, ...]:
    """Measure the objects of an image, by rising number. The figures are scikit-image's.

    Args:
        objects: (H, W), numbers of objects, 0 where none is.
        labels: (H, W), places among the classes.
        intensity: (H, W), one number a pixel.
        first: The first class that has objects: background is none's.

    Raises:
        DataError: Sizes differ, or numbers are below 0.
        MissingExtraError: scikit-image is not installed.
    """
    if objects.ndim != 2 or objects.dtype.kind not in "iu" or objects.min(initial=0) < 0:
        raise DataError(f"objects must be integers from 0 on of shape (H, W), got {objects.dtype} {objects.shape}")
    for name, each in (("labels", labels), ("intensities", intensity)):
        if each is not None and each.shape != objects.shape:
            raise DataError(f"objects of {objects.shape} pixels, but {name} of {each.shape}")
    measure = optional("skimage.measure", extra="segmentation", what="measuring objects")
    if not objects.any():
        return ()
    columns = (*_COLUMNS, *(() if intensity is None else ("intensity_mean",)))
    table = measure.regionprops_table(objects.astype(np.int64), intensity, properties=columns)
    numbers = table.pop("label")
    own = _classes(objects, labels, numbers, first)
    values = [each.tolist() for each in (numbers, own, *table.values())]
    if intensity is None:
        values.append([None] * len(numbers))
    area = 2  # skimage gives it as a float
    values[area] = [int(each) for each in values[area]]
    return tuple(MeasuredObject(*row) for row in zip(*values, strict=True))


def _classes(objects: IntegerArray, labels: IntegerArray, numbers: AnyArray, first: int) -> AnyArray:
    """The label of most of each object's pixels."""
    there = objects > 0
    rows = np.searchsorted(numbers, objects[there])
    size = max(first, int(labels.max(initial=0))) + 1
    own = np.maximum(labels[there], 0).astype(np.int64)
    votes = np.bincount(rows * size + own, minlength=len(numbers) * size)
    own_class: AnyArray = votes.reshape(-1, size)[:, first:].argmax(axis=1) + first
    return own_class
