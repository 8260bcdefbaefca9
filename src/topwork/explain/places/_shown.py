"""The square that a network saw, laid back upon the image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork.backbones import Preprocessing

Corners = tuple[float, float, float, float]

_LONGEST = 640  # pixels of the image that is drawn upon


@dataclass(frozen=True, eq=False)
class Shown:
    """An image as it is drawn upon.

    Attributes:
        decoded: uint8 (h, w, 3), the image at the scale at which it was decoded.
        preprocessing: That made the square.
        size: Height and width of the image in pixels.
    """

    decoded: UInt8Array
    preprocessing: Preprocessing
    size: tuple[int, int]

    @cached_property
    def image(self) -> UInt8Array:
        """uint8 (H, W, 3), reduced where it is large."""
        from PIL import Image

        picture = Image.fromarray(np.ascontiguousarray(self.decoded))
        picture.thumbnail((_LONGEST, _LONGEST))
        return np.asarray(picture)

    def corners(self, box: Float32Array) -> Corners:
        """A box in pixels of the image (4,), in pixels of what is shown."""
        height, width = (shown / own for shown, own in zip(self.image.shape, self.size, strict=False))
        left, top, right, bottom = (box * np.array([width, height, width, height])).tolist()
        return left, top, right, bottom

    def map(self, values: Float32Array) -> Float32Array:
        """Numbers of the square (size, size) upon the image: float32 (H, W), 0 where the network sees nothing of it."""
        return np.asarray(self._laid(np.zeros(self.image.shape[:2], np.float32), values), np.float32)

    def pixels(self, square: UInt8Array) -> UInt8Array:
        """Pixels of the square (size, size, 3) upon the image: uint8 (H, W, 3)."""
        return np.asarray(self._laid(self.image.copy(), square), np.uint8)

    def _laid(self, canvas: Any, square: Any) -> Any:
        from PIL import Image

        seen, (left, top, right, bottom) = self.preprocessing.view(*self.size)
        x, y, right_edge, lower_edge = np.round(self.corners(np.array(seen, np.float32))).astype(int).tolist()
        part = Image.fromarray(np.ascontiguousarray(square[top:bottom, left:right]))
        across, down = max(1, right_edge - x), max(1, lower_edge - y)
        canvas[y:lower_edge, x:right_edge] = np.asarray(part.resize((across, down), Image.Resampling.BILINEAR))
        return canvas
