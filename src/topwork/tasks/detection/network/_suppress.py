"""Doubles: of boxes of one class that overlap much, the surest stays (non-maximum suppression)."""

from __future__ import annotations

import numpy as np

from topwork._arrays import BoolArray, Float32Array, IntegerArray, IntpArray
from topwork.metrics import overlaps

_BLOCK = 128  # boxes that are compared with each other at once


def suppress(
    corners: Float32Array, scores: Float32Array, labels: IntegerArray, overlap: float, most: int | None = None
) -> IntpArray:
    """Which boxes stay: places, the surest first; the earlier of two that are as sure.

    Equal to torchvision's ``batched_nms``. Boxes are taken a block at a time, in order of their scores: those that an
    earlier one leaves are compared with each other, and what stays of them suppresses what comes later.

    Args:
        corners: float32 (K, 4), xmin, ymin, xmax, ymax.
        scores: float32 (K,).
        labels: int (K,); only boxes of one class are doubles.
        overlap: Intersection over union beyond which two boxes are.
        most: How many are wanted, at most; all when None.
    """
    order = np.argsort(-scores, kind="stable")
    corners, labels = corners[order], labels[order]
    waiting = np.arange(len(order))
    kept: list[IntpArray] = []
    count = 0
    while len(waiting) and (most is None or count < most):
        block, waiting = waiting[:_BLOCK], waiting[_BLOCK:]
        block = block[_surest(_doubles(corners, labels, block, block, overlap))]
        waiting = waiting[~_doubles(corners, labels, block, waiting, overlap).any(axis=0)]
        kept.append(block)
        count += len(block)
    found: IntpArray = order[np.concatenate([*kept, np.zeros(0, np.intp)])[:most]]
    return found


def _surest(doubles: BoolArray) -> BoolArray:
    """(K,) which of K boxes stay, of which (K, K) are doubles; each suppresses those that follow it."""
    stays = np.ones(len(doubles), np.bool_)
    for place in np.flatnonzero(np.triu(doubles, 1).any(axis=1)):
        if stays[place]:
            stays[place + 1 :] &= ~doubles[place, place + 1 :]
    return stays


def _doubles(
    corners: Float32Array, labels: IntegerArray, first: IntpArray, second: IntpArray, overlap: float
) -> BoolArray:
    """(A, B) whether two boxes are of one class and overlap too much."""
    same = labels[first, None] == labels[second]
    shared = overlaps(corners[first], corners[second], np.zeros(len(second), np.bool_))
    much: BoolArray = same & (shared > np.float64(overlap))  # in float32, compared in float64: torchvision's way
    return much
