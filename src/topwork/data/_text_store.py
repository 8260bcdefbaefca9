"""Where texts lie: one after another in a file without a name, each read when it is asked for."""

from __future__ import annotations

import contextlib
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.errors import DataError

_WAITING = 2**20  # bytes that are gathered before they are written


@dataclass(frozen=True, eq=False)
class TextStore:
    """Texts on disk; a million of them cost this process 8 MB, however long they are.

    A lone surrogate, which is no character, comes back as it was given.

    Args:
        content: uint8, the texts one after another in UTF-8, memory-mapped.
        ends: Shape ``(N,)``, int64, where each text ends.
    """

    content: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: Iterable[str]) -> TextStore:
        """Store texts, each asked for once.

        Raises:
            DataError: The disk is full, or no file can be made.
        """
        ends = array("q")
        with _on_disk() as file:
            for piece in _gathered(texts, ends):
                with _told():
                    file.write(piece)
            end = ends[-1] if ends else 0
            with _told():
                file.flush()
                content = np.memmap(file, np.uint8, "r", shape=(end,)) if end else np.zeros(0, np.uint8)
        return cls(content, np.array(ends, np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def source(self, key: int) -> str:
        """The text of one row."""
        start = int(self.ends[key - 1]) if key else 0
        return self.content[start : int(self.ends[key])].tobytes().decode("utf-8", "surrogatepass")


def _gathered(texts: Iterable[str], ends: array[int]) -> Iterator[bytes]:
    """The texts in UTF-8, in pieces of some size; where each ends is noted."""
    waiting, end = bytearray(), 0
    for text in texts:
        waiting += text.encode("utf-8", "surrogatepass")
        ends.append(end + len(waiting))
        if len(waiting) > _WAITING:
            end += len(waiting)
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


@contextlib.contextmanager
def _on_disk() -> Iterator[Any]:
    """A file without a name; closing one that could not be written says nothing more."""
    with _told():
        file = tempfile.TemporaryFile(prefix="topwork-")  # noqa: SIM115  # closed below, where that may fail
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say in plain words that texts cannot be written; what reads them has its own errors."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"the texts cannot be kept on disk: {error.strerror or error}",
            hint=f"free some space in {tempfile.gettempdir()}, or set TMPDIR to another folder",
        ) from error
