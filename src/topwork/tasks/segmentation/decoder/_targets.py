"""Masks in the network's square, as a decoder is trained on them: classes, and how deep pixels lie in objects."""

from __future__ import annotations

from typing import Final

import numpy as np

from topwork._arrays import UInt8Array
from topwork.backbones import Preprocessing
from topwork.data import UNLABELLED, Mask
from topwork.tasks.segmentation.instances import depth_targets
from topwork.tasks.segmentation.network import Grid, nearest, on_grid

IGNORED: Final = 255
"""What a target says of a pixel of which nothing is told."""

DEEPEST: Final = 255
"""What a target says of the deepest pixel of an object."""


def targets_of(mask: Mask, preprocessing: Preprocessing, *, depths: bool) -> UInt8Array:
    """(1, size, size) places among the classes, or ``IGNORED``; (2, size, size) where ``depth_targets`` come behind.

    Args:
        mask: Of one image.
        preprocessing: That makes the square.
        depths: Whether it is told how deep pixels lie in their objects, from 0 to ``DEEPEST``.
    """
    places = nearest(Grid(preprocessing.size, 1.0), preprocessing, *mask.labels.shape)
    labels = on_grid(mask.labels, *places, UNLABELLED)
    classes = np.where(labels == UNLABELLED, IGNORED, labels).astype(np.uint8)
    if not depths:
        return classes[None]
    objects = np.zeros_like(labels) if mask.objects is None else on_grid(mask.objects, *places, 0)
    found = np.rint(DEEPEST * depth_targets(objects)).astype(np.uint8)
    found[(objects == 0) & (labels > 0)] = DEEPEST  # of a class that is not counted in objects: it has no border
    return np.stack([classes, found])
