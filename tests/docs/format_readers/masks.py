"""Segmentation: from the columns that the head reads to the class, the object and the certainty of each pixel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import decoders, images, layers


class Masks(NamedTuple):
    """Of one image, (H, W) each: probabilities (K, H, W) lie behind all."""

    probabilities: Any
    labels: Any
    objects: Any
    certainty: Any


def segment(folder: Path, pictures: list[Any], *, tile: int | None = None) -> list[Masks]:
    """What is said of uint8 (H, W, 3) images, with a backbone of timm's."""
    record, tensors = images.opened(folder)
    if tile is None:
        rows = images.features(folder, record, pictures)
        sizes = [each.shape[:2] for each in pictures]
        found = [probabilities(record, tensors, row, size) for row, size in zip(rows, sizes, strict=True)]
    else:
        found = [_in_tiles(folder, record, tensors, each, tile) for each in pictures]
    return [decided(record["task"], each) for each in found]


def probabilities(record: Mapping[str, Any], tensors: Mapping[str, Any], row: Any, size: tuple[int, int]) -> Any:
    """(K, H, W) of an image's features (D,)."""
    spec = record["task"]["head"]
    maps = images.maps(row, spec)
    if spec["kind"] == "pixel":
        logits, stride = _pixels(maps, spec, tensors), float(spec["strides"][0])
    else:
        logits, stride = decoders.logits(maps, spec, tensors), spec["size"] / decoders.finest(spec)
    seen, placed = images.view(*size, record["backbone"]["preprocessing"])
    side, found = logits.shape[1], []
    for first, last, length in ((1, 3, size[0]), (0, 2, size[1])):
        centres = images.moved(np.arange(length) + 0.5, (seen[first], seen[last]), (placed[first], placed[last]))
        found.append(layers.matrix(centres / stride - 0.5, side))
    rows, columns = found
    return layers.softmax(rows @ logits @ columns.T)


def _pixels(maps: list[Any], spec: Mapping[str, Any], t: Mapping[str, Any]) -> Any:
    side, total = maps[0].shape[1], t["bias"][:, None, None]
    for place, each in enumerate(maps):
        told = np.tensordot(t[f"maps.{place}"], each, axes=1)
        centres = (np.arange(side) + 0.5) * spec["strides"][0]
        rows = layers.matrix(centres / spec["strides"][place] - 0.5, each.shape[1])
        total = total + rows @ told @ rows.T
    if not spec["hidden"]:
        return total
    return np.tensordot(t["out"], layers.relu(total), axes=1) + t["out_bias"][:, None, None]


def decided(block: Mapping[str, Any], p: Any) -> Masks:
    count, splitting = len(block["classes"]), block["splitting"]
    of_classes = p[:count].copy()
    if block["head"]["border"]:
        best = of_classes[1:].argmax(0) + 1
        down, across = np.indices(best.shape)
        of_classes[best, down, across] += p[count]
    labels = of_classes.argmax(0) if block["threshold"] is None else (of_classes[1] >= block["threshold"]).astype(int)
    objects = None if splitting is None else told_apart(p, splitting, has_background=block["has_background"])
    return Masks(p, labels, objects, _certainty(block, of_classes, labels))


def _certainty(block: Mapping[str, Any], p: Any, labels: Any) -> Any:
    found, metrics = p.max(0), block["metrics"]
    if metrics is not None and metrics["calibration"] is not None:
        bins = metrics["calibration"]["reliability"]
        if bins:
            pixels, confidences, accuracies = np.array(bins, float).T
            found = np.interp(found, confidences, rising(accuracies, pixels))
    if len(p) == 2:
        found = np.where(p.argmax(0) == labels, found, 1 - found)
    return np.rint(255 * found.clip(0, 1))


def rising(values: Any, weights: Any) -> Any:
    """Pool adjacent violators."""
    blocks = list[list[float]]()
    for value, weight in zip(values, weights, strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (low, few, short), (high, many, long) = blocks.pop(), blocks.pop()
            blocks.append([(low * few + high * many) / (few + many), few + many, short + long])
    return np.repeat([value for value, _, _ in blocks], [int(bins) for _, _, bins in blocks])


def told_apart(p: Any, how: Mapping[str, Any], *, has_background: bool) -> Any:
    """Objects' numbers (H, W) of probabilities (K, H, W)."""
    from scipy import ndimage
    from skimage.segmentation import watershed

    own = p[int(has_background) : len(p) - how["border"]]
    border = p[-1] if how["border"] else np.zeros(p.shape[1:])
    foreground = own.max(0) + border
    found, given = np.zeros(p.shape[1:], int), 0
    for place in range(len(own)):
        shape = (foreground >= how["threshold"]) & (own.argmax(0) == place)
        if not shape.any():
            continue
        if how["border"]:
            height = own[place] - border
            starts = shape & (height >= how["marker"])
        else:
            height = ndimage.distance_transform_edt(np.pad(shape, 1, mode="edge"))[1:-1, 1:-1]
            starts = _peaks(height, how["depth"])
        pieces, _ = ndimage.label(shape)
        without = ~np.isin(pieces, np.unique(pieces[starts])) & shape
        markers, _ = ndimage.label(starts | without)
        objects = watershed(-height.astype(np.float32), markers, mask=shape)
        if how["join"]:
            objects = _joined(objects, border / np.maximum(foreground, 1e-6), how["join"])
        found[shape] = objects[shape] + given
        given = found.max()
    numbers, areas = np.unique(found[found > 0], return_counts=True)
    kept = [
        number
        for number, area in zip(numbers, areas, strict=True)
        if area >= how["least_area"] and foreground[found == number].mean() >= how["sure"]
    ]
    return np.where(np.isin(found, kept), np.searchsorted(kept, found) + 1, 0)


def _peaks(height: Any, depth: float) -> Any:
    from scipy import ndimage
    from skimage.morphology import reconstruction

    height = height.astype(np.float32)
    raised = height - reconstruction(height - np.float32(depth), height, method="dilation")
    tops, count = ndimage.label(raised > 1e-3)
    tall = [n for n in range(1, count + 1) if raised[tops == n].max() >= depth - 1e-3]
    return np.isin(tops, tall)


def _joined(objects: Any, border: Any, least: float) -> Any:
    edges = dict[tuple[int, int], list[float]]()
    for one, other, values in (
        (objects[:-1], objects[1:], np.maximum(border[:-1], border[1:])),
        (objects[:, :-1], objects[:, 1:], np.maximum(border[:, :-1], border[:, 1:])),
    ):
        there = (one != other) & (one > 0) & (other > 0)
        for a, b, value in zip(one[there], other[there], values[there], strict=True):
            edges.setdefault((min(a, b), max(a, b)), []).append(value)
    of = np.arange(objects.max() + 1)
    for (a, b), values in edges.items():
        if np.mean(values) < least:
            of[(of == of[a]) | (of == of[b])] = min(of[a], of[b])
    return of[objects]


def _in_tiles(folder: Path, record: Mapping[str, Any], tensors: Mapping[str, Any], pixels: Any, tile: int) -> Any:
    spec, how = record["task"]["head"], record["backbone"]["preprocessing"]
    step = max(spec["strides"]) * tile / how["size"]
    step = int(step) if step == int(step) else 1
    height, width = pixels.shape[:2]
    total: Any = 0
    counts = np.zeros((height, width))
    for top in starts(height, tile, step):
        for left in starts(width, tile, step):
            part = np.ascontiguousarray(pixels[top : top + tile, left : left + tile])
            (row,) = images.features(folder, record, [part])
            said = probabilities(record, tensors, row, part.shape[:2])
            weight = _weight(part.shape[0], tile)[:, None] * _weight(part.shape[1], tile)
            around = ((0, 0), (top, height - top - part.shape[0]), (left, width - left - part.shape[1]))
            total = total + np.pad(said * weight, around)
            counts += np.pad(weight, around[1:])
    return total / counts


def starts(length: int, tile: int, step: int) -> list[int]:
    if length <= tile:
        return [0]
    count = math.ceil((length - tile) / max(1, math.floor(0.75 * tile))) + 1
    even = [math.floor(k * ((length - tile) / (count - 1))) // step * step for k in range(count - 1)]
    return [*even, length - tile]


def _weight(side: int, tile: int) -> Any:
    at = np.arange(side) + 0.5
    return np.clip((np.minimum(at, side - at) / max(1, tile / 4) - 0.25) / 0.75, 1e-3, 1)
