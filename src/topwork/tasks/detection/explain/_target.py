"""One object that a detector found, and how sure the detector stays of it when something is taken from the image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from topwork._arrays import Float32Array, Float64Array, UInt8Array
from topwork.explain import places
from topwork.metrics import Detections, overlaps
from topwork.tasks.detection.network import AnyHead, Decoding

_SAME = 0.5  # intersection over union from which on a box is of the same object
_CANDIDATES = Decoding(threshold=0.005, overlap=1.0, candidates=200, most=1000)  # doubles stay: one may fit better


@dataclass(frozen=True, eq=False)
class Target(places.Target):
    """An object that is asked about.

    Attributes:
        head: Of the detector.
        features: Squares, uint8 (N, size, size, 3), to what the head reads of them, float32 (N, D).
        square: uint8 (size, size, 3), what the network saw of the image.
        corners: float32 (4,), the object's box in pixels of the square.
        label: The place of its class.
        placed: Where the image lies in the square: left, top, right and bottom.
    """

    head: AnyHead
    features: Callable[[UInt8Array], Float32Array]
    square: UInt8Array
    corners: Float32Array
    label: int
    placed: tuple[int, int, int, int]

    @property
    def side(self) -> float:
        """Pixels a side of a square as large as the box."""
        left, top, right, bottom = self.corners.tolist()
        return math.sqrt((right - left) * (bottom - top))

    def scores(self, squares: UInt8Array) -> Float64Array:
        """(N,), of N squares: the score of the surest box of the class that lies where the object does, or zero."""
        found = self.head.detect(self.features(squares), _CANDIDATES)
        return np.array([self._score(each.select(each.labels == self.label)) for each in found], np.float64)

    def _score(self, found: Detections) -> float:
        shared = overlaps(found.corners, self.corners[None], np.zeros(1, np.bool_))[:, 0]
        return float(found.scores[shared >= _SAME].max(initial=0))
