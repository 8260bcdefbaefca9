"""The labelled features of a folder of shards, as what ``heads.fit_streamed`` reads."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from topwork._arrays import AnyArray, BoolArray, IntpArray
from topwork.data import printable, quoted
from topwork.errors import DataError
from topwork.heads import Block, row_keys
from topwork.sharding._parts import Part, Parts

Told = Callable[[Part], Sequence[str | None]]
"""Of a part's rows, something that is told of each."""


class LabelledShards:
    """Features with their classes, read from the parts that ``embed`` has written, a row group at a time.

    Rows without a class, or of another split, are passed over. All are looked at once at first, for their classes and
    ids; only a hash of each id is kept, 8 bytes a row.

    Args:
        out: A folder that ``embed`` has filled.
        splits: Which rows; None stands for those without a split.
        labels: The rows' classes, where they are not those that the parts hold.
        split_of: The rows' splits, where they are not those that the parts hold.

    Attributes:
        names: Of the shards, as ``Parts`` has them.
        recipe: What made the features, as the plan tells it.
        classes: Names in order, of the rows in these splits; a label is a place in this list.
        counts: Rows of each class in these splits.
        told: How many rows each split has that have a class; None among them stands for rows without a split.
        unlabelled: How many rows of these splits have none.
        errors: How many rows of the folder hold an error instead of features.

    Raises:
        TopworkError: There is no plan in the folder, or parts of it are missing.
        DataError: It holds no features, no row has a class, or an id is there twice.
    """

    def __init__(
        self,
        out: str,
        splits: Sequence[str | None] = ("train", None),
        *,
        labels: Told | None = None,
        split_of: Told | None = None,
    ) -> None:
        self._out, self._splits, self._parts = out, frozenset(splits), Parts(out)
        self._labels, self._split_of = labels or (lambda part: part.labels), split_of or (lambda part: part.splits)
        self._are_told = labels is not None
        self.names, self.recipe = self._parts.names, self._parts.recipe
        if self.recipe["command"] != "embed":
            raise DataError(
                f"{printable(out)} holds no features", hint="topwork embed DATA -o OUT/ makes a folder of them"
            )
        self.errors = 0
        self._cells = self._look()
        self._name_classes()

    def _name_classes(self) -> None:
        of_these = {label for split, label in self._cells if split in self._splits and label is not None}
        if self._are_told and not any(self.told.values()):
            id = next((id for part in self._parts for id in part.ids), "")
            raise DataError(
                f"none of the table's ids is in {printable(self._out)}",
                hint=f"write ids as the column id of the parts does, such as {printable(id)}",
            )
        if not of_these:
            raise DataError(
                f"{printable(self._out)}: no row has a class", hint="embed folders of classes, or shards that name them"
            )
        self.classes = tuple(sorted(of_these))
        self._places = {name: place for place, name in enumerate(self.classes)}

    def only(self, *splits: str | None) -> LabelledShards:
        """The rows of other splits, with the classes that those have.

        Raises:
            DataError: None of them has a class.
        """
        found = copy.copy(self)
        found._splits = frozenset(splits)
        found._name_classes()
        return found

    def beside(self, *splits: str | None) -> LabelledShards:
        """The rows of other splits, with the classes of these.

        Raises:
            DataError: One of them has a class that none of these rows have.
        """
        found = copy.copy(self)
        found._splits = frozenset(splits)
        there = {label for split, label in self._cells if split in found._splits and label is not None}
        strange = sorted(there - {*self.classes})
        if strange:
            raise DataError(
                f"{printable(self._out)}: no training row has the class {quoted(strange[:3])} of held-out rows",
                hint="leave its rows out, or add some to the training data",
            )
        return found

    @property
    def rows(self) -> int:
        """How many have a class."""
        return int(self.counts.sum())

    @property
    def counts(self) -> IntpArray:
        """(C,), as told above."""
        cells = [sum(self._cells[split, label] for split in self._splits) for label in self.classes]
        return np.array(cells, np.intp)

    @property
    def told(self) -> Counter[str | None]:
        """As told above."""
        found: Counter[str | None] = Counter()
        for (split, label), count in self._cells.items():
            if label is not None:
                found[split] += count
        return found

    @property
    def unlabelled(self) -> int:
        """As told above."""
        return sum(self._cells[split, None] for split in self._splits)

    def blocks(self, name: str) -> Iterator[Block]:
        """The rows of one shard."""
        return (block for block, _ in self.hashed_blocks(name))

    def hashed_blocks(self, name: str) -> Iterator[tuple[Block, AnyArray]]:
        """The same, each with 8 bytes of its images' content (N,) uint64."""
        for part in self._parts.part(name):
            rows, labels = self._rows(part)
            keys = row_keys([part.ids[row] for row in rows.tolist()])
            yield Block(part.values[rows], labels, keys), content_of(part)[rows]

    def _rows(self, part: Part) -> tuple[IntpArray, IntpArray]:
        """Which rows have a class and are of the splits, and their labels."""
        told = zip(self._labels(part), self._split_of(part), strict=True)
        labels = [-1 if label is None or split not in self._splits else self._places[label] for label, split in told]
        found = np.array(labels, np.intp)
        kept: BoolArray = found >= 0
        return np.flatnonzero(kept), found[kept]

    def _look(self) -> Counter[tuple[str | None, str | None]]:
        """How many rows each split has of each class; refuses an id that is there twice."""
        cells: Counter[tuple[str | None, str | None]] = Counter()
        keys = [np.empty(0, np.uint64)]
        for part in self._told_parts():
            labels = self._labels(part)
            cells.update(zip(self._split_of(part), labels, strict=True))
            self.errors += part.errors
            keys.append(row_keys([each for each, label in zip(part.ids, labels, strict=True) if label is not None]))
        every = np.sort(np.concatenate(keys))
        twice = every[1:][every[1:] == every[:-1]]
        if len(twice):
            raise DataError(
                f"{printable(self._out)}: the id {printable(self._id_of(twice[0]))} is there twice",
                hint="give each image an id of its own, and embed again into an empty folder",
            )
        return cells

    def _told_parts(self) -> Iterator[Part]:
        return (part for name in self.names for part in self._parts.part(name, values=False))

    def _id_of(self, key: np.uint64) -> str:
        return next(each for part in self._told_parts() for each in part.ids if row_keys([each])[0] == key)


def content_of(part: Part) -> AnyArray:
    """8 bytes (N,) uint64 of each image's content, as feature tables have them."""
    return np.frombuffer(b"".join(part.hashes), "<u8")[::2].astype(np.uint64)
