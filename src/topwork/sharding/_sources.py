"""What a source of images is: it cuts itself into pieces, and gives the rows of one piece."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from topwork.data import Source, printable
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

    def first(self, scratch: Path) -> Iterator[Row]:
        """Its first images."""

    def rows(self, piece: Piece, scratch: Path) -> Iterator[Row]:
        """The images of one piece, always in the same order; what must be fetched comes into the scratch folder.

        Raises:
            DataError: The source is no longer what the piece was cut from, or cannot be read.
        """


def hash_of(names: Iterable[str]) -> str:
    """SHA-256 of a list of names, in hexadecimal; no two lists run together into the same."""
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
