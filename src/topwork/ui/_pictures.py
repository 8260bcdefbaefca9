"""Small pictures of rows, the last ones kept: a check numbers its rows anew, and most of them are what they were."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict

from topwork.data import Dataset
from topwork.report import row_file

_MOST = 600  # pictures, of 15 to 25 kB each

Key = tuple[str, int, int]


class Pictures:
    """Makes pictures, and gives one again where neither the row nor its file has changed. Safe in many threads."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def picture(self, dataset: Dataset, row: int) -> bytes:
        """The picture of a row, a WebP file.

        Raises:
            ImageError: It cannot be decoded.
            DataError: Its mask cannot be read any more.
        """
        key = _key(dataset, row)
        with self._lock:
            if key is not None and key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = row_file(dataset, row)
        if key is not None:
            with self._lock:
                self._kept[key] = made
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return made


def _key(dataset: Dataset, row: int) -> Key | None:
    """What a picture depends on: the row's name and targets, and its file; None where it is no file of its own."""
    source = dataset.source(row)
    if not isinstance(source, os.PathLike):
        return None
    try:
        found = os.stat(source)
    except OSError:
        return None
    return f"{source}:{dataset.select([row]).fingerprint()}", found.st_mtime_ns, found.st_size
