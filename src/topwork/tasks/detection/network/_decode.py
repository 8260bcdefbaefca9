"""From what a head says of each place to the objects in an image: scored, decoded, freed of doubles. NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topwork._arrays import AnyArray, Float32Array, IntpArray
from topwork.errors import ModelError
from topwork.metrics import Detections
from topwork.tasks.detection.network._raw import Raw
from topwork.tasks.detection.network._spec import HeadSpec
from topwork.tasks.detection.network._suppress import suppress


@dataclass(frozen=True)
class Decoding:
    """Which of all that a head says is given as found.

    Attributes:
        threshold: Score that must be exceeded, from 0 to below 1. Low where figures are measured: average precision
            counts the least sure detections too.
        overlap: Intersection over union beyond which two boxes of one class are one object, above 0, at most 1.
        candidates: Of each level, the surest that are looked at.
        most: Objects an image.

    Raises:
        ModelError: A value is out of its range.
    """

    threshold: float = 0.001
    overlap: float = 0.6
    candidates: int = 1000
    most: int = 100

    def __post_init__(self) -> None:
        if not (0 <= self.threshold < 1 and 0 < self.overlap <= 1 and self.candidates > 0 and self.most > 0):
            raise ModelError(f"what a detector gives cannot be chosen by {self}")


def decode(raw: Raw, spec: HeadSpec, decoding: Decoding | None = None) -> list[Detections]:
    """What is found in each image, in pixels of the square, as torchvision's FCOS does it.

    Args:
        raw: Of N images, at the places of ``spec.points``.
        spec: Of the head that said it.
        decoding: Which are given; the defaults when None.
    """
    how = decoding or Decoding()
    return [_found(raw, image, spec, how) for image in range(len(raw))]


def at_each_place(raw: Raw, spec: HeadSpec) -> tuple[Float32Array, Float32Array]:
    """Scores (N, P, C) and boxes (N, P, 4), edges in pixels of the square, before any is chosen."""
    scores = _sigmoid(raw.logits)
    if raw.centreness is not None:
        scores = np.sqrt(scores * _sigmoid(raw.centreness)[..., None])
    middles, stride = np.split(spec.points, [2], axis=1)
    away = raw.distances * stride
    corners = np.concatenate([middles - away[..., :2], middles + away[..., 2:]], axis=2)
    return scores, corners.clip(0, spec.size)


def _found(raw: Raw, image: int, spec: HeadSpec, how: Decoding) -> Detections:
    places, labels, scores = _candidates(raw, image, spec, how)
    x, y, stride = spec.points[places].T
    left, top, right, bottom = raw.distances[image, places].T * stride
    corners = np.stack([x - left, y - top, x + right, y + bottom], axis=1).clip(0, spec.size)
    found = suppress(corners, scores, labels, how.overlap, how.most)
    return Detections(corners[found], scores[found], labels[found].astype(np.int32))


def _candidates(raw: Raw, image: int, spec: HeadSpec, how: Decoding) -> tuple[IntpArray, IntpArray, Float32Array]:
    """Places, labels and scores of what is sure enough, the surest of each level."""
    logits = raw.logits[image]
    # A score is never above the root of its class's probability: most are ruled out by their logit.
    least = how.threshold**2 if raw.centreness is not None else how.threshold
    places, labels = np.nonzero(logits > np.float32(np.log(least / (1 - least)) - 1e-3 if least else -np.inf))
    scores = _sigmoid(logits[places, labels])
    if raw.centreness is not None:
        scores = np.sqrt(scores * _sigmoid(raw.centreness[image][places]))
    sure = np.flatnonzero(scores > np.float32(how.threshold))
    places, labels, scores = places[sure], labels[sure], scores[sure]
    ends = np.searchsorted(places, np.cumsum([level.side**2 for level in spec.levels])[:-1])
    levels = np.split(np.arange(len(places)), ends)
    kept = np.concatenate([part[_surest(scores[part], how.candidates)] for part in levels])
    return places[kept], labels[kept], scores[kept]


def _surest(scores: Float32Array, count: int) -> IntpArray:
    """Places of the highest scores, falling; all where there are no more."""
    return np.argsort(-scores, kind="stable")[:count]


def _sigmoid(logits: AnyArray) -> Float32Array:
    """Without overflow: float32 takes exp(88) and no more."""
    probabilities: Float32Array = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
    return probabilities
