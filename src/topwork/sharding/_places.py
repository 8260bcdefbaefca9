"""Where a plan and its parts lie: a folder, or a place in an object store. Files appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

from topwork._system import take, write_whole
from topwork.data import printable
from topwork.errors import TopworkError
from topwork.sharding._store import Store, is_remote

_DRAFT = ".draft"
_OURS = re.compile(r"\..*-\d+-[a-z0-9_]+" + re.escape(_DRAFT))
_DRAFT_SECONDS = 60  # after which a draft that nobody has locked is one that a killed process left


class Place(Protocol):
    """Holds a plan and its parts."""

    def read(self, name: str) -> bytes | None:
        """A small file's bytes; None where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write a small file; one that is there is replaced."""

    def names(self) -> set[str]:
        """What lies there."""

    def tidy(self) -> None:
        """Delete what killed processes have left."""

    def written(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """A file to fill; it appears under its name when the block ends well, and not at all otherwise."""

    def local(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """A file to read, for as long as the block lasts."""


@dataclass(frozen=True)
class Directory:
    """A folder that all who work on the plan see."""

    path: str

    def read(self, name: str) -> bytes | None:
        """As promised above."""
        with _told(self.path), contextlib.suppress(FileNotFoundError):
            return Path(self.path, name).read_bytes()
        return None

    def write(self, name: str, content: bytes) -> None:
        """As promised above."""
        with _told(self.path):
            Path(self.path).mkdir(parents=True, exist_ok=True)
            write_whole(Path(self.path, name), content)

    def names(self) -> set[str]:
        """As promised above."""
        with _told(self.path), contextlib.suppress(FileNotFoundError):
            return set(os.listdir(self.path))
        return set()

    @contextlib.contextmanager
    def written(self, name: str) -> Iterator[Path]:
        """As promised above."""
        with _told(self.path):
            handle, draft = tempfile.mkstemp(prefix=f".{name}-{os.getpid()}-", suffix=_DRAFT, dir=self.path)
            try:
                with contextlib.suppress(OSError):  # no locks on this file system: age alone tells
                    take(handle)
                yield Path(draft)
                os.fsync(handle)
                os.chmod(draft, 0o644)
                os.replace(draft, Path(self.path, name))
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(draft)
                os.close(handle)

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """As promised above."""
        yield Path(self.path, name)

    def tidy(self) -> None:
        """As promised above: drafts that nobody holds and that have not grown for a while."""
        for left in filter(_OURS.fullmatch, self.names()):
            with contextlib.suppress(OSError):  # another worker was faster
                path = Path(self.path, left)
                if time.time() - path.stat().st_mtime > _DRAFT_SECONDS:
                    _drop(path)


@dataclass(frozen=True)
class Bucket:
    """A place in an object store: a part is one put, so it is there whole or not at all."""

    address: str

    @cached_property
    def _store(self) -> Store:
        return Store(self.address)

    def read(self, name: str) -> bytes | None:
        """As promised above."""
        return self._store.read(name)

    def write(self, name: str, content: bytes) -> None:
        """As promised above."""
        self._store.write(name, content)

    def names(self) -> set[str]:
        """As promised above."""
        return self._store.names()

    def tidy(self) -> None:
        """Nothing: what is not put whole is not there."""

    @contextlib.contextmanager
    def written(self, name: str) -> Iterator[Path]:
        """As promised above."""
        with tempfile.TemporaryDirectory(prefix="topwork-") as scratch:
            draft = Path(scratch, name)
            yield draft
            self._store.put(name, draft)

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """As promised above."""
        with tempfile.TemporaryDirectory(prefix="topwork-") as scratch:
            self._store.fetch(name, Path(scratch, name))
            yield Path(scratch, name)


def _drop(path: Path) -> None:
    """Delete a draft unless its process lives."""
    with path.open("rb") as file:
        if take(file.fileno()):
            path.unlink()


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """Say in plain words that a folder cannot be used."""
    try:
        yield
    except OSError as error:
        raise TopworkError(
            f"{printable(path)} cannot be used for shards: {error.strerror or error}",
            hint="free some space, or name another folder; what is done is kept, and a rerun does the rest",
        ) from error


@lru_cache(8)  # an object store's connections are kept
def place_of(out: str) -> Place:
    """The place that a name names."""
    return Bucket(out) if is_remote(out) else Directory(out.rstrip("/") or "/")
