"""Where images come from in shards: each kind of source cuts itself into pieces, and gives the rows of one piece."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from topwork.data import Named, Source, images_between, printable
from topwork.errors import DataError


class Piece(NamedTuple):
    """One shard's worth of a source.

    Attributes:
        content: Names what is in it: another list of images is another content.
        where: How to find it again, as JSON.
        rows: How many images; None where that is known only when it is read.
    """

    content: str
    where: dict[str, Any]
    rows: int | None


class Row(NamedTuple):
    """One image of a shard; ``fault`` says why it cannot be had."""

    id: str
    source: Source
    label: str | None = None
    split: str | None = None
    fault: str = ""


class Images(Protocol):
    """A source of images."""

    def pieces(self, size: int) -> Iterator[Piece]:
        """Cut it into pieces of so many images, as near as its kind allows; always the same ones.

        Raises:
            DataError: It cannot be listed.
        """

    def first(self) -> Iterator[Row]:
        """Its first images."""

    def rows(self, piece: Piece) -> Iterator[Row]:
        """The images of one piece, always in the same order.

        Raises:
            DataError: The source is no longer what the piece was cut from.
        """


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
            yield Piece(_hash_of(names), where, len(names))
            names, after = following, names[-1]

    def rows(self, piece: Piece) -> Iterator[Row]:
        """The files of a range, once it is sure that they are those that were planned."""
        found: list[Named] = []
        for each in images_between(self.root, piece.where["after"], piece.where["to"]):
            found.append(each)
            if len(found) > (piece.rows or 0):
                break
        if _hash_of([each.path for each in found]) != piece.content:
            raise changed(self.root)
        yield from map(self._row, found)

    def first(self) -> Iterator[Row]:
        """As promised above."""
        return map(self._row, images_between(self.root))

    def _row(self, found: Named) -> Row:
        path, label, split, fault = found
        return Row(printable(path), os.path.join(self.root, path), label or None, split or None, fault)


def _hash_of(names: list[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        text = name.encode("utf-8", "surrogatepass")
        digest.update(b"%d:%b" % (len(text), text))
    return digest.hexdigest()


def changed(source: str) -> DataError:
    """What was planned is not what is there."""
    return DataError(
        f"{printable(source)} has changed since the plan was made",
        hint="run the command once without --shard: it plans anew, and what has not changed is not computed again",
    )


def source_of(given: str) -> Images:
    """The source that a path names.

    Raises:
        DataError: There is none.
    """
    if Path(given).is_dir():
        return Folder(given)
    raise DataError(f"{printable(given)}: no folder of images", hint="give a folder of images")
