"""The files of a source, in a folder or an object store: listed with their sizes, and had as local files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

from topwork.data import files_below, printable
from topwork.errors import DataError
from topwork.sharding._store import Store

T = TypeVar("T")


class Files(Protocol):
    """Files that are read whole."""

    @property
    def name(self) -> str:
        """What messages call them."""

    def sizes(self) -> dict[str, int]:
        """Each file's bytes by its path, sorted.

        Raises:
            DataError: They cannot be listed.
        """

    def size(self, name: str) -> int:
        """One file's bytes now."""

    def local(self, name: str, scratch: Path) -> str:
        """A file's path on this machine; one that must be fetched comes into the scratch folder.

        Raises:
            DataError: It cannot be had.
        """


@dataclass(frozen=True)
class LocalFiles:
    """Files of some kinds below a folder, or one file alone."""

    root: str
    suffixes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The folder."""
        return self.root

    def sizes(self) -> dict[str, int]:
        """As promised above."""
        if os.path.isfile(self.root):
            return {os.path.basename(self.root): os.path.getsize(self.root)}
        found = files_below(self.root, self.suffixes)
        return {os.path.relpath(path, self.root).replace(os.sep, "/"): os.path.getsize(path) for path in found}

    def size(self, name: str) -> int:
        """As promised above."""
        return _had(name, lambda: os.path.getsize(self.local(name, Path())))

    def local(self, name: str, scratch: Path) -> str:
        """The file itself."""
        return self.root if os.path.isfile(self.root) else os.path.join(self.root, name)


@dataclass(frozen=True)
class RemoteFiles:
    """Objects of some kinds below an address, or one alone."""

    address: str
    suffixes: tuple[str, ...]
    only: str = ""

    @property
    def name(self) -> str:
        """The address."""
        return self.address

    @cached_property
    def store(self) -> Store:
        """What reaches them."""
        return Store(self.address)

    def sizes(self) -> dict[str, int]:
        """As promised above."""
        if self.only:
            return {self.only: self.size(self.only)}
        found = _had(self.address, self.store.sizes)
        return {name: size for name, size in found.items() if name.lower().endswith(self.suffixes)}

    def size(self, name: str) -> int:
        """As promised above."""
        return _had(name, lambda: self.store.size(name))

    def local(self, name: str, scratch: Path) -> str:
        """The object, fetched."""
        into = scratch / f"fetched{os.path.splitext(name)[1]}"
        _had(name, lambda: self.store.fetch(name, into))
        return str(into)


def _had(name: str, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except FileNotFoundError as error:
        raise DataError(f"{printable(name)}: no such file", hint="it may have gone since the plan was made") from error
