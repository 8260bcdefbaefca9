"""One thing that a model said of an image, and how sure it stays of it when something is taken from the image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from topwork._arrays import BoolArray, Float64Array, UInt8Array

_BATCH = 32  # squares that are made at a time
_LEAST_BLUR = 4.0  # pixels


class Target(ABC):
    """What is asked about.

    Attributes:
        square: uint8 (size, size, 3), what the network saw of the image.
        placed: Where the image lies in the square: left, top, right and bottom.
    """

    square: UInt8Array
    placed: tuple[int, int, int, int]

    @property
    @abstractmethod
    def side(self) -> float:
        """Pixels a side of a square as large as what is asked about."""

    @abstractmethod
    def scores(self, squares: UInt8Array) -> Float64Array:
        """(N,), how sure the model is of it in N squares (N, size, size, 3)."""

    @cached_property
    def score(self) -> float:
        """How sure the model is of it as the image is."""
        return float(self.scores(self.square[None])[0])

    @cached_property
    def _blurred(self) -> UInt8Array:
        from PIL import Image, ImageFilter

        blur = ImageFilter.GaussianBlur(max(_LEAST_BLUR, self.side / 4))
        return np.asarray(Image.fromarray(self.square).filter(blur))

    def without(self, mask: BoolArray) -> UInt8Array:
        """The square, blurred where the mask (size, size) says so, until nothing of its size can be seen."""
        return np.where(mask[..., None], self._blurred, self.square)

    def scores_without(self, masks: Sequence[BoolArray]) -> Float64Array:
        """(N,), how sure the model is of it when each of N masks is blurred in the image."""
        parts = [masks[start : start + _BATCH] for start in range(0, len(masks), _BATCH)]
        return np.concatenate([self.scores(np.stack([self.without(each) for each in part])) for part in parts])
