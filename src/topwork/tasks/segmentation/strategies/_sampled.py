"""Pixels that a head learns from: a few of each image, of each of its classes alike, with what all maps say there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array, Float64Array, Int64Array, IntpArray
from topwork.backbones import Preprocessing
from topwork.data import MaskDataset
from topwork.tasks.segmentation.network import Between, PixelSpec
from topwork.tasks.segmentation.strategies._targets import target


class Sampled(NamedTuple):
    """P pixels.

    Attributes:
        features: float32 (P, W), what the maps say of each, one after another.
        labels: int64 (P,), the class, C at a border.
        weights: float32 (P,), how many places of its image's grid each stands for.
    """

    features: Float32Array
    labels: Int64Array
    weights: Float32Array


def sampler(
    dataset: MaskDataset, spec: PixelSpec, preprocessing: Preprocessing, count: int, seed: int
) -> Callable[[int, Float32Array], Sampled]:
    """Gives of a row and its maps at most ``count`` pixels, drawn by a seed; unlabelled ones are never drawn."""

    def of_one(row: int, maps: Float32Array) -> Sampled:
        rng = np.random.default_rng([seed, row])
        there = target(dataset.mask(row), spec, preprocessing).ravel()
        places, weights = _drawn(there, count, rng)
        return Sampled(at_places(spec, maps, places), there[places].astype(np.int64), weights)

    return of_one


def together(parts: Iterable[Sampled]) -> Sampled:
    """The pixels of several images."""
    features, labels, weights = zip(*parts, strict=True)
    return Sampled(np.concatenate(features), np.concatenate(labels), np.concatenate(weights))


def _drawn(labels: npt.NDArray[np.int32], count: int, rng: np.random.Generator) -> tuple[IntpArray, Float32Array]:
    """Places of an image, of each class as many as far as it has them, and how many each stands for."""
    seen = np.unique(labels[labels >= 0])
    places, weights = [np.zeros(0, np.intp)], [np.zeros(0, np.float32)]
    for label in seen.tolist():
        of = np.flatnonzero(labels == label)
        drawn = rng.choice(of, min(len(of), max(1, count // len(seen))), replace=False)
        places.append(np.sort(drawn))
        weights.append(np.full(len(drawn), len(of) / len(drawn), np.float32))
    return np.concatenate(places), np.concatenate(weights)


def at_places(spec: PixelSpec, maps: Float32Array, places: IntpArray) -> Float32Array:
    """(P, W): what the maps of one image (D,) say at places of the grid, between theirs bilinearly."""
    down, across = np.divmod(places, spec.side)
    pixels = spec.grid.pixels
    found, start = [], 0
    for width, grid in zip(spec.widths, spec.grids, strict=True):
        end = start + width * grid.side**2
        square = maps[start:end].reshape(width, grid.side, grid.side)
        found.append(_between(square, grid.steps(pixels[down]), grid.steps(pixels[across])))
        start = end
    return np.concatenate(found, axis=1)


def _between(maps: Float32Array, down: Float64Array, across: Float64Array) -> Float32Array:
    (top, lower, y), (left, right, x) = (Between.of(each, maps.shape[1]) for each in (down, across))
    upper: Float32Array = maps[:, top, left] * (1 - x) + maps[:, top, right] * x
    under: Float32Array = maps[:, lower, left] * (1 - x) + maps[:, lower, right] * x
    found: Float32Array = (upper * (1 - y) + under * y).T
    return found
