"""Large pictures made smaller, by the mean of the pixels that come to lie in one."""

from __future__ import annotations

import numpy as np

from topwork._arrays import UInt8Array


def shrunk_size(height: int, width: int, longest: int) -> tuple[int, int]:
    """Height and width of a picture whose longer side is to be no longer than that."""
    scale = min(1.0, longest / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrunk(pixels: UInt8Array, longest: int) -> UInt8Array:
    """A picture, uint8 (height, width, 3), with no side longer than that; one that has none stays as it is."""
    from PIL import Image

    height, width = shrunk_size(pixels.shape[0], pixels.shape[1], longest)
    if (height, width) == pixels.shape[:2]:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))
