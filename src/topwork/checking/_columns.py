"""Features as the doctor reads them: a few columns of a table that may be far larger than memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.features import FeatureTable

Float32Array = npt.NDArray[np.float32]

_CHUNK = 1024  # rows at a time
_SCATTERED = 32  # rows at a time that do not lie side by side: each may bring in 2 MB of the file around it


class Embedding:
    """The last output of a table (the network's own pooled features), centred, for rows of the data set.

    Args:
        table: Features of the images that could be read.
        rows: (M,), which row of the data set each row of the table is.
    """

    def __init__(self, table: FeatureTable, rows: npt.NDArray[np.intp]) -> None:
        self._values = table.values
        self._first = table.values.shape[1] - table.widths[-1]
        self._places = np.full(int(rows.max(initial=-1)) + 1, -1)
        self._places[rows] = np.arange(len(rows))
        self._mean = self._mean_of_all()

    def _mean_of_all(self) -> npt.NDArray[np.float64]:
        total = np.zeros(self._values.shape[1] - self._first)
        for part in _parts(len(self._values)):
            total += self._values[part, self._first :].sum(axis=0, dtype=np.float64)
            release(self._values)
        return np.asarray(total / max(len(self._values), 1))

    def cosines(self, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Cosine of the angle between the features of each pair (P, 2) of rows of the data set."""
        found = np.empty(len(pairs))
        for part in _parts(len(pairs)):
            first, second = (self._unit(self._places[pairs[part, side]]) for side in (0, 1))
            found[part] = (first * second).sum(axis=1)
        return found

    def _unit(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        centred = scattered(self._values, places, self._first) - self._mean
        return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12))


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, _CHUNK):
        yield slice(start, min(start + _CHUNK, count))


def scattered(values: Float32Array, rows: npt.NDArray[np.integer[Any]], first: int = 0) -> Float32Array:
    """Rows (M, D - first) of an array that may be memory-mapped, from a column on, as a copy.

    A few at a time, since the system brings in what lies around each: 2,000 rows of 100,000, 32 MB, would map 1.6 GB
    of the file, and all of that counts as this process's memory until it is released.
    """
    found = np.empty((len(rows), values.shape[1] - first), np.float32)
    for start in range(0, len(rows), _SCATTERED):
        part = slice(start, start + _SCATTERED)
        found[part] = values[rows[part], first:]
        release(values)
    return found


def release(values: Float32Array) -> None:
    """Tell the system that the pages of a memory-mapped array are not needed; they are read again when they are.

    Without this, every page that was ever touched counts as this process's memory. An array in memory is left alone.
    """
    owner: object = values
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)
