"""One pass over a data set's files: every image is read and decoded once, small, and only its facts are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.checking._format import FORMATS
from topwork.checking._look import SIDE, Look, look
from topwork.data import ImageDataset, read_source, try_source

_CHUNK = 16  # images a task
_AHEAD = 8  # chunks a core that may wait; each holds its images' facts, 2 kB an image
_MOST_CLASSES = 2_000  # whose mean pictures are kept: 16 kB each

_COLUMNS: dict[str, npt.DTypeLike] = {
    "height": np.int32,
    "width": np.int32,
    "compression": np.float32,
    "frames": np.int32,
    "low": np.float32,
    "high": np.float32,
    "spread": np.float32,
    "colour": np.float32,
    "sharpness": np.float32,
    "hash": np.uint64,
}


@dataclass(frozen=True, eq=False)
class Pictures:
    """Mean and spread of each class's images, pixel by pixel, on thumbnails of 32 x 32.

    Attributes:
        counts: int (C,), images that differ in their bytes.
        means: float (C, 32, 32), brightness 0 to 255.
        spreads: float (C, 32, 32), standard deviation.
    """

    counts: npt.NDArray[np.int64]
    means: npt.NDArray[np.float64]
    spreads: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Survey:
    """Facts of every image, row by row of the data set; zeros where it could not be decoded.

    Attributes:
        dataset: What was looked at.
        refused: Row and reason of every image that cannot be decoded.
        keys: uint64 (N, 2), equal for equal files.
        kinds: int8 (N,), a place in ``FORMATS``; -1 for none.
        facts: A record array (N,) of ``Look``'s numbers by their names there.
        pictures: What each class looks like on the whole.
    """

    dataset: ImageDataset
    refused: dict[int, str]
    keys: npt.NDArray[np.uint64]
    kinds: npt.NDArray[np.int8]
    facts: npt.NDArray[np.void]
    pictures: Pictures

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(N,), which images could be decoded."""
        usable = np.ones(len(self.dataset), dtype=bool)
        usable[list(self.refused)] = False
        return usable


def survey(dataset: ImageDataset, progress: Callable[[int], None]) -> Survey:
    """Look at every image once, on all cores; memory grows by 70 bytes an image.

    Args:
        dataset: N rows.
        progress: Called with the number of images done.
    """
    rows = len(dataset)
    keys = np.zeros((rows, 2), np.uint64)
    kinds = np.full(rows, -1, np.int8)
    facts = np.zeros(rows, np.dtype(list(_COLUMNS.items())))
    refused: dict[int, str] = {}
    sums = _Sums(len(dataset.classes))
    sources = dataset.sources()

    def look_at(row: int) -> Look | str:
        return try_source(sources, row, lambda source: look(read_source(source)))

    with Executor("look") as pool:
        looks = pool.map_ordered(look_at, range(rows), in_flight=_AHEAD * _CHUNK * pool.workers, chunk=_CHUNK)
        for row, seen in enumerate(looks):
            if isinstance(seen, str):
                refused[row] = seen
            else:
                keys[row] = np.frombuffer(seen.key, np.uint64)
                kinds[row] = FORMATS.index(seen.kind) if seen.kind in FORMATS else -1
                facts[row] = tuple(getattr(seen, name) for name in _COLUMNS)
                sums.add(int(dataset.labels[row]), seen)
            progress(row + 1)
    return Survey(dataset, refused, keys, kinds, facts, sums.pictures())


class _Sums:
    """Sums of each class's thumbnails; a file that comes again in its class is counted once."""

    def __init__(self, classes: int) -> None:
        kept = classes if classes <= _MOST_CLASSES else 0
        self._counts = np.zeros(kept, np.int64)
        self._sums = np.zeros((kept, SIDE, SIDE), np.int64)
        self._squares = np.zeros((kept, SIDE, SIDE), np.int64)
        self._seen: set[tuple[int, int]] = set()

    def add(self, label: int, seen: Look) -> None:
        key = (label, hash(seen.key))
        if label >= len(self._counts) or key in self._seen:
            return
        self._seen.add(key)
        values = seen.thumbnail.astype(np.int64)
        self._counts[label] += 1
        self._sums[label] += values
        self._squares[label] += values**2

    def pictures(self) -> Pictures:
        count = np.maximum(self._counts, 1)[:, None, None]
        means = self._sums / count
        return Pictures(self._counts, means, np.sqrt(np.maximum(self._squares / count - means**2, 0)))
