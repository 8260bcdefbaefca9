"""Temperature scaling: one number that calibrates logits, and the heads that have one."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Self

import numpy as np

from topwork._arrays import AnyArray, Float32Array, Float64Array, IntpArray
from topwork.metrics import softmax

from ._tensors import Stored

_SHARPEST, _BLUNTEST = 200.0, 0.02  # bounds on 1 / temperature; strong L2 calls for much sharpening


class TemperatureScaled(Stored, ABC):
    """Base of heads whose probabilities are the softmax of logits / temperature, as `fit_temperature` finds it."""

    temperature: float

    @abstractmethod
    def logits(self, features: AnyArray) -> Float32Array:
        """Features (N, D) to logits (N, C) in an array of their own, before the temperature; DataError for another D.

        Memory-mapped features stay on disk.
        """

    def probabilities(self, features: AnyArray) -> Float32Array:
        """Features (N, D) to probabilities (N, C): the softmax of logits / temperature; DataError for another D."""
        logits = self.logits(features)
        return softmax(logits, self.temperature, out=logits)

    @property
    def calibration(self) -> dict[str, float]:
        return {"temperature": self.temperature}

    def uncalibrated(self) -> Self:
        """The same head at temperature 1."""
        return dataclasses.replace(self, temperature=1.0)


def row_losses(logits: Float32Array, labels: IntpArray) -> Float64Array:
    """Log loss (N,) in nats of logits (N, C)."""
    top = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(axis=1, dtype=np.float64))
    own = logits[np.arange(len(labels)), labels] - top[:, 0]
    losses: Float64Array = total - own
    return losses


def fit_temperature(logits: Float32Array, labels: IntpArray, weights: AnyArray | None = None) -> float:
    """The temperature T that minimises the log loss of softmax(logits / T).

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks". The loss is convex in 1/T, so a bracketed
    Newton search finds it. The targets are smoothed by one imagined image of unknown class among the N (Platt
    1999, "Probabilistic outputs for support vector machines"): without it, twenty images that are all right
    would call for a temperature of zero, and the first mistake afterwards would cost an unbounded loss.

    Args:
        logits: (N, C), made by a model that did not train on these rows.
        labels: (N,) class indices.
        weights: (N,) how much each row counts; the same by default.

    Returns:
        T between 0.005 and 50; 1 where there are no rows.
    """
    if not len(labels):
        return 1.0
    rows = logits.astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    smoothing = 1.0 / (len(labels) + 1)
    wanted = (1 - smoothing) * rows[np.arange(len(labels)), labels] + smoothing * rows.mean(axis=1)
    shares = np.full(len(rows), 1 / len(rows)) if weights is None else weights / weights.sum(dtype=np.float64)
    return float(1.0 / _root(rows, shares, float(wanted @ shares)))


def _root(rows: Float64Array, shares: Float64Array, wanted: float) -> float:
    """Where the mean expected logit equals the wanted one, searched over 1/T."""
    low, high, inverse = _BLUNTEST, _SHARPEST, 1.0
    for _ in range(60):
        # The first and second derivative of the mean log loss.
        weights = rows * inverse
        softmax(weights, out=weights)
        mean = (weights * rows).sum(axis=1)
        slope = float(mean @ shares - wanted)
        curvature = float(((weights * rows**2).sum(axis=1) - mean**2) @ shares)
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        following = inverse - slope / curvature if curvature > 0 else high
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - inverse) < 1e-7 * inverse:
            break
        inverse = following
    return inverse
