"""Images in the network's square, decoded once and kept on disk, for whoever reads them many times."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._arrays import UInt8Array
from topwork.backbones import Preprocessing
from topwork.data import Dataset, printable
from topwork.errors import DataError
from topwork.features._extract import Progress
from topwork.features._read_ahead import ImageReader, read_ahead


class Squares(NamedTuple):
    """Images in the network's square: uint8 (N, size, size, 3), memory-mapped; the digest names all that made them."""

    pixels: UInt8Array
    digest: str


@contextlib.contextmanager
def squares(dataset: Dataset, preprocessing: Preprocessing, progress: Progress | None) -> Iterator[Squares]:
    """All images of a data set in the square, on disk for as long as the context lasts.

    Raises:
        DataError: An image cannot be read any more, or there is no room for so many.
    """
    shape = (len(dataset), preprocessing.size, preprocessing.size, 3)
    digest = hashlib.sha256(repr(preprocessing).encode())
    items = read_ahead(dataset.sources(), ImageReader(preprocessing), lambda key: False)
    with scratch(shape, np.uint8) as pixels, contextlib.closing(items):
        for item in items:
            if item.content is None:
                raise DataError(f"{printable(dataset.paths[item.index])}: {item.reason}", hint="run it again")
            pixels[item.index] = item.content
            digest.update(item.key)
            if progress is not None:
                progress(item.index + 1, len(dataset))
        yield Squares(pixels, digest.hexdigest())


@contextlib.contextmanager
def scratch(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Iterator[np.memmap[Any, Any]]:
    """An array in a file of its own that is gone in the end.

    Its room is taken at once: writing into a hole on a full disk would kill the process.

    Raises:
        DataError: There is no room for it.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="topwork-", ignore_cleanup_errors=True))
        file, size = Path(folder) / "array", math.prod(shape) * np.dtype(dtype).itemsize
        try:
            with file.open("wb") as made:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(made.fileno(), 0, size)
            array = np.memmap(file, dtype, "r+" if file.stat().st_size else "w+", shape=shape)
        except OSError as error:
            raise DataError(
                f"{folder}: not enough space for {size / 2**20:.0f} MB: {error.strerror}",
                hint="set TMPDIR to a folder on a larger disk, or train at a smaller --size",
            ) from error
        stack.callback(array._mmap.close)  # type: ignore[attr-defined]  # before the folder goes: Windows wants it so
        yield array
