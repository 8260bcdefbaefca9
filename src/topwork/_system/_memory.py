"""Memory: what is freed stays with the process while torch computes; pages of mapped files go back to the system.

glibc asks the system for every block above 32 MB by itself and gives it back when it is freed. A training step takes
and frees hundreds of such blocks, and the system has to clear each of their pages again, which takes up to a quarter of
the step (docs/decisions/training.md). Source: mallopt(3). It names 32 MB as the largest threshold; newer glibc takes
more, and where one refuses, things stay as they were.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import threading
from collections.abc import Iterator

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_NEVER = 2**31 - 1  # bytes: the largest that mallopt takes
_USUAL = {_TRIM_THRESHOLD: 64 * 2**20, _MMAP_THRESHOLD: 32 * 2**20}  # what glibc arrives at by itself

_lock = threading.Lock()
_within = 0  # calls that have not ended


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep what is freed until the outermost such block ends, which gives it back; without glibc nothing is done.

    Memory at its peak grows by a tenth or so, since what is free is in pieces.
    """
    global _within
    with _lock:
        _within += 1
        if _within == 1:
            _set({_TRIM_THRESHOLD: _NEVER, _MMAP_THRESHOLD: _NEVER})
    try:
        yield
    finally:
        with _lock:
            _within -= 1
            if _within == 0:
                _set(_USUAL)
                _give_back()


def _set(values: dict[int, int]) -> None:
    if (library := _glibc()) is not None:
        for name, value in values.items():
            library.mallopt(name, value)


def _give_back() -> None:
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library of this process, where it is glibc."""
    with contextlib.suppress(OSError, TypeError):  # Windows has no such thing
        library = ctypes.CDLL(None)
        if hasattr(library, "gnu_get_libc_version"):
            return library
    return None


def release_pages(values: object) -> None:
    """Tell the system that the pages of a memory-mapped array are not needed; they are read again when they are.

    Without this, every page that was ever touched counts as this process's memory. An array in memory is left alone.
    """
    owner = values
    while hasattr(owner, "base"):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)
