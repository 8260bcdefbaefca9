"""From what an exported segmenter says of a grid to the class of each pixel of an image.

This file lies beside every exported segmenter as ``masks.py``: it needs NumPy and Pillow alone. ``how`` is what
``masks.json`` holds beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_ORIENTATION = 274  # EXIF's; above 4 height and width change places
_NUMBERS = 2**22  # that are computed at once


def told(path: Any, logits: Any, how: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``NAME.mask.png`` into the working folder, and tell which share of the image each class has.

    Args:
        path: Of the image.
        logits: float32 (K, side, side), of each place of the grid for each class, and of borders of objects.
        how: ``masks.json``.
    """
    mask = found(logits, *shown_size(path), how)
    file = f"{Path(path).stem}.mask.png"
    Image.fromarray(mask).save(file)
    counts = np.bincount(mask.ravel(), minlength=len(how["classes"])).tolist()
    shares = {name: round(count / mask.size, 6) for name, count in zip(how["classes"], counts, strict=True)}
    height, width = mask.shape
    return {"source": str(path), "width": width, "height": height, "shares": shares, "mask": file}


def shown_size(path: Any) -> tuple[int, int]:
    """Height and width of the upright image."""
    with Image.open(path) as image:
        width, height = image.size
        return (width, height) if image.getexif().get(_ORIENTATION, 1) > 4 else (height, width)


def found(logits: Any, height: int, width: int, how: Mapping[str, Any]) -> Any:
    """The class of each pixel, uint8 (height, width), or uint16 beyond 256 classes."""
    count = len(how["classes"])
    (above, below, share), across = _neighbours(logits.shape[1], height, width, how)
    mask = np.zeros((height, width), np.uint8 if count <= 256 else np.uint16)
    rows = max(1, _NUMBERS // (len(logits) * width))
    for top in range(0, height, rows):
        strip = slice(top, top + rows)
        first, last = above[strip].min(), below[strip].max() + 1
        wide = _between(logits[:, first:last].swapaxes(1, 2), *across).swapaxes(1, 2)
        raised = _between(wide, above[strip] - first, below[strip] - first, share[strip])
        raised = np.exp(raised - raised.max(axis=0))
        raised /= raised.sum(axis=0)
        mask[top : top + rows] = _decided(raised, count, how["threshold"])
    return mask


def _decided(probabilities: Any, count: int, threshold: float | None) -> Any:
    """An object's border is of the foreground's most probable class there."""
    told = probabilities[:count].copy()
    if len(probabilities) > count:
        best = told[1:].argmax(axis=0)[None] + 1
        np.put_along_axis(told, best, np.take_along_axis(told, best, 0) + probabilities[count:], 0)
    return told.argmax(axis=0) if threshold is None else told[1] >= threshold


def _between(maps: Any, low: Any, high: Any, share: Any) -> Any:
    """(K, P, width) of maps (K, rows, width): between two of their rows each, by how much the higher one counts."""
    maps = np.ascontiguousarray(maps)
    between, lower = maps[:, high], maps[:, low]
    between -= lower
    between *= share[:, None]
    between += lower
    return between


def _neighbours(side: int, height: int, width: int, how: Mapping[str, Any]) -> tuple[Any, Any]:
    """Of the image's rows, and columns, the two of the grid around each and how much the higher one counts.

    Beyond the ends the outermost one stays.
    """
    seen, placed = _view(height, width, how)
    found = []
    for first, last, length in ((1, 3, height), (0, 2, width)):
        scale = (placed[last] - placed[first]) / (seen[last] - seen[first])
        pixels = (np.arange(length, dtype=np.float64) + 0.5 - seen[first]) * scale + placed[first]
        steps = np.clip(pixels / how["stride"] - 0.5, 0, side - 1)
        low = np.minimum(steps.astype(np.intp), max(side - 2, 0))
        found.append((low, np.minimum(low + 1, side - 1), (steps - low).astype(np.float32)))
    return found[0], found[1]


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
