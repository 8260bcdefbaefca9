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
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from topwork._files import cache_dir, folder_size
from topwork.errors import TopworkError

Float32Array = npt.NDArray[np.float32]

KEY_BYTES = 16
_GATHER_ROWS = 4096
_DEFAULT_LIMIT = 10 * 2**30
_DRAFT_SECONDS = 86_400


class Store(Protocol):
    """Features by image content."""

    def __contains__(self, key: object) -> bool:
        """Whether that content's features are here."""
        ...

    def add(self, keys: Sequence[bytes], rows: Float32Array) -> None:
        """Take the features (N, D) of N contents."""
        ...

    def gather(self, keys: Sequence[bytes]) -> Float32Array:
        """Features (N, D) of N contents, in that order; read-only, perhaps memory-mapped."""
        ...


class MemoryStore:
    """Features of a few images, in memory."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._rows: dict[bytes, Float32Array] = {}

    def __contains__(self, key: object) -> bool:
        """Whether that content's features are here."""
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
        self._files: list[Any] = []
        self._places: dict[bytes, tuple[int, int]] = {}  # key -> (segment, row)
        self._draft: _Draft | None = None

    def __enter__(self) -> DiskStore:
        """Open what earlier runs left."""
        self._folder.mkdir(parents=True, exist_ok=True)
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
        self._remember(rows, (keys[at * KEY_BYTES : (at + 1) * KEY_BYTES] for at in range(count)))

    def _remember(self, rows: Any, keys: Iterator[bytes]) -> None:
        segment = len(self._files)
        self._files.append(rows)
        self._places.update((key, (segment, row)) for row, key in enumerate(keys))

    def __contains__(self, key: object) -> bool:
        """Whether that content's features are here."""
        return key in self._places

    def add(self, keys: Sequence[bytes], rows: Float32Array) -> None:
        """Take the features (N, D) of N contents.

        Raises:
            TopworkError: The disk is full or may not be written.
        """
        try:
            if self._draft is None:
                self._draft = _Draft(self._folder)
                self._draft.segment = len(self._files)
                self._files.append(self._draft.rows)
            for key in keys:
                self._places[key] = (self._draft.segment, len(self._draft.keys))
                self._draft.keys.append(key)
            self._draft.rows.write(np.ascontiguousarray(rows, np.float32))
        except OSError as error:
            raise TopworkError(
                f"the feature cache {self._folder} cannot be written: {error.strerror}",
                hint="make room, or set TOPWORK_CACHE to a folder elsewhere",
            ) from error

    def gather(self, keys: Sequence[bytes]) -> Float32Array:
        """Features (N, D) of N contents, in that order, memory-mapped."""
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
                self._draft.publish()
                make_room(keep=self._folder)
        finally:
            for file in self._files:
                file.close()


class _Draft:
    """The segment that this run writes."""

    def __init__(self, folder: Path) -> None:
        self._name = folder / uuid.uuid4().hex
        self.segment = -1
        self.keys: list[bytes] = []
        self.rows: Any = self._name.with_suffix(".rows").open("wb+")

    def publish(self) -> None:
        """Make the segment visible to others, or leave nothing where it cannot be written whole."""
        draft = self._name.with_suffix(".keys-draft")
        try:
            self.rows.flush()
            os.fsync(self.rows.fileno())
            draft.write_bytes(b"".join(self.keys))
            draft.rename(self._name.with_suffix(".keys"))
        except OSError:
            draft.unlink(missing_ok=True)
            self._name.with_suffix(".rows").unlink(missing_ok=True)


def recipe_folder(recipe: dict[str, Any]) -> Path:
    """The folder of features made in one way; ``recipe`` names everything that changes them."""
    name = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:24]
    return cache_dir() / "features" / name


def size_limit() -> int:
    """Bytes that the feature cache may take; ``TOPWORK_CACHE_SIZE`` (e.g. ``2GB``) sets it, 10 GB otherwise.

    Raises:
        TopworkError: The variable does not hold a size.
    """
    text = os.environ.get("TOPWORK_CACHE_SIZE", "").strip().upper()
    if not text:
        return _DEFAULT_LIMIT
    units = {"KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
    number, unit = (text[:-2], units[text[-2:]]) if text[-2:] in units else (text, 1)
    try:
        return int(float(number) * unit)
    except ValueError:
        raise TopworkError(f"TOPWORK_CACHE_SIZE must be a size such as 500MB or 2GB, not {text!r}") from None


def make_room(keep: Path) -> None:
    """Delete the segments that were used longest ago until the cache is within its limit; ``keep`` goes last."""
    root = cache_dir() / "features"
    _sweep(root)
    excess = folder_size(root) - size_limit()
    if excess <= 0:
        return
    for keys_file in sorted(root.glob("*/*.keys"), key=lambda file: (file.parent == keep, _last_use(file))):
        for file in (keys_file, keys_file.with_suffix(".rows")):
            with contextlib.suppress(OSError):
                excess -= file.stat().st_size
                file.unlink()
        if excess <= 0:
            return


def _sweep(root: Path) -> None:
    """Delete rows without keys: a run that was killed left them. Younger ones may be another run's draft."""
    for rows in root.glob("*/*.rows"):
        if not rows.with_suffix(".keys").exists() and time.time() - _last_use(rows) > _DRAFT_SECONDS:
            rows.unlink(missing_ok=True)


def _last_use(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
