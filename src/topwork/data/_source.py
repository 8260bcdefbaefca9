"""What the decoder is given for one image, and where images lie that are not files of their own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from topwork.data._names import printable

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Slice:
    """One image inside a larger file, such as a member of a tar shard.

    Args:
        path: The file.
        offset: Bytes before the image.
        size: Bytes of the image.
        stamp: The file's size and its time of change in nanoseconds when the place was noted; a file that has
            another one by now is not read.
    """

    path: str | os.PathLike[str]
    offset: int
    size: int
    stamp: tuple[int, int] | None = None

    def __str__(self) -> str:
        """Say which bytes of which file, on one line."""
        return f"{printable(os.fspath(self.path))}, bytes {self.offset:,} to {self.offset + self.size:,}"


Source = str | os.PathLike[str] | bytes | Slice | Pixels
"""A file, the bytes of a file, a part of a file, or pixels, uint8 ``(H, W, 3)``."""


def source_name(source: Source) -> str:
    """What a message calls an image; empty where it has no name: bytes and pixels."""
    if isinstance(source, bytes | np.ndarray):
        return ""
    return str(source) if isinstance(source, Slice) else printable(os.fspath(source))


class Store(Protocol):
    """Where the images of a data set lie when each is not a file of its own.

    Frozen and safe to call from many threads.
    """

    def source(self, key: int) -> Source:
        """Give the image of one row, without decoding it.

        Args:
            key: The row's place in this store; it stays with the row when a data set's rows are selected.

        Raises:
            ImageError: The image cannot be had.
        """
