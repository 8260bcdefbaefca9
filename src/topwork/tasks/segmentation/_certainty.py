"""How sure a segmenter is of each pixel: the probability that the class it names is right, by held-out pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from topwork._arrays import Float32Array, Float64Array, UInt8Array
from topwork.metrics import PixelCalibration, ReliabilityBin
from topwork.tasks.segmentation._decide import Labels

SURE = 255
"""Of a map of certainty: 255 is 1."""


@dataclass(frozen=True, eq=False)
class Certainty:
    """From what a model says of pixels to how many of such pixels were right.

    Attributes:
        confidences: Ascending, probabilities of the most probable class; empty where nothing was measured, so that
            probabilities are taken as they are.
        accuracies: Which share of held-out pixels of that probability was right; they never fall.
    """

    confidences: Float64Array
    accuracies: Float64Array

    @classmethod
    def of(cls, measured: PixelCalibration | None) -> Self:
        """By the pixels of held-out images; ``None`` where there were none."""
        bins = measured.reliability if measured is not None else ()
        return cls(np.array([each.confidence for each in bins]), rising(bins))

    @property
    def is_calibrated(self) -> bool:
        """Whether held-out pixels say it, and not the model alone."""
        return len(self.confidences) > 0

    def __call__(self, probabilities: Float32Array, labels: Labels) -> UInt8Array:
        """(H, W) of probabilities (C, H, W) and the classes that are named: 255 times the certainty.

        Where a threshold names the less probable one of two classes, it is the other's doubt.
        """
        confidence = probabilities.max(axis=0)
        right = np.interp(confidence, self.confidences, self.accuracies) if self.is_calibrated else confidence
        if len(probabilities) == 2:
            right = np.where(probabilities.argmax(axis=0) == labels, right, 1 - right)
        certain: UInt8Array = np.rint(np.clip(right, 0, 1) * SURE).astype(np.uint8)
        return certain


def rising(bins: tuple[ReliabilityBin, ...]) -> Float64Array:
    """The accuracies of bins, made to rise with the confidence: where one falls, it and the last share their mean.

    Source: pool adjacent violators (Ayer et al. 1955, "An empirical distribution function for sampling with incomplete
    information").
    """
    blocks: list[tuple[float, float, int]] = []  # mean, weight, bins
    for each in bins:
        blocks.append((each.accuracy, each.images, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (low, few, short), (high, many, long) = blocks.pop(), blocks.pop()
            blocks.append(((low * few + high * many) / (few + many), few + many, short + long))
    return np.repeat([mean for mean, _, _ in blocks], [count for _, _, count in blocks]).astype(np.float64)
