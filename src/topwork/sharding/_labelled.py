"""The labelled features of a folder of shards, as what ``heads.fit_streamed`` reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from topwork.data import printable
from topwork.errors import DataError
from topwork.heads import Block, row_keys
from topwork.sharding._parts import Part, Parts


class LabelledShards:
    """Features with their classes, read from the parts that ``embed`` has written, a row group at a time.

    Rows without a class, or of another split, are passed over. All are read once at first, for their classes and ids;
    only a hash of each id is kept, 8 bytes a row.

    Args:
        out: A folder that ``embed`` has filled.
        splits: Which rows; None stands for those without a split.

    Attributes:
        names: Of the shards, as ``Parts`` has them.
        classes: Names in order; a label is a place in this list.
        rows: How many have a class.
        unlabelled: How many of these splits have none.

    Raises:
        TopworkError: There is no plan in the folder, or parts of it are missing.
        DataError: It holds no features, no row has a class, or an id is there twice.
    """

    def __init__(self, out: str, splits: Sequence[str | None] = ("train", None)) -> None:
        self._out, self._splits, self._parts = out, frozenset(splits), Parts(out)
        self.names = self._parts.names
        if self._parts.recipe["command"] != "embed":
            raise DataError(
                f"{printable(out)} holds no features", hint="topwork embed DATA -o OUT/ makes a folder of them"
            )
        found: set[str] = set()
        keys = [np.empty(0, np.uint64)]
        self.unlabelled = 0
        for part in self._parts:
            rows = self._rows(part)
            keys.append(row_keys([part.ids[row] for row in rows]))
            found.update(_label(part, row) for row in rows)
            self.unlabelled += sum(
                split in self._splits and label is None for split, label in zip(part.splits, part.labels, strict=True)
            )
        if not found:
            raise DataError(
                f"{printable(out)}: no row has a class", hint="embed folders of classes, or shards that name them"
            )
        self.classes = tuple(sorted(found))
        self._places = {name: place for place, name in enumerate(self.classes)}
        every = np.sort(np.concatenate(keys))
        self.rows = len(every)
        twice = every[1:][every[1:] == every[:-1]]
        if len(twice):
            raise DataError(
                f"{printable(out)}: the id {printable(self._id_of(twice[0]))} is there twice",
                hint="give each image an id of its own, and embed again into an empty folder",
            )

    def blocks(self, name: str) -> Iterator[Block]:
        """The rows of one shard."""
        for part in self._parts.part(name):
            rows = self._rows(part)
            labels = np.array([self._places[_label(part, row)] for row in rows], np.intp)
            yield Block(part.values[rows], labels, row_keys([part.ids[row] for row in rows]))

    def _rows(self, part: Part) -> list[int]:
        """Which rows have a class and are of the splits."""
        told = enumerate(zip(part.labels, part.splits, strict=True))
        return [row for row, (label, split) in told if label is not None and split in self._splits]

    def _id_of(self, key: np.uint64) -> str:
        return next(each for part in self._parts for each in part.ids if row_keys([each])[0] == key)


def _label(part: Part, row: int) -> str:
    found = part.labels[row]
    assert found is not None
    return found
