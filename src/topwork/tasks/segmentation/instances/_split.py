"""Objects of probabilities: a watershed that starts inside each object and ends where two meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import ConfigDict

from topwork._arrays import BoolArray, Float32Array
from topwork._system import optional
from topwork.errors import DataError
from topwork.metrics._values import Saved
from topwork.tasks.segmentation.instances._weighed import Objects, joined, kept, sureness

_ROUNDING = 1e-3


@dataclass(frozen=True)
class Splitting(Saved):
    """How objects are made of probabilities.

    Attributes:
        border: Whether the last channel of probabilities is that of borders: where objects touch, or the nearer the
            edge, the more.
        threshold: From which probability on a pixel belongs to an object; the border counts as the object.
        marker: With a border: by how much more probable inside than border is, where an object starts.
        depth: Without a border: how many pixels wider than its waist each half of a shape must be, to be two objects.
        least_area: Objects of fewer pixels are none.
        join: With a border: from which mean probability of it on an edge between two objects is a border; below, they
            are one. 0 joins none.
        sure: Objects whose pixels are less probable than this, on average, are none.

    Raises:
        ValueError: A figure is out of its range.
    """

    border: bool
    threshold: float = 0.5
    marker: float = 0.5
    depth: float = 1.0
    least_area: int = 0
    join: float = 0.0
    sure: float = 0.0

    _what = "way to tell objects apart"
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # a newer topwork's would be told otherwise

    def __post_init__(self) -> None:
        if not (0 < self.threshold < 1 and -1 < self.marker < 1 and 0 < self.depth < np.inf and self.least_area >= 0):
            raise ValueError(
                f"threshold {self.threshold} must be in (0, 1), marker {self.marker} in (-1, 1), depth {self.depth} "
                f"above 0 and least area {self.least_area} 0 or more"
            )
        if not (0 <= self.join < 1 and 0 <= self.sure < 1):
            raise ValueError(f"join {self.join} and sure {self.sure} must be in [0, 1)")


def split_objects(probabilities: Float32Array, splitting: Splitting, *, has_background: bool = True) -> Objects:
    """Tell the objects of an image apart, class by class.

    With a border, objects start from the pixels that are surely inside; without one, from the middles of shapes, as far
    as these are wider than their waists: h-maxima of the distance to the outside (Vincent 1993, "Morphological
    Grayscale Reconstruction in Image Analysis"). A watershed (Meyer 1991) grows them over the class's pixels. A shape
    from which nothing starts is one object. Pieces between which no border is seen are joined.

    Args:
        probabilities: (C, H, W), or (C + 1, H, W) with the border last; floats, sums over channels are one.
        splitting: How, see `fit_splitting`.
        has_background: Whether the first class is no object.

    Returns:
        (H, W) int32, numbers from 1 without gaps, 0 where no object is.

    Raises:
        DataError: No probabilities of at least one foreground class.
        MissingExtraError: scikit-image is not installed.
    """
    _checked(probabilities, splitting, has_background)
    found = np.zeros(probabilities.shape[1:], np.int32)
    for shape, inside in _shapes(probabilities, splitting, has_background):
        objects = _split(shape, inside, splitting)
        if splitting.join:
            objects = joined(objects, border_in(probabilities, splitting, has_background), splitting.join)
        found[shape] = np.where(objects[shape] > 0, objects[shape] + found.max(initial=0), 0)
    large = np.bincount(found.ravel()) >= max(1, splitting.least_area)
    if splitting.sure:
        large &= sureness(found, foreground_of(probabilities, splitting, has_background)) >= splitting.sure
    return kept(found, large)


def foreground_of(probabilities: Float32Array, splitting: Splitting, has_background: bool) -> Float32Array:
    """(H, W), how probable the most probable class of objects is; an object's border counts as it."""
    classes = probabilities[int(has_background) : len(probabilities) - splitting.border]
    most: Float32Array = classes.max(axis=0)
    return most + probabilities[-1] if splitting.border else most


def border_in(probabilities: Float32Array, splitting: Splitting, has_background: bool) -> Float32Array:
    """(H, W), how probable a border is at each pixel, if it is of an object; zeros where none is told."""
    if not splitting.border:
        return np.zeros(probabilities.shape[1:], np.float32)
    foreground = foreground_of(probabilities, splitting, has_background)
    return np.asarray(probabilities[-1] / np.maximum(foreground, 1e-6), np.float32)


def _checked(probabilities: Float32Array, splitting: Splitting, has_background: bool) -> None:
    least = 1 + has_background + splitting.border
    if probabilities.ndim != 3 or probabilities.dtype.kind != "f" or len(probabilities) < least:
        raise DataError(
            f"probabilities must be floats of shape (C, H, W) with {least} channels or more, got {probabilities.dtype} "
            f"{probabilities.shape}",
            hint="Objects need a class that is not background, and a border its own channel where there is one.",
        )
    if not np.isfinite(probabilities).all():
        raise DataError("probabilities of a mask hold NaN or Inf")


def _shapes(
    probabilities: Float32Array, splitting: Splitting, has_background: bool
) -> Iterator[tuple[BoolArray, Float32Array | None]]:
    """Of each foreground class its pixels (H, W), and how much rather they are inside than border."""
    classes = probabilities[int(has_background) : len(probabilities) - splitting.border]
    best = classes.argmax(axis=0)
    foreground = foreground_of(probabilities, splitting, has_background) >= splitting.threshold
    for place, own in enumerate(classes):
        shape = foreground & (best == place)
        if shape.any():
            yield shape, own - probabilities[-1] if splitting.border else None


def _split(shape: BoolArray, inside: Float32Array | None, splitting: Splitting) -> Objects:
    """Numbers (H, W) of the objects of one class."""
    ndimage = optional("scipy.ndimage", extra="segmentation", what="telling objects apart")
    segmentation = optional("skimage.segmentation", extra="segmentation", what="telling objects apart")
    if inside is None:
        inside = ndimage.distance_transform_edt(np.pad(shape, 1, mode="edge"))[1:-1, 1:-1].astype(np.float32)
        starts = _peaks(inside, splitting.depth)
    else:
        starts = (inside >= splitting.marker) & shape
    whole, n_shapes = ndimage.label(shape)
    seen = np.bincount(whole[starts], minlength=n_shapes + 1) > 0
    seen[0] = True
    markers, _ = ndimage.label(starts | ~seen[whole])
    found: Objects = segmentation.watershed(-inside, markers, mask=shape).astype(np.int32)
    return found


def _peaks(heights: Float32Array, depth: float) -> BoolArray:
    """(H, W), where the heights stand by so much above every way to a higher place."""
    ndimage = optional("scipy.ndimage", extra="segmentation", what="telling objects apart")
    morphology: Any = optional("skimage.morphology", extra="segmentation", what="telling objects apart")
    sunk = heights - np.float32(depth)
    rebuilt = morphology.reconstruction(sunk, heights, method="dilation")
    raised = heights - rebuilt
    tops, n_tops = ndimage.label(raised > _ROUNDING)
    # A hill may have several tops of one height: it counts as a whole.
    tall = np.bincount(tops[raised >= depth - _ROUNDING], minlength=n_tops + 1) > 0
    tall[0] = False
    peaks: BoolArray = tall[tops]
    return peaks
