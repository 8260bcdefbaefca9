"""Masks in the network's square, as a decoder is trained on them: a class for each pixel, or borders, or nothing."""

from __future__ import annotations

from typing import Final

import numpy as np

from topwork._arrays import Int64Array, UInt8Array
from topwork.backbones import Preprocessing
from topwork.data import UNLABELLED, Mask, MaskDataset

IGNORED: Final = 255
"""What a target says of a pixel of which nothing is told."""


def targets_of(mask: Mask, preprocessing: Preprocessing, n_classes: int, *, border: bool) -> UInt8Array:
    """(size, size): places among the classes, ``n_classes`` for a border between objects, or ``IGNORED``."""
    rows, columns, place = _seen(preprocessing, *mask.labels.shape)
    labels = mask.labels[np.ix_(rows, columns)]
    found = np.where(labels == UNLABELLED, IGNORED, labels).astype(np.uint8)
    if border and mask.objects is not None:
        found[_borders(mask.objects[np.ix_(rows, columns)])] = n_classes
    whole = np.full((preprocessing.size, preprocessing.size), IGNORED, np.uint8)
    whole[place] = found
    return whole


def _seen(preprocessing: Preprocessing, height: int, width: int) -> tuple[Int64Array, Int64Array, tuple[slice, slice]]:
    """Rows and columns of an image that the square's pixels show, and where in the square those lie."""
    (left, top, right, bottom), (x0, y0, x1, y1) = preprocessing.view(height, width)
    rows = _nearest(top, bottom, y1 - y0, height)
    return rows, _nearest(left, right, x1 - x0, width), (slice(y0, y1), slice(x0, x1))


def _nearest(start: float, end: float, count: int, length: int) -> Int64Array:
    places = start + (np.arange(count) + 0.5) * (end - start) / count
    return np.clip(places, 0, length - 1).astype(np.int64)


def _borders(objects: np.ndarray, reach: int = 2) -> np.ndarray:
    padded = np.pad(objects, reach)
    h, w = objects.shape
    found = np.zeros(objects.shape, bool)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if 0 < dy * dy + dx * dx <= reach * reach + 1:
                other = padded[reach + dy : reach + dy + h, reach + dx : reach + dx + w]
                found |= (other != 0) & (other != objects)
    return found & (objects != 0)
