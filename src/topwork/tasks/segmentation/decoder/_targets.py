"""Masks in the network's square, as a decoder is trained on them: a class for each pixel, or borders, or nothing."""

from __future__ import annotations

from typing import Final

import numpy as np

from topwork._arrays import UInt8Array
from topwork.backbones import Preprocessing
from topwork.data import UNLABELLED, Mask
from topwork.tasks.segmentation.instances import border_targets
from topwork.tasks.segmentation.network import Grid, nearest, on_grid

IGNORED: Final = 255
"""What a target says of a pixel of which nothing is told."""


def targets_of(mask: Mask, preprocessing: Preprocessing, n_classes: int, *, border: bool) -> UInt8Array:
    """(size, size): places among the classes, ``n_classes`` for a border between objects, or ``IGNORED``."""
    places = nearest(Grid(preprocessing.size, 1.0), preprocessing, *mask.labels.shape)
    labels = on_grid(mask.labels, *places, UNLABELLED)
    found: UInt8Array = np.where(labels == UNLABELLED, IGNORED, labels).astype(np.uint8)
    if border and mask.objects is not None:
        found[border_targets(on_grid(mask.objects, *places, 0)) & (found != IGNORED)] = n_classes
    return found
