"""What one image's mask adds to the figures: counted at once, so that no mask need be kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from topwork._arrays import AnyArray, BoolArray, Float32Array, Float64Array, Int64Array, IntegerArray
from topwork.errors import DataError
from topwork.metrics._probabilities import BINS

from ._bands import bands
from ._boundary import boundary_counts
from ._objects import ObjectCounts, match_objects

TOLERANCE = 0.0075  # of the image's diagonal, as DAVIS and MATLAB's bfscore have it
SCORES = 100  # bins of the foreground's probability, from which a threshold is chosen
_SUM_TOLERANCE = 1e-2  # float16 probabilities, resampled


class Pixels(Protocol):
    """What the pixels of one image belong to; `topwork.data.Mask` is one."""

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """(H, W), places among the classes, below 0 where nothing is told."""

    @property
    def objects(self) -> npt.NDArray[np.int32] | None:
        """(H, W), 0 where no object is, or its number; None where objects are not told apart."""


@dataclass(frozen=True, eq=False)
class MaskCounts:
    """What one image adds to the figures of a segmentation. C classes. Unlabelled pixels count nowhere.

    Attributes:
        confusion: int64 (C, C), pixels by true class and by what was said.
        boundary: int64 (C, 4), of each class the boundary pixels that were said, those of them near a true one, the
            true ones, those of them near one that was said.
        tolerance: How near that is, in pixels.
        unlabelled: Pixels of which nothing is told.
        bins: float64 (15, 3), pixels by confidence: how many, the sum of their confidences, how many are right; None
            where no probabilities were given.
        scores: int64 (2, 100), where there are two classes: the pixels of the first and of the second, by the
            probability of the second; None where there are others, or no probabilities.
        objects: What its objects add; None where they are not told apart.
    """

    confusion: Int64Array
    boundary: Int64Array
    tolerance: float
    unlabelled: int
    bins: Float64Array | None = None
    scores: Int64Array | None = None
    objects: ObjectCounts | None = None

    def ordered(self, places: Sequence[int]) -> MaskCounts:
        """The same with the classes in another order.

        Args:
            places: For each class of the new order its place in the old one. Where a threshold could be chosen,
                ``scores`` are gone then: they are of the second class.
        """
        rows = np.asarray(places)
        return replace(
            self,
            confusion=self.confusion[rows[:, None], rows],
            boundary=self.boundary[rows],
            scores=None if (np.diff(rows) != 1).any() else self.scores,
            objects=None if self.objects is None else ObjectCounts(*(each[rows] for each in self.objects)),
        )


def mask_counts(
    truth: Pixels,
    labels: IntegerArray,
    n_classes: int,
    *,
    has_background: bool,
    objects: IntegerArray | None = None,
    probabilities: Float32Array | PixelConfidences | None = None,
    tolerance: float | None = None,
) -> MaskCounts:
    """Count one image: what is there beside what was said.

    Args:
        truth: What is there, H × W pixels.
        labels: (H, W), what was said, places among the classes.
        n_classes: C.
        has_background: Whether the first class is no object.
        objects: (H, W), the objects that were told apart, 0 where none is; counted where the truth has objects too.
        probabilities: (C, H, W), floats; sums over the classes are one. Or what was counted of them strip by strip.
        tolerance: How near boundaries are taken for one, in pixels; 0.75 % of the diagonal where it is not given, and
            one pixel at least.

    Raises:
        DataError: Sizes differ, labels are outside the classes, probabilities are none.
    """
    there, said = np.asarray(truth.labels), np.asarray(labels)
    _require_labels(there, said, n_classes)
    near = max(1.0, TOLERANCE * math.hypot(*there.shape)) if tolerance is None else tolerance
    confusion = _confusion(there, said, n_classes)
    confidences, found = probabilities, None
    if confidences is not None and not isinstance(confidences, PixelConfidences):
        given = _probabilities(confidences, n_classes, there.shape)
        confidences = PixelConfidences(n_classes)
        confidences.add(there, given)
    if truth.objects is not None and objects is not None:
        sides = (np.asarray(truth.objects), there), (np.asarray(objects), said)
        found = ObjectCounts.of(match_objects(*sides, there >= 0, n_classes, int(has_background)), n_classes)
    return MaskCounts(
        confusion=confusion[:n_classes],
        boundary=boundary_counts(there, said, n_classes, near),
        tolerance=float(near),
        unlabelled=int(confusion[n_classes].sum()),
        bins=None if confidences is None else confidences.bins,
        scores=None if confidences is None else confidences.scores,
        objects=found,
    )


class PixelConfidences:
    """What the probabilities of an image add to its figures, strip by strip: the whole need not be held.

    Attributes:
        bins: As in ``MaskCounts``.
        scores: As in ``MaskCounts``; None where there are not two classes.
    """

    def __init__(self, n_classes: int) -> None:
        self.bins = np.zeros((BINS, 3))
        self.scores = np.zeros((2, SCORES), np.int64) if n_classes == 2 else None
        self._n_classes = n_classes

    def add(self, there: IntegerArray, probabilities: Float32Array) -> None:
        """Count some rows.

        Args:
            there: (rows, W) true labels, below 0 where nothing is told.
            probabilities: (C, rows, W), floats; sums over the classes are one.

        Raises:
            DataError: The probabilities are none.
        """
        for rows in bands(there.shape):
            true = there[rows]
            given = _probabilities(probabilities[:, rows], self._n_classes, true.shape)
            self.bins += _reliability(given, true, true >= 0)
            if self.scores is not None:
                self.scores += _scores(given[1], true)


def _confusion(there: AnyArray, said: AnyArray, n_classes: int) -> Int64Array:
    """(C + 1, C) pixels by true class and by what was said; last those of which nothing is told."""
    size = (n_classes + 1) * n_classes
    pairs = np.zeros(size, np.int64)
    for rows in bands(there.shape):
        beside = np.where(there[rows] >= 0, there[rows], n_classes).astype(np.int64)
        pairs += np.bincount((beside * n_classes + said[rows]).ravel(), minlength=size)
    return pairs.reshape(n_classes + 1, n_classes)


def _require_labels(there: AnyArray, said: AnyArray, n_classes: int) -> None:
    """Refuse what are not labels of one size."""
    if n_classes < 1:
        raise DataError("there are no classes to evaluate")
    if there.ndim != 2 or there.dtype.kind not in "iu" or said.dtype.kind not in "iu":
        raise DataError(f"masks must be integers of shape (H, W), got {there.dtype} {there.shape} and {said.dtype}")
    if there.shape != said.shape:
        raise DataError(f"a mask of {there.shape} pixels, but what was said has {said.shape}")
    if there.size and (there.max() >= n_classes or said.max() >= n_classes or said.min() < 0):
        raise DataError(f"labels of a mask are outside 0..{n_classes - 1}")


def _probabilities(given: AnyArray, n_classes: int, shape: tuple[int, ...]) -> AnyArray:
    if given.shape != (n_classes, *shape) or given.dtype.kind != "f":
        raise DataError(
            f"probabilities must be floats of shape {(n_classes, *shape)}, got {given.dtype} {given.shape}",
            hint="Pass one channel a class; that of borders is none.",
        )
    if given.size and not np.abs(given.sum(axis=0) - 1).max() <= _SUM_TOLERANCE:  # NaN is refused too
        raise DataError("probabilities of a mask do not sum to 1, or hold NaN", hint="Pass probabilities, not logits.")
    return given


def _reliability(given: AnyArray, there: AnyArray, known: BoolArray) -> Float64Array:
    """(15, 3), as `ece` has them of images; bin b holds the confidences in (b/15, (b+1)/15]."""
    confidence = given.max(axis=0)[known]
    right = (given.argmax(axis=0) == there)[known]
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    weights = None, confidence, right
    return np.stack([np.bincount(bins, each, minlength=BINS) for each in weights], axis=1).astype(np.float64)


def _scores(foreground: AnyArray, there: AnyArray) -> Int64Array:
    """(2, 100) pixels of each class by the foreground's probability; bin b holds [b/100, (b+1)/100)."""
    bins = np.clip((foreground * SCORES).astype(np.int64), 0, SCORES - 1)
    counts = np.bincount((np.where(there >= 0, there, 2) * SCORES + bins).ravel(), minlength=3 * SCORES)
    return counts.reshape(3, SCORES)[:2].astype(np.int64)
