"""How large images must be seen for their objects: docs/decisions/detection-training.md."""

from __future__ import annotations

import numpy as np

from topwork.data import BoxDataset

SIZE = 320
"""Side of the square in pixels, where nobody says otherwise."""

LARGER = 416
"""The same where objects are small."""

_SMALL = 32.0**2  # square pixels: COCO's small objects


def any_small(train: BoxDataset, size: int) -> bool:
    """Whether the boxes of a class are mostly small in a square of that side, and images have more to show than that.

    Areas are those of the whole image squashed; a crowd counts for nothing.
    """
    if not len(train) or np.median(train.sizes.min(axis=1)) < LARGER:
        return False
    share = size**2 / train.sizes.astype(np.float64).prod(axis=1)
    areas = (train.corners[:, 2:] - train.corners[:, :2]).prod(axis=1) * share[train.rows_of_boxes]
    kinds = (areas[(train.labels == label) & ~train.crowd] for label in range(len(train.classes)))
    return any(len(each) > 0 and float(np.median(each)) < _SMALL for each in kinds)
