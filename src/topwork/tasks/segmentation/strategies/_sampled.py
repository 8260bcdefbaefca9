"""Pixels that a head learns from: a few of each image, of each of its classes alike, with what all maps say there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array, Float64Array, Int64Array, IntpArray
from topwork.data import MaskDataset
from topwork.features import FeatureTable
from topwork.tasks.segmentation.network import PixelSpec
from topwork.tasks.segmentation.strategies._targets import target


class Sampled(NamedTuple):
    """P pixels.

    Attributes:
        features: float32 (P, W), what the maps say of each, one after another.
        labels: int64 (P,), the class, C at a border.
        weights: float32 (P,), how many places of its image each stands for.
        rows: (P,) the image of each, a row of the table.
    """

    features: Float32Array
    labels: Int64Array
    weights: Float32Array
    rows: IntpArray


def sampled(table: FeatureTable, spec: PixelSpec, rows: IntpArray, count: int, seed: int) -> Sampled:
    """At most so many pixels of each image, drawn by a seed; those that are not labelled are left out."""
    found = [*_each(table, spec, rows, count, seed)]
    features, labels, weights, of = zip(*found, strict=True)
    return Sampled(*(np.concatenate(each) for each in (features, labels, weights, of)))


def _each(table: FeatureTable, spec: PixelSpec, rows: IntpArray, count: int, seed: int) -> Iterator[Sampled]:
    dataset: MaskDataset = table.dataset
    for row in rows.tolist():
        rng = np.random.default_rng([seed, row])
        there = target(dataset.mask(row), spec, table.backbone.preprocessing).ravel()
        places, weights = _drawn(there, count, rng)
        features = at_places(spec, np.asarray(table.values[row]), places)
        yield Sampled(features, there[places].astype(np.int64), weights, np.full(len(places), row, np.intp))


def _drawn(labels: npt.NDArray[np.int32], count: int, rng: np.random.Generator) -> tuple[IntpArray, Float32Array]:
    """Places of an image, as many of each class as far as it has them, and how many each stands for."""
    seen = np.unique(labels[labels >= 0])
    places, weights = [np.zeros(0, np.intp)], [np.zeros(0, np.float32)]
    for label in seen.tolist():
        of = np.flatnonzero(labels == label)
        drawn = rng.choice(of, min(len(of), max(1, count // len(seen))), replace=False)
        places.append(np.sort(drawn))
        weights.append(np.full(len(drawn), len(of) / len(drawn), np.float32))
    return np.concatenate(places), np.concatenate(weights)


def at_places(spec: PixelSpec, row: Float32Array, places: IntpArray) -> Float32Array:
    """(P, W): what the maps of one image (D,) say at places of the grid, between theirs bilinearly."""
    down, across = np.divmod(places, spec.side)
    pixels = spec.grid.pixels
    found, start = [], 0
    for width, grid in zip(spec.widths, spec.grids, strict=True):
        maps = row[start : start + width * grid.side**2].reshape(width, grid.side, grid.side)
        start += width * grid.side**2
        found.append(_between(maps, grid.steps(pixels[down]), grid.steps(pixels[across])))
    return np.concatenate(found, axis=1)


def _between(
    maps: Float32Array,
    down: Float64Array,
    across: Float64Array,
) -> Float32Array:
    last = maps.shape[1] - 1
    (top, lower, y), (left, right, x) = (_neighbours(each, last) for each in (down, across))
    upper: Float32Array = maps[:, top, left] * (1 - x) + maps[:, top, right] * x
    under: Float32Array = maps[:, lower, left] * (1 - x) + maps[:, lower, right] * x
    found: Float32Array = (upper * (1 - y) + under * y).T
    return found


def _neighbours(steps: Float64Array, last: int) -> tuple[IntpArray, IntpArray, Float32Array]:
    clipped = np.clip(steps, 0, last)
    low = np.minimum(clipped.astype(np.intp), max(last - 1, 0))
    return low, np.minimum(low + 1, last), (clipped - low).astype(np.float32)
