"""Where features are kept: in memory for a few images, in memory-mapped files on disk for many.

On disk a recipe (network, preprocessing, outputs, precision) has a folder; every run that computes something adds one
segment: ``NAME.rows`` (float32 rows) and ``NAME.keys`` (16 bytes a row: the image's content). The ``.keys`` file is
renamed into place last, so a segment is there whole or not at all, and processes that share the cache need no lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._system import cache_dir, delete_file, last_use, make_room, size_limit
from topwork.errors import TopworkError

Float32Array = npt.NDArray[np.float32]

KEY_BYTES = 16
_GATHER_ROWS = 4096
_DRAFT_SECONDS = 86_400
_MOST_SEGMENTS = 64  # each is a file held open, and a process may hold 1,024 (256 on macOS)
_SMALL_SEGMENT = 64 * 2**20  # larger ones are not copied: a cache within its limit holds few of them


class MemoryStore:
    """Features of a few images, in memory."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._rows: dict[bytes, Float32Array] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def add(self, keys: Sequence[bytes], rows: Float32Array) -> None:
        """Take the features (N, D) of N contents."""
        self._rows.update(zip(keys, rows, strict=True))

    def gather(self, keys: Sequence[bytes]) -> Float32Array:
        """Features (N, D) of N contents, in that order."""
        rows = [self._rows[key] for key in keys]
        return np.stack(rows) if rows else np.empty((0, self._width), np.float32)


class DiskStore:
    """Features on disk under one recipe; use as a context manager, so that what was computed is kept even on Ctrl-C."""

    def __init__(self, folder: Path, width: int) -> None:
        self._folder = folder
        self._width = width
        self._files: list[Any] = []  # of rows, one a segment
        self._names: list[Path] = []  # of the files of keys, one a segment
        self._places: dict[bytes, tuple[int, int]] = {}  # key -> (segment, row)
        self._draft: _Draft | None = None

    def __enter__(self) -> DiskStore:
        """Open what earlier runs left.

        Raises:
            TopworkError: The folder cannot be made, or ``TOPWORK_CACHE_SIZE`` is no size.
        """
        size_limit()  # now, not when the work is done
        with _told(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # features may be of people
        for keys_file in sorted(self._folder.glob("*.keys")):
            with contextlib.suppress(OSError):  # another process may have made room meanwhile
                self._open_segment(keys_file)
        return self

    def _open_segment(self, keys_file: Path) -> None:
        keys = keys_file.read_bytes()
        rows = keys_file.with_suffix(".rows").open("rb")  # held open: deleting it elsewhere does not hurt us
        count = len(keys) // KEY_BYTES
        if os.fstat(rows.fileno()).st_size != count * self._width * 4:
            rows.close()
            return
        with contextlib.suppress(OSError):
            os.utime(keys_file)  # used just now: the last to be evicted
        segment = self._remember(rows, keys_file)
        self._places.update((keys[row * KEY_BYTES : (row + 1) * KEY_BYTES], (segment, row)) for row in range(count))

    def _remember(self, rows: Any, keys_file: Path) -> int:
        self._files.append(rows)
        self._names.append(keys_file)
        return len(self._files) - 1

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def add(self, keys: Sequence[bytes], rows: Float32Array) -> None:
        """Take the features (N, D) of N contents; a disk that is full or may not be written is a ``TopworkError``."""
        with _told(self._folder):
            if self._draft is None:
                self._draft = _Draft(self._folder)
                self._draft.segment = self._remember(self._draft.rows, self._draft.keys_file)
            for key in keys:
                self._places[key] = (self._draft.segment, len(self._draft.keys))
                self._draft.keys.append(key)
            self._draft.rows.write(np.ascontiguousarray(rows, np.float32))

    def gather(self, keys: Sequence[bytes]) -> Float32Array:
        """Features (N, D) of N contents, in that order; read-only, memory-mapped; a full disk is a ``TopworkError``."""
        with _told(self._folder):
            return self._gathered(keys)

    def _gathered(self, keys: Sequence[bytes]) -> Float32Array:
        if self._draft is not None:
            self._draft.rows.flush()
        places = np.array([self._places[key] for key in keys], np.int64).reshape(-1, 2)
        if len(places) == 0:
            return np.empty((0, self._width), np.float32)
        segments, rows = places[:, 0], places[:, 1]
        if (segments == segments[0]).all() and (rows == rows[0] + np.arange(len(rows))).all():
            return self._mapped(self._files[segments[0]], int(rows[0]), len(rows))
        with tempfile.TemporaryFile(dir=self._folder) as joined:
            for start in range(0, len(rows), _GATHER_ROWS):
                part = slice(start, start + _GATHER_ROWS)
                joined.write(self._read(segments[part], rows[part]).tobytes())
            joined.flush()
            return self._mapped(joined, 0, len(rows))

    def _mapped(self, file: Any, first: int, count: int) -> Float32Array:
        offset = first * self._width * 4
        return np.memmap(file, np.float32, "r", offset, (count, self._width))

    def _read(self, segments: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> Float32Array:
        """Rows by plain reads: touching a mapped file's pages would count as this process's memory."""
        gathered = bytearray()
        for segment, row in zip(segments, rows, strict=True):
            self._files[segment].seek(int(row) * self._width * 4)
            gathered += self._files[segment].read(self._width * 4)
        return np.frombuffer(gathered, np.float32).reshape(-1, self._width)

    def __exit__(self, *error: object) -> None:
        """Publish what was computed, make room, close."""
        try:
            if self._draft is not None:
                self._publish(self._draft)
                _make_room(keep=self._folder)
        finally:
            for file in self._files:
                file.close()

    def _publish(self, draft: _Draft) -> None:
        """Show the draft to other runs, with the small segments in it where there are too many."""
        sizes = [os.fstat(file.fileno()).st_size for file in self._files[:-1]]  # the last one is the draft
        small = {segment for segment, size in enumerate(sizes) if size < _SMALL_SEGMENT}
        merged = small if len(self._files) > _MOST_SEGMENTS else set[int]()
        try:
            moved = [(key, place) for key, place in self._places.items() if place[0] in merged]
            draft.rows.seek(0, os.SEEK_END)
            for key, place in moved:
                draft.rows.write(self._read(*np.array([place]).T))
                draft.keys.append(key)
            draft.publish()
        except OSError:
            draft.drop()
            return
        for segment in merged:
            _delete(self._names[segment])


@contextlib.contextmanager
def rows_on_disk(recipe: dict[str, Any], width: int, *, cache: bool) -> Iterator[DiskStore]:
    """Rows of so many numbers made in one way: the cache's, or in a folder that is gone with the block."""
    with contextlib.ExitStack() as stack:
        own = tempfile.TemporaryDirectory(prefix="topwork-") if not cache else None
        folder = recipe_folder(recipe) if own is None else Path(stack.enter_context(own))
        yield stack.enter_context(DiskStore(folder, width))


FeatureStore = MemoryStore | DiskStore
"""Features by image content: the keys that are ``in`` it."""


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Say in plain words that the cache cannot be written."""
    try:
        yield
    except OSError as error:
        raise TopworkError(
            f"the feature cache {folder} cannot be written: {error.strerror or error}",
            hint="free some space, set TOPWORK_CACHE to another folder, or use --no-cache",
        ) from error


class _Draft:
    """The segment that this run writes."""

    def __init__(self, folder: Path) -> None:
        self.keys_file = folder / f"{uuid.uuid4().hex}.keys"
        self.segment = -1
        self.keys: list[bytes] = []
        self.rows: Any = self.keys_file.with_suffix(".rows").open("wb+")

    def publish(self) -> None:
        """Make the segment visible to others.

        Raises:
            OSError: It cannot be written whole.
        """
        self.rows.flush()
        os.fsync(self.rows.fileno())
        draft = self.keys_file.with_suffix(".keys-draft")
        draft.write_bytes(b"".join(self.keys))
        draft.rename(self.keys_file)

    def drop(self) -> None:
        """Leave nothing behind."""
        _delete(self.keys_file.with_suffix(".keys-draft"))
        _delete(self.keys_file)


def _delete(keys_file: Path) -> int:
    """Delete a segment, keys first; the bytes that this freed."""
    return sum(map(delete_file, (keys_file, keys_file.with_suffix(".rows"))))


def recipe_folder(recipe: dict[str, Any]) -> Path:
    """The folder of features made in one way; ``recipe`` names everything that changes them."""
    name = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:24]
    return cache_dir() / "features" / name


def _make_room(keep: Path) -> None:
    """Delete the segments that were used longest ago until the cache is within its limit; ``keep`` goes last."""
    root = cache_dir() / "features"
    for rows in root.glob("*/*.rows"):  # without keys: a run that was killed left them, or another run writes them
        if not rows.with_suffix(".keys").exists() and time.time() - last_use(rows) > _DRAFT_SECONDS:
            _delete(rows.with_suffix(".keys"))
    make_room(root, "*/*.keys", _delete, last=keep)
