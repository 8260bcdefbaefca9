"""What a head says of an image, some rows at a time: probabilities of the whole would not fit for a large image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from topwork._arrays import Float32Array
from topwork.tasks.segmentation.network._grid import Placed

_NUMBERS = 2**22  # of a strip: 16 MB, a few of which are held


class Strip(NamedTuple):
    """Some rows of an image.

    Attributes:
        top: The first.
        probabilities: float32 (K, rows, width), one where they are summed over K.
    """

    top: int
    probabilities: Float32Array


def strips(logits: Float32Array, placed: Placed) -> Iterator[Strip]:
    """Probabilities of each pixel of an image, from the top, of a grid's logits (K, side, side)."""
    height, width = placed.size
    count = max(1, _NUMBERS // (len(logits) * width))
    for top in range(0, height, count):
        yield Strip(top, softmax_of(placed(logits, slice(top, top + count))))


def softmax_of(logits: Float32Array) -> Float32Array:
    """Over the first axis."""
    raised: Float32Array = np.exp(logits - logits.max(axis=0))
    raised /= raised.sum(axis=0)
    return raised
