"""An image's labels and objects, from strips of its probabilities: neither those nor their logits are held whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array, IntpArray, UInt8Array
from topwork.tasks.segmentation._certainty import Certainty
from topwork.tasks.segmentation._decide import Deciding, Labels, semantic, zeros
from topwork.tasks.segmentation.network import Strip

Objects = npt.NDArray[np.int32]

_BAND = 2**24  # pixels among which objects are told apart at once: with the watershed's own arrays about 1 GB
_LAP = 256  # rows that two bands share: an object of that height is seen whole by one of them


class Told(NamedTuple):
    """What is said of an image.

    Attributes:
        labels: (H, W) places among the classes.
        objects: int32 (H, W), 0 where no object is; None where they are not told apart.
        certainty: uint8 (H, W), 255 times the probability that the label is right; None where it was not wanted.
    """

    labels: Labels
    objects: Objects | None
    certainty: UInt8Array | None = None


def told(
    parts: Iterable[Strip],
    size: tuple[int, int],
    deciding: Deciding,
    n_classes: int,
    *,
    has_background: bool,
    band: int = _BAND,
    certainty: Certainty | None = None,
) -> Told:
    """Labels and objects of an image whose strips come one after another.

    Args:
        parts: From the top to the bottom.
        size: Height and width of the image.
        deciding: How probabilities become labels and objects.
        n_classes: C.
        has_background: Whether the first is no object.
        band: Pixels among which objects are told apart at once; those of two bands that are one become one.
        certainty: How sure it is of its labels, where that is wanted.
    """
    labels = zeros(n_classes, size)
    sure = None if certainty is None else np.zeros(size, np.uint8)

    def decide(top: int, probabilities: Float32Array) -> int:
        bottom, of_classes = top + int(probabilities.shape[1]), semantic(probabilities, n_classes)
        labels[top:bottom] = deciding.labels(of_classes)
        if certainty is not None and sure is not None:
            sure[top:bottom] = certainty(of_classes, labels[top:bottom])
        return bottom

    if deciding.splitting is None:
        for part in parts:
            decide(*part)
        return Told(labels, None, sure)
    objects, given = np.zeros(size, np.int32), 0
    height, width = size
    rows = max(2 * _LAP, band // width)
    for top, probabilities in _bands(parts, height, rows):
        bottom = decide(top, probabilities)
        found = deciding.objects(probabilities, has_background=has_background)
        assert found is not None
        shared = min(_LAP, bottom - top) if top else 0
        numbers, given = _numbers(objects[top : top + shared], found[:shared], int(found.max(initial=0)), given)
        kept = shared // 2  # of what both saw the upper half stays as it was
        objects[top + kept : bottom] = numbers[found[kept:]]
    return Told(labels, objects, sure)


def _bands(parts: Iterable[Strip], height: int, rows: int) -> Iterator[Strip]:
    """Strips of so many rows; each begins with the last rows of the one before."""
    waiting: list[Float32Array] = []
    top = 0
    for part in parts:
        waiting.append(part.probabilities)
        count = sum(each.shape[1] for each in waiting)
        if count >= rows and top + count < height:
            joined = np.concatenate(waiting, axis=1)
            yield Strip(top, joined)
            waiting = [joined[:, -_LAP:].copy()]
            top += count - _LAP
    if waiting:
        yield Strip(top, np.concatenate(waiting, axis=1))


def _numbers(before: Objects, now: Objects, count: int, given: int) -> tuple[IntpArray, int]:
    """(count + 1,) the number of each object of a band: that of one which is known, where they are mostly the same.

    Args:
        before: What is known of the rows that two bands share.
        now: The same by the new band.
        count: Objects of the new band.
        given: Numbers that are taken.
    """
    numbers = np.zeros(count + 1, np.intp)
    both = (before > 0) & (now > 0)
    if both.any():
        pairs, shared = np.unique(np.stack([now[both], before[both]]), axis=1, return_counts=True)
        areas = np.bincount(now[now > 0], minlength=count + 1)
        for (new, old), pixels in zip(pairs.T[np.argsort(shared)].tolist(), np.sort(shared).tolist(), strict=True):
            if 2 * pixels > areas[new]:
                numbers[new] = old
    fresh = np.flatnonzero(numbers[1:] == 0) + 1
    numbers[fresh] = given + 1 + np.arange(len(fresh))
    return numbers, given + len(fresh)
