"""From probabilities of pixels to labels: strip by strip, so that a mask is held and not what it was made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array
from topwork.tasks.segmentation.instances import Splitting, split_objects
from topwork.tasks.segmentation.network import Strip

Labels = npt.NDArray[Any]
"""uint8, or uint16 beyond 256 classes: a large mask is held, and nothing else of it."""


def semantic(probabilities: Float32Array, n_classes: int) -> Float32Array:
    """(C, …) of (K, …): an object's border is of the foreground's most probable class there.

    Args:
        probabilities: Those of C classes, the first of them background where there is a border, and of the border.
        n_classes: C.
    """
    if len(probabilities) == n_classes:
        return probabilities
    found, border = probabilities[:n_classes].copy(), probabilities[n_classes]
    if n_classes == 2:
        found[1] += border
        return found
    best = found[1:].argmax(axis=0)[None] + 1
    np.put_along_axis(found, best, np.take_along_axis(found, best, 0) + border[None], 0)
    return found


def decided(probabilities: Float32Array, threshold: float | None) -> Labels:
    """(H, W) places among the classes: of two the second from the threshold on; the most probable where it is None."""
    if threshold is not None:
        return np.asarray(probabilities[1] >= threshold).astype(np.uint8)
    most, found = probabilities[0].copy(), zeros(len(probabilities), probabilities.shape[1:])
    for place, each in enumerate(probabilities[1:], 1):  # argmax over the first axis is three times slower
        np.copyto(found, place, where=each > most)
        np.maximum(most, each, out=most)
    return found


@dataclass(frozen=True)
class Deciding:
    """How a model decides.

    Attributes:
        threshold: Of two classes, the probability of the second from which on a pixel is of it; None where the most
            probable class is told.
        splitting: How objects are made of probabilities; None where they are not told apart.
    """

    threshold: float | None = None
    splitting: Splitting | None = None

    def labels(self, probabilities: Float32Array) -> Labels:
        """(H, W) places among the classes, of (C, H, W)."""
        return decided(probabilities, self.threshold)

    def objects(self, probabilities: Float32Array, *, has_background: bool) -> npt.NDArray[np.int32] | None:
        """(H, W) numbers of objects, of (K, H, W); None where they are not told apart."""
        if self.splitting is None:
            return None
        return split_objects(probabilities, self.splitting, has_background=has_background)


def whole(parts: Iterable[Strip]) -> Float32Array:
    """The probabilities (K, height, width) of all strips together."""
    return np.concatenate([each.probabilities for each in parts], axis=1)


def zeros(n_classes: int, size: tuple[int, ...]) -> Labels:
    """A mask of that size, all of the first class."""
    return np.zeros(size, _kind(n_classes))


def _kind(n_classes: int) -> type[Any]:
    return np.uint8 if n_classes <= 256 else np.uint16
