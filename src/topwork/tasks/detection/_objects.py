"""From what an exported detector says of each place to the objects in an image.

This file lies beside every exported detector as ``objects.py``: it needs NumPy and Pillow alone. ``how`` is what
``objects.json`` holds beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

_ORIENTATION = 274  # EXIF's; above 4 height and width change places


def told(path: Any, scores: Any, boxes: Any, how: Mapping[str, Any]) -> dict[str, Any]:
    """An image's objects, the surest first; ``bbox`` is x, y, width and height in pixels of the upright image.

    Args:
        path: Of the image.
        scores: float32 (P, C), of each place for each class.
        boxes: float32 (P, 4), left, top, right and bottom in pixels of the square that the network saw.
        how: ``objects.json``.
    """
    with Image.open(path) as image:
        sides = image.size[::-1]
        height, width = sides[::-1] if image.getexif().get(_ORIENTATION, 1) > 4 else sides
    objects = []
    for (left, top, right, bottom), score, label in zip(*found(scores, boxes, height, width, how), strict=True):
        corner_and_sides = (left, top, right - left, bottom - top)
        box = [round(float(number), 2) for number in corner_and_sides]
        objects.append({"category": how["classes"][label], "score": round(float(score), 6), "bbox": box})
    return {"source": str(path), "width": width, "height": height, "count": len(objects), "objects": objects}


def found(
    scores: Any, boxes: Any, height: int, width: int, how: Mapping[str, Any]
) -> tuple[list[list[float]], list[float], list[int]]:
    """Edges in pixels of the image, scores and labels of its objects, the surest first.

    Of each level of the network the surest places are looked at; of boxes of one class that overlap the surest stays;
    then each class has its own threshold.
    """
    floors = np.array(how["thresholds"], np.float32)
    places, labels = np.nonzero(scores >= floors.min())
    sure, level = scores[places, labels], np.searchsorted(how["ends"], places, "right")
    order = np.argsort(-sure, kind="stable")
    order = np.concatenate([order[level[order] == each][: how["candidates"]] for each in range(len(how["ends"]))])
    order = order[np.argsort(-sure[order], kind="stable")]
    kept: list[int] = []
    while len(order) and len(kept) < how["most"]:
        best, order = order[0], order[1:]
        kept.append(best)
        doubles = _overlaps(boxes[places[best]], boxes[places[order]]) > np.float64(how["overlap"])
        order = order[~doubles | (labels[order] != labels[best])]
    chosen = np.array(kept, np.intp)
    chosen = chosen[sure[chosen] >= floors[labels[chosen]]]
    corners = _in_image(boxes[places[chosen]], height, width, how)
    seen = (corners[:, 2:] > corners[:, :2]).all(axis=1)
    return corners[seen].tolist(), sure[chosen[seen]].tolist(), labels[chosen[seen]].tolist()


def _overlaps(box: Any, boxes: Any) -> Any:
    """(K,), intersection over union of a box (4,) and others (K, 4)."""
    shared = np.maximum(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)


def _in_image(boxes: Any, height: int, width: int, how: Mapping[str, Any]) -> Any:
    """Boxes of the square in pixels of the image, cut at its edges."""
    (left, top, right, bottom), (x, y, to_x, to_y) = _view(height, width, how)
    scale = np.array([(right - left) / (to_x - x), (bottom - top) / (to_y - y)] * 2)
    moved = (boxes - np.array([x, y] * 2)) * scale + np.array([left, top] * 2)
    return moved.astype(np.float32).clip(0, np.array([width, height] * 2, np.float32))


def _view(height: int, width: int, how: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """What of the image is seen, and where in the square it lies: left, top, right and bottom each."""
    size, crop, mode = how["size"], how["crop"], how["crop_mode"]
    whole, square = (0.0, 0.0, float(width), float(height)), (0, 0, size, size)
    if mode == "pad":
        scale = max(height, width) / size
        across, down = max(1, round(width / scale)), max(1, round(height / scale))
        x, y = (size - across) // 2, (size - down) // 2
        return whole, (x, y, x + across, y + down)
    if how["rules"] == "timm":  # the image is resized to whole pixels, and its middle is cut out
        least = int(size / crop)
        rows, columns = (
            least if mode == "squash" else int(least * side / min(height, width)) for side in (height, width)
        )
        upper, first = round((rows - size) / 2), round((columns - size) / 2)
        down_by, across_by = height / rows, width / columns
        ends = min((first + size) * across_by, width), min((upper + size) * down_by, height)
        return (first * across_by, upper * down_by, *ends), square
    if mode == "squash":
        return whole, square
    side = min(height, width) * crop
    left, top = (width - side) / 2, (height - side) / 2
    return (left, top, left + side, top + side), square
