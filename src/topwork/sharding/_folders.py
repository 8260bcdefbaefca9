"""Images that are files: those anywhere below a folder, or objects below an address."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from topwork._system import Executor
from topwork.data import Named, images_between, printable, split_of
from topwork.sharding._files import RemoteFiles
from topwork.sharding._sources import Piece, Row, changed, hash_of

_AT_ONCE = 16  # objects that are asked for at once


@dataclass(frozen=True)
class Folder:
    """The image files anywhere below a folder, in pieces of its sorted listing."""

    root: str

    def pieces(self, size: int) -> Iterator[Piece]:
        """Ranges of names; the last is open, so that a file that comes behind it is noticed."""
        found, after = images_between(self.root), ""
        names = [each.path for each in islice(found, size)]
        while names:
            following = [each.path for each in islice(found, size)]
            where = {"after": after, "to": names[-1] if following else ""}
            yield Piece(hash_of(names), where, len(names))
            names, after = following, names[-1]

    def first(self, scratch: Path) -> Iterator[Row]:
        """As promised in ``Images``."""
        return map(self._row, images_between(self.root))

    def rows(self, piece: Piece, scratch: Path) -> Iterator[Row]:
        """The files of a range, once it is sure that they are those that were planned."""
        between = images_between(self.root, piece.where["after"], piece.where["to"])
        found = list(islice(between, (piece.rows or 0) + 1))
        if hash_of(each.path for each in found) != piece.content:
            raise changed(self.root)
        return map(self._row, found)

    def _row(self, found: Named) -> Row:
        path, label, split, fault = found
        return Row(printable(path), os.path.join(self.root, path), label or None, split or None, fault)


@dataclass(frozen=True)
class Objects:
    """Images that are objects of a store, each by itself; the plan holds their names.

    A class is the first folder below the address, or below the folder of a split. Many small objects are slow to fetch:
    from a million on, tar files or Parquet files are the better source.
    """

    files: RemoteFiles

    def pieces(self, size: int) -> Iterator[Piece]:
        """So many names each."""
        found = iter(self.files.sizes().items())
        while some := dict(islice(found, size)):
            yield self._piece(some)

    def _piece(self, sizes: dict[str, int]) -> Piece:
        content = hash_of(f"{name}\0{size}" for name, size in sizes.items())
        return Piece(content, {"names": list(sizes)}, len(sizes))

    def first(self, scratch: Path) -> Iterator[Row]:
        """As promised in ``Images``."""
        names = list(self.files.sizes())
        for start in range(0, len(names), _AT_ONCE):
            folder = Path(tempfile.mkdtemp(dir=scratch))
            yield from self._fetched(names[start : start + _AT_ONCE], folder)

    def rows(self, piece: Piece, scratch: Path) -> Iterator[Row]:
        """The objects of a list, fetched several at a time."""
        return iter(self._fetched(piece.where["names"], scratch))

    def _fetched(self, names: list[str], scratch: Path) -> list[Row]:
        def fetch(named: tuple[int, str]) -> Row:
            place, name = named
            folder = scratch / str(place)
            folder.mkdir()
            label, split = _told(name)
            return Row(printable(name), self.files.local(name, folder), label, split)

        with Executor("fetch", _AT_ONCE) as hands:
            return list(hands.map_ordered(fetch, enumerate(names), in_flight=2 * _AT_ONCE))


def _told(name: str) -> tuple[str | None, str | None]:
    """Class and split of an object's name."""
    *folders, _ = name.split("/")
    split = split_of(folders[0]) if folders else ""
    folders = folders[1:] if split else folders
    return folders[0] if folders else None, split or None
