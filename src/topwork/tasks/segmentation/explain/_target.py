"""One region that a segmenter found, and how sure the segmenter stays of it when something is taken from the image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from topwork._arrays import BoolArray, Float32Array, Float64Array, UInt8Array
from topwork.explain import places
from topwork.tasks.segmentation._decide import semantic
from topwork.tasks.segmentation.network import SegmentationHead, softmax_of


@dataclass(frozen=True, eq=False)
class Target(places.Target):
    """A region that is asked about.

    Attributes:
        head: Of the segmenter.
        features: Squares, uint8 (N, size, size, 3), to what the head reads of them, float32 (N, D).
        square: uint8 (size, size, 3), what the network saw of the image.
        region: (side, side), the places of the head's grid that lie in the region, one at least.
        label: The place of its class.
        placed: Where the image lies in the square: left, top, right and bottom.
    """

    head: SegmentationHead
    features: Callable[[UInt8Array], Float32Array]
    square: UInt8Array
    region: BoolArray
    label: int
    placed: tuple[int, int, int, int]

    @property
    def side(self) -> float:
        """Pixels a side of a square as large as the region."""
        return float(math.sqrt(self.region.sum()) * self.head.spec.grid.stride)

    def scores(self, squares: UInt8Array) -> Float64Array:
        """(N,), of N squares: the mean probability of the class in the region."""
        logits = self.head.logits(self.features(squares))
        told = [semantic(softmax_of(each), self.head.spec.n_classes)[self.label][self.region] for each in logits]
        return np.array([float(each.mean()) for each in told], np.float64)
