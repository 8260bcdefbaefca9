"""A head fitted on sampled pixels: a small layer between the maps and the classes, trained in NumPy in seconds."""

from __future__ import annotations

import math

import numpy as np

from topwork._arrays import Float32Array, Float64Array
from topwork.heads import Network, one_thread
from topwork.tasks.segmentation.network import PixelHead, PixelSpec
from topwork.tasks.segmentation.strategies._sampled import Sampled

HIDDEN = 32
"""Units: 64 are no better (docs/decisions/segmentation.md)."""

_BATCH = 256
_RATE = 2e-3
_STEPS = 2000  # at least, of few pixels by more epochs
_EPOCHS = (8, 60)
_NEVER = -30.0  # log odds of a class that no pixel shows


def fit_pixels(pixels: Sampled, spec: PixelSpec, seed: int) -> PixelHead:
    """The head of a spec with hidden units, by Adam with a falling rate.

    Pixels were drawn of all classes alike; in the end each class's logit is moved by the logarithm of its true share
    over that among the drawn: for a model of log odds that is the same as having drawn all alike (Prentice and Pyke
    1979, "Logistic disease incidence models and case-control studies").

    Args:
        pixels: Of two classes or more.
        spec: With ``hidden`` units.
        seed: Of the first numbers and the order.
    """
    mean, scale = pixels.features.mean(axis=0, dtype=np.float64), _deviation(pixels.features)
    rows = ((pixels.features - mean) / scale).astype(np.float32)
    seen, targets = np.unique(pixels.labels, return_inverse=True)
    network = Network((rows.shape[1], spec.hidden, len(seen)), 0.0, np.random.default_rng(seed), _BATCH)
    weights, places = np.ones(len(rows), np.float32), np.arange(len(rows))
    epochs = int(np.clip(_STEPS * _BATCH / len(rows), *_EPOCHS))
    with one_thread():  # products are too small to be shared
        for epoch in range(epochs):
            network.rate = _RATE * (1 + math.cos(math.pi * epoch / epochs)) / 2
            network.epoch(rows, targets, weights, places)
    first, first_bias, second, second_bias = network.weights
    folded = first / scale[:, None]
    bias = first_bias - mean @ folded
    out, out_bias = np.zeros((spec.channels, spec.hidden), np.float32), np.full(spec.channels, _NEVER, np.float32)
    out[seen], out_bias[seen] = second.T, second_bias + _prior(pixels, len(seen), targets)
    parts = np.split(folded.T, np.cumsum(spec.widths)[:-1], axis=1)
    arrays = {f"maps.{place}": np.ascontiguousarray(part, np.float32) for place, part in enumerate(parts)}
    return PixelHead(spec, {**arrays, "bias": bias.astype(np.float32), "out": out, "out_bias": out_bias})


def _deviation(features: Float32Array) -> Float64Array:
    found = features.std(axis=0, dtype=np.float64)
    return np.where(found > 1e-6 * max(float(found.max()), 1e-30), found, 1.0)


def _prior(pixels: Sampled, count: int, targets: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Float64Array:
    """(count,) logarithm of each class's share among all pixels over its share among the drawn."""
    drawn = np.bincount(targets, minlength=count)
    there = np.bincount(targets, pixels.weights, minlength=count)
    found: Float64Array = np.log(there / there.sum()) - np.log(drawn / drawn.sum())
    return found
