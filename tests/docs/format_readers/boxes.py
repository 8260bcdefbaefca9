"""Detection: from the columns that the head reads to boxes in the image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import images, layers

Found = tuple[Any, Any, Any]
"""Corners (K, 4), scores (K,) and labels (K,), the surest first."""


def detect(folder: Path, pictures: list[Any], *, threshold: float | None = None) -> list[Found]:
    """What is in uint8 (H, W, 3) images, with a backbone of timm's."""
    record, _ = images.opened(folder)
    rows = images.features(folder, record, pictures)
    sizes = [each.shape[:2] for each in pictures]
    return [found_in(folder, row, size, threshold=threshold) for row, size in zip(rows, sizes, strict=True)]


def found_in(folder: Path, row: Any, size: tuple[int, int], *, threshold: float | None = None) -> Found:
    """What is in an image of that height and width, by its features (D,)."""
    record, tensors = images.opened(folder)
    block = record["task"]
    floors = np.full(len(block["classes"]), threshold) if threshold is not None else np.array(block["thresholds"])
    reads = _candidates if block["head"].get("reads") == "queries" else _on_maps
    corners, scores, labels = reads(row, block["head"], tensors, float(floors.min()))
    seen, placed = images.view(*size, record["backbone"]["preprocessing"])
    for at, other, length in ((0, 2, size[1]), (1, 3, size[0])):
        here, there = (placed[at], placed[other]), (seen[at], seen[other])
        corners[:, [at, other]] = np.clip(images.moved(corners[:, [at, other]], here, there), 0, length)
    kept = (corners[:, 2:] > corners[:, :2]).all(1) & (scores >= floors[labels])
    return corners[kept], scores[kept], labels[kept]


def _on_maps(row: Any, spec: Mapping[str, Any], t: Mapping[str, Any], least: float) -> Found:
    found, started = [], images.maps(row, spec)
    for place, (maps, stride) in enumerate(_levels(started, spec, t)):
        classes, edges = (_tower(maps, name, place, spec, t) for name in ("classes", "boxes"))
        scores = layers.sigmoid(layers.conv(classes, t["logits.weight"], t["logits.bias"]))
        away = layers.conv(edges, t["distances.weight"], t["distances.bias"])
        away = np.log1p(np.exp(away)) * stride
        if spec["centreness"]:
            scores = np.sqrt(scores * layers.sigmoid(layers.conv(edges, t["centreness.weight"], t["centreness.bias"])))
        labels, down, across = np.nonzero(scores >= least)
        surest = np.argsort(-scores[labels, down, across], kind="stable")[:1000]
        labels, down, across = labels[surest], down[surest], across[surest]
        x, y = (across + 0.5) * stride, (down + 0.5) * stride
        left, top, right, bottom = away[:, down, across]
        corners = np.stack([x - left, y - top, x + right, y + bottom], 1).clip(0, spec["size"])
        found.append((corners, scores[labels, down, across], labels))
    corners, scores, labels = (np.concatenate(each) for each in zip(*found, strict=True))
    kept = without_doubles(corners, scores, labels, 0.6)[:100]
    return corners[kept], scores[kept], labels[kept]


def _levels(maps: list[Any], spec: Mapping[str, Any], t: Mapping[str, Any]) -> list[tuple[Any, int]]:
    """The pyramid's maps and their strides, the finest first."""
    found, coarser = list[tuple[Any, int]](), None
    for i in reversed(range(len(maps))):
        name = f"pyramid.inner_blocks.{i}"
        inner = layers.norm(layers.conv(maps[i], t[f"{name}.0.weight"]), t, f"{name}.1")
        coarser = inner if coarser is None else inner + layers.nearest(coarser, inner.shape[1])
        name = f"pyramid.layer_blocks.{i}"
        level = layers.norm(layers.conv(coarser, t[f"{name}.0.weight"]), t, f"{name}.1")
        found.insert(0, (level, spec["strides"][i]))
    for j in range(spec["extra"]):
        name, (level, stride) = f"pyramid.extra_blocks.convolutions.{j}", found[-1]
        found.append((layers.conv(level, t[f"{name}.weight"], t[f"{name}.bias"], stride=2), 2 * stride))
    return found


def _tower(maps: Any, name: str, level: int, spec: Mapping[str, Any], t: Mapping[str, Any]) -> Any:
    for d in range(spec["depth"]):
        at = f"{name}.convolutions.{d}"
        if spec["layers"] == "separable":
            maps = layers.conv(layers.conv(maps, t[f"{at}.0.weight"]), t[f"{at}.1.weight"])
        else:
            maps = layers.conv(maps, t[f"{at}.weight"])
        maps = layers.relu(layers.norm(maps, t, f"{name}.norms.{d}.{level}"))
    return maps


def _candidates(row: Any, spec: Mapping[str, Any], t: Mapping[str, Any], least: float) -> Found:
    k = spec["queries"]
    corners = (np.asarray(row[: 4 * k], np.float64).reshape(k, 4) * spec["size"]).clip(0, spec["size"])
    logits = row[4 * k :].reshape(k, spec["channels"]) @ t["weight"] + t["bias"]
    scores = layers.softmax(logits.T).T[:, :-1] if spec["scoring"] == "softmax" else layers.sigmoid(logits)
    if spec["scoring"] == "sigmoid":
        surest = np.argsort(-scores.ravel(), kind="stable")[:k]
        places, best = np.unravel_index(surest, scores.shape)
    else:
        places, best = np.arange(k), scores.argmax(1)
    scores, labels = scores[places, best], np.array(spec["rows"])[best]
    sure = np.flatnonzero((scores >= least) & (labels >= 0))
    corners, scores, labels = corners[places[sure]], scores[sure], labels[sure]
    if spec["overlap"] < 1:
        kept = without_doubles(corners, scores, labels, spec["overlap"])[:100]
    else:
        kept = np.argsort(-scores, kind="stable")[:100]
    return corners[kept], scores[kept], labels[kept]


def without_doubles(corners: Any, scores: Any, labels: Any, most: float) -> Any:
    """Places that stay, the surest first."""
    kept = list[int]()
    for place in np.argsort(-scores, kind="stable"):
        rivals = [other for other in kept if labels[other] == labels[place]]
        if all(overlap(corners[place], corners[other]) <= most for other in rivals):
            kept.append(int(place))
    return np.array(kept, int)


def overlap(one: Any, other: Any) -> float:
    """Intersection over union."""
    shared = math.prod(np.maximum(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0))
    areas = [math.prod(each[2:] - each[:2]) for each in (one, other)]
    return shared / (sum(areas) - shared) if shared else 0.0


def detect_in_tiles(folder: Path, pixels: Any, tile: int) -> Found:
    """What is in one image, looked at whole and part by part."""
    height, width = pixels.shape[:2]
    parts = [(0, 0, width, height)]
    if tile < max(height, width):
        parts += [
            (x, y, min(x + tile, width), min(y + tile, height))
            for y in tile_starts(height, tile)
            for x in tile_starts(width, tile)
        ]
    found = detect(folder, [np.ascontiguousarray(pixels[y:to_y, x:to_x]) for x, y, to_x, to_y in parts])
    cut = [_cut(corners, part, height, width) for (corners, _, _), part in zip(found, parts, strict=True)]
    moved = [corners + [part[0], part[1]] * 2 for (corners, _, _), part in zip(found, parts, strict=True)]
    corners, of_edge = np.concatenate(moved), np.concatenate(cut)
    scores, labels = (np.concatenate([each[place] for each in found]) for place in (1, 2))
    stays = [
        not (
            of_edge[a]
            and any(_holds(corners[b], corners[a]) > 0.7 and labels[a] == labels[b] for b in np.flatnonzero(~of_edge))
        )
        for a in range(len(corners))
    ]
    corners, scores, labels = corners[stays], scores[stays], labels[stays]
    kept = without_doubles(corners, scores, labels, 0.6)
    return corners[kept], scores[kept], labels[kept]


def tile_starts(length: int, tile: int) -> list[int]:
    if length <= tile:
        return [0]
    count = math.ceil((length - tile) / max(1, math.floor(0.75 * tile))) + 1
    return [round(k * ((length - tile) / (count - 1))) for k in range(count)]


def _cut(corners: Any, part: tuple[int, int, int, int], height: int, width: int) -> Any:
    """Whether a box, in pixels of its part, ends within 2 pixels of an edge that is none of the image's."""
    left, top, right, bottom = part
    return (
        (corners[:, 0] <= 2) & (left > 0)
        | (corners[:, 1] <= 2) & (top > 0)
        | (corners[:, 2] >= right - left - 2) & (right < width)
        | (corners[:, 3] >= bottom - top - 2) & (bottom < height)
    )


def _holds(whole: Any, part: Any) -> float:
    """The share of a part's area that lies in the whole."""
    shared = math.prod(np.maximum(np.minimum(whole[2:], part[2:]) - np.maximum(whole[:2], part[:2]), 0))
    return float(shared / math.prod(part[2:] - part[:2]))
