"""Where an image's content comes from; the one place of this room that knows how a data set keeps it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topwork.data import ImageDataset, printable, read_bytes

Content = bytes | npt.NDArray[np.uint8]
"""The bytes of a file, or pixels, uint8 (H, W, 3), where a data set holds no files."""


def content(dataset: ImageDataset, row: int) -> Content:
    """What ``decode`` takes for one image, read into memory.

    Raises:
        ImageError: It cannot be had.
    """
    return read_bytes(dataset.full_path(row))


def reason(dataset: ImageDataset, row: int, message: str) -> str:
    """Why an image cannot be used, without its name: whoever lists it names it."""
    return message.removeprefix(f"{printable(str(dataset.full_path(row)))}: ")
