"""Arrays on disk for as long as a training lasts: more than memory may hold, read back through the page cache."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.errors import DataError


@contextlib.contextmanager
def scratch(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Iterator[np.memmap[Any, Any]]:
    """An array in a file of its own that is gone in the end.

    Its room is taken at once: writing into a hole on a full disk would kill the process.

    Raises:
        DataError: There is no room for it.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="topwork-", ignore_cleanup_errors=True))
        try:
            array = _mapped(Path(folder) / "array", shape, np.dtype(dtype))
        except OSError as error:
            size = math.prod(shape) * np.dtype(dtype).itemsize
            raise DataError(
                f"{folder}: no room for {size / 2**20:.0f} MB: {error.strerror}",
                hint="set TMPDIR to a folder on a larger disk, or train at a smaller --size",
            ) from error
        stack.callback(array._mmap.close)  # type: ignore[attr-defined]  # before the folder goes: Windows wants it so
        yield array


def _mapped(file: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.memmap[Any, Any]:
    with file.open("wb") as made:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(made.fileno(), 0, math.prod(shape) * dtype.itemsize)
    return np.memmap(file, dtype, "r+" if file.stat().st_size else "w+", shape=shape)
