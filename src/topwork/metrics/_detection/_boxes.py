"""What figures of detections take, checked: the boxes of all images one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from topwork._arrays import AnyArray, BoolArray, Float32Array, Float64Array, Int64Array, IntpArray
from topwork.errors import DataError
from topwork.metrics._detections import Detections

Number = TypeVar("Number", np.float32, np.float64)

_BLOCK_ELEMENTS = 1_000_000  # 8 MB of overlaps at a time


class Objects(Protocol):
    """The objects in one image, K of them; `topwork.data.Boxes` is one."""

    @property
    def corners(self) -> Float32Array:
        """(K, 4), each ``xmin, ymin, xmax, ymax`` in pixels; edges."""

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """(K,), places among the classes."""

    @property
    def crowd(self) -> BoolArray:
        """(K,), regions where neither a miss nor an invention counts."""


class Truth(NamedTuple):
    """All objects of N images, B of them, those of row 0 first."""

    rows: Int64Array  # (B,)
    places: Int64Array  # (B,) in its image
    corners: Float64Array  # (B, 4)
    labels: Int64Array  # (B,)
    crowd: BoolArray  # (B,)

    @classmethod
    def of(cls, images: Sequence[Objects], n_classes: int) -> Self:
        crowd = np.concatenate([np.asarray(each.crowd, bool) for each in images])
        found = cls(*_joined(images, n_classes, "objects"), crowd)
        if len(crowd) != len(found.labels):
            raise DataError(f"{len(found.labels)} objects, but {len(crowd)} marks of a crowd")
        return found

    def at(self, kept: AnyArray) -> Self:
        """Some of them, by mask or place."""
        return type(self)(self.rows[kept], self.places[kept], self.corners[kept], self.labels[kept], self.crowd[kept])


class Found(NamedTuple):
    """All detections in N images, D of them, those of row 0 first."""

    rows: Int64Array  # (D,)
    places: Int64Array  # (D,) in its image
    corners: Float64Array  # (D, 4)
    labels: Int64Array  # (D,)
    scores: Float64Array  # (D,)

    @classmethod
    def of(cls, images: Sequence[Detections], n_classes: int) -> Self:
        scores = np.concatenate([np.asarray(each.scores, np.float64) for each in images])
        if wrong := int(np.sum(~((scores >= 0) & (scores <= 1)))):
            raise DataError(f"{wrong} of {len(scores)} scores of detections are no number from 0 to 1")
        return cls(*_joined(images, n_classes, "detections"), scores)

    def at(self, kept: AnyArray) -> Self:
        """Some of them, by mask or place."""
        return type(self)(self.rows[kept], self.places[kept], self.corners[kept], self.labels[kept], self.scores[kept])


def checked(truth: Sequence[Objects], found: Sequence[Detections], n_classes: int) -> tuple[Truth, Found]:
    """Both, once there is an image, there are as many of each, and every box is one of a class.

    Raises:
        DataError: Else.
    """
    if not len(truth):
        raise DataError("there are no images to evaluate", hint="Evaluate at least one image.")
    if len(truth) != len(found):
        raise DataError(f"objects of {len(truth)} images, but detections of {len(found)}")
    if n_classes < 1:
        raise DataError("there are no classes to evaluate")
    return Truth.of(truth, n_classes), Found.of(found, n_classes)


def _joined(
    images: Sequence[Objects] | Sequence[Detections], n_classes: int, what: str
) -> tuple[Int64Array, Int64Array, Float64Array, Int64Array]:
    """Rows, places in them, corners and labels of all boxes."""
    counts = [len(each.labels) for each in images]
    rows, places = np.repeat(np.arange(len(images)), counts), np.concatenate([np.arange(count) for count in counts])
    corners = np.concatenate([np.asarray(each.corners, np.float64).reshape(-1, 4) for each in images])
    labels = np.concatenate([np.asarray(each.labels, np.int64) for each in images])
    if len(corners) != len(labels):
        raise DataError(f"{len(labels)} {what}, but {len(corners)} boxes")
    if wrong := int(np.sum((labels < 0) | (labels >= n_classes))):
        raise DataError(f"{wrong} of {len(labels)} labels of {what} are outside 0..{n_classes - 1}")
    if wrong := int(np.sum(~np.isfinite(corners).all(axis=1) | (corners[:, 2:] < corners[:, :2]).any(axis=1))):
        raise DataError(f"{wrong} of {len(labels)} boxes of {what} are no boxes: xmin, ymin, xmax, ymax")
    return rows, places, corners, labels


def areas(corners: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """(K,) square pixels of boxes (K, 4)."""
    sides = corners[:, 2:] - corners[:, :2]
    product: npt.NDArray[Number] = sides[:, 0] * sides[:, 1]
    return product


def overlaps(found: npt.NDArray[Number], truth: npt.NDArray[Number], crowd: BoolArray) -> npt.NDArray[Number]:
    """Intersection over union (D, K) of boxes (D, 4) and (K, 4); over the detection's own area in a crowd."""
    shared = _shared(found, truth, 0)
    shared *= _shared(found, truth, 1)
    own = areas(found)[:, None]
    union = np.where(crowd, own, own + areas(truth) - shared)
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)


def _shared(found: npt.NDArray[Number], truth: npt.NDArray[Number], axis: int) -> npt.NDArray[Number]:
    """The length (D, K) along an axis that both boxes have."""
    length = np.minimum.outer(found[:, axis + 2], truth[:, axis + 2])
    length -= np.maximum.outer(found[:, axis], truth[:, axis])
    return np.maximum(length, 0, out=length)


def together(
    truth: Truth, found: Found, there: BoolArray, said: BoolArray
) -> Iterator[tuple[int, IntpArray, IntpArray]]:
    """Each row that has some of both, and their places: of the objects and detections that masks (B,), (D,) keep."""
    kept = [(rows, np.flatnonzero(mask)) for rows, mask in ((truth.rows, there), (found.rows, said))]
    objects, detections = (places[np.argsort(rows[places], kind="stable")] for rows, places in kept)
    rows = truth.rows[objects], found.rows[detections]
    for row in np.intersect1d(*rows).tolist():
        first, second = (slice(*np.searchsorted(each, [row, row + 1])) for each in rows)
        yield row, objects[first], detections[second]


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Parts of so many rows, each small enough to be held with all columns."""
    step = max(1, _BLOCK_ELEMENTS // max(1, columns))
    return (slice(first, first + step) for first in range(0, rows, step))
