"""Two segmentations of the same images: is one better, or is it chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topwork._arrays import Float64Array
from topwork.errors import DataError
from topwork.metrics._estimates import difference
from topwork.metrics._intervals import RESAMPLES
from topwork.metrics._values import Estimate, Saved

from ._counts import MaskCounts
from ._figures import ObjectSums, PixelSums, checked, values_and_draws


@dataclass(frozen=True)
class SegmentationComparison(Saved):
    """A first and a second segmentation of the same images. Each figure is the second's less the first's.

    Attributes:
        images: How many there are.
        iou: Mean intersection over union, with a paired bootstrap interval over images; None where there is no
            foreground. Where the two do as well on every resample, it is what so many images leave open.
        dice: The same of Dice.
        boundary_f1: Of outlines.
        ap50: Average precision of objects at an overlap of 0.5; None where they are not told apart.
        ap: The same over overlaps from 0.5 to 0.95.
    """

    images: int
    iou: Estimate | None
    dice: Estimate | None
    boundary_f1: Estimate | None
    ap50: Estimate | None
    ap: Estimate | None

    _what = "comparison of segmentations"


def compare_segmentations(
    first: Sequence[MaskCounts],
    second: Sequence[MaskCounts],
    n_classes: int,
    *,
    has_background: bool,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> SegmentationComparison:
    """Compare two segmentations on the same resamples, which tells far smaller differences than two intervals do.

    Raises:
        DataError: What `segmentation_report` refuses, or the two are not of the same masks.
    """
    for each in (first, second):
        checked(each, n_classes)
    one, other = (np.stack([each.confusion.sum(axis=1) for each in counts]) for counts in (first, second))
    if not np.array_equal(one, other):
        raise DataError(
            f"two segmentations of {len(first)} and {len(second)} images are not of the same masks",
            hint="Count both on the same images, in the same order.",
        )
    pixels = [PixelSums.of(each, has_background).figures() for each in (first, second)]
    objects = [found.figures() for each in (first, second) if (found := ObjectSums.of(each, has_background))]

    def at(weights: Float64Array) -> Float64Array:
        one, other = (figures(weights)[[1, 2, 5]] for figures in pixels)
        if len(objects) < 2:
            return other - one
        one_ap, other_ap = (figures(weights)[:2] for figures in objects)
        return np.concatenate([other - one, other_ap - one_ap])

    values, drawn = values_and_draws(at, len(first), seed, resamples)
    iou, dice, outlines, *aps = (difference(*each, len(first)) for each in zip(values, drawn, strict=True))
    ap, ap50 = aps or (None, None)
    return SegmentationComparison(len(first), iou, dice, outlines, ap50, ap)
