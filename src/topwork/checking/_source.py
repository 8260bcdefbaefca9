"""Where an image's content comes from; the one place of this room that knows how a data set keeps it."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from topwork.data import ImageDataset, Slice, printable, read_bytes
from topwork.errors import ImageError

Content = bytes | npt.NDArray[np.uint8]
"""The bytes of a file, or pixels, uint8 (H, W, 3), where a data set holds no files."""


def content(dataset: ImageDataset, row: int) -> Content:
    """What ``decode`` takes for one image, read into memory.

    Raises:
        ImageError: It cannot be had.
    """
    source = dataset.source(row)
    return source if isinstance(source, bytes | np.ndarray) else read_bytes(source)


def reason(dataset: ImageDataset, row: int, message: str) -> str:
    """Why an image cannot be used, without its name: whoever lists it names it."""
    try:
        source = dataset.source(row)
    except ImageError:  # the message is the store's own
        return message
    if isinstance(source, bytes | np.ndarray):
        return message
    name = str(source) if isinstance(source, Slice) else printable(os.fspath(source))
    return message.removeprefix(f"{name}: ")
