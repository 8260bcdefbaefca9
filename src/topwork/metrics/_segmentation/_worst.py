"""The images that were told worst, for whoever wants to look at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ._counts import MaskCounts
from ._figures import PixelSums, checked, mean


class WorstMask(NamedTuple):
    """An image whose mask was told badly.

    Attributes:
        row: Of the image.
        iou: Mean over the foreground classes that it shows, or was said to.
        wrong: Pixels that are wrong.
        meant: The true class of those that were most often taken for one other.
        called: What they were called.
        pixels: How many they are; 0, of an image that is right throughout.
    """

    row: int
    iou: float
    wrong: int
    meant: int
    called: int
    pixels: int


def worst_masks(
    counts: Sequence[MaskCounts], n_classes: int, *, has_background: bool, most: int = 100
) -> tuple[WorstMask, ...]:
    """The images of the lowest IoU first, of equal ones that with more wrong pixels; without those of no foreground.

    Args:
        counts: Of N images.
        n_classes: C.
        has_background: Whether the first class is no object.
        most: How many to give.

    Raises:
        DataError: What `segmentation_report` refuses.
    """
    checked(counts, n_classes)
    sums = PixelSums.of(counts, has_background)
    own = mean(sums.overlaps()[0][:, sums.first :], axis=1)
    wrong = (sums.true - sums.right).sum(axis=1)
    order = np.lexsort((-wrong, own))
    found = []
    for row in order[np.isfinite(own[order])][:most].tolist():
        apart = counts[row].confusion.copy()
        np.fill_diagonal(apart, 0)
        meant, called = divmod(int(apart.argmax()), n_classes)
        found.append(WorstMask(row, float(own[row]), int(wrong[row]), meant, called, int(apart[meant, called])))
    return tuple(found)
