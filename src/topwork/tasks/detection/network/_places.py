"""Boxes between an image and the square that the network sees of it."""

from __future__ import annotations

import numpy as np

from topwork._arrays import BoolArray, Float32Array
from topwork.backbones import Preprocessing
from topwork.data import Boxes
from topwork.metrics import Detections


def in_image(detections: Detections, preprocessing: Preprocessing, height: int, width: int) -> Detections:
    """What was found in the square, in pixels of the image; cut at the image's edges.

    What lies wholly outside, as in the margin of ``pad``, is left out. What ``crop`` did not show cannot be found.

    Args:
        detections: In pixels of the square.
        preprocessing: That made the square.
        height: Of the image as it is shown.
        width: Of the image as it is shown.
    """
    seen, placed = preprocessing.view(height, width)
    corners = _moved(detections.corners, placed, seen).clip(0, np.array([width, height] * 2, np.float32))
    return Detections(corners, detections.scores, detections.labels).select(_has_area(corners))


def in_square(boxes: Boxes, preprocessing: Preprocessing, height: int, width: int) -> Boxes:
    """An image's boxes in pixels of the square; cut at what is seen, and left out where nothing of one is.

    Only ``crop`` cuts off anything of an image, and timm's rules with ``squash``, which see its middle.

    Args:
        boxes: In pixels of the image.
        preprocessing: That makes the square.
        height: Of the image as it is shown.
        width: Of the image as it is shown.
    """
    seen, placed = preprocessing.view(height, width)
    left, top, right, bottom = placed
    least, most = np.array([left, top] * 2, np.float32), np.array([right, bottom] * 2, np.float32)
    corners = _moved(boxes.corners, seen, placed).clip(least, most)
    kept = _has_area(corners)
    return Boxes(corners[kept], boxes.labels[kept], boxes.crowd[kept])


def _moved(
    corners: Float32Array, here: tuple[float, float, float, float], there: tuple[float, float, float, float]
) -> Float32Array:
    """Boxes of one rectangle, left, top, right and bottom, in the other; in float64 meanwhile."""
    (left, top, right, bottom), (to_left, to_top, to_right, to_bottom) = here, there
    scale = np.array([(to_right - to_left) / (right - left), (to_bottom - to_top) / (bottom - top)] * 2)
    moved = (corners - np.array([left, top] * 2)) * scale + np.array([to_left, to_top] * 2)
    return np.asarray(moved, np.float32)


def _has_area(corners: Float32Array) -> BoolArray:
    return np.asarray((corners[:, 2:] > corners[:, :2]).all(axis=1))
