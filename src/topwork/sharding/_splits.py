"""Classes and splits of rows in shards that the parts do not hold: told by a table, or drawn by content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from topwork._arrays import AnyArray, IntpArray
from topwork.data import printable, quoted, table_labels
from topwork.errors import DataError
from topwork.heads import row_keys
from topwork.sharding._labelled import content_of
from topwork.sharding._parts import Part

_STEP, *_MIX = 0x9E3779B97F4A7C15, np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)  # of splitmix64


@dataclass(frozen=True)
class HeldOut:
    """Sets rows aside as ``test`` by a hash of their image's content, so that copies of an image stay together.

    Args:
        share: Of all rows, 0 or more and below 1.
        seed: Another one draws others.
    """

    share: float
    seed: int

    def __call__(self, part: Part) -> Sequence[str | None]:
        """The split of each row."""
        aside = mixed(content_of(part), self.seed) < np.uint64(self.share * 2.0**64)
        return ["test" if each else "train" for each in aside.tolist()]


def mixed(keys: AnyArray, seed: int) -> AnyArray:
    """Keys (N,) uint64 shuffled by a seed: equal ones stay equal, others become as if drawn."""
    found = keys + np.uint64(_STEP * (2 * seed + 1) % 2**64)
    found = (found ^ (found >> np.uint64(30))) * _MIX[0]
    found = (found ^ (found >> np.uint64(27))) * _MIX[1]
    return np.asarray(found ^ (found >> np.uint64(31)), np.uint64)


class TableOfLabels:
    """What a table ``id,label[,split]`` says of rows in shards; 14 bytes are kept of each of its lines.

    Args:
        table: CSV, TSV, JSONL or Parquet.
        columns: Column -> what it is called there; the others are found by their usual names.

    Attributes:
        has_splits: Whether it says the split of each row.

    Raises:
        DataError: It cannot be read, is empty, or gives one id two classes or splits.
    """

    def __init__(self, table: str, columns: Mapping[str, str] | None = None) -> None:
        self._table = table
        labels: dict[str, int] = {}
        splits: dict[str, int] = {}
        keys, codes = [np.empty(0, np.uint64)], [np.empty((0, 2), np.int32)]
        ids: list[str] = []
        told: list[tuple[int, int]] = []
        for row in table_labels(table, columns):
            ids.append(row.id)
            told.append((labels.setdefault(row.label, len(labels)), splits.setdefault(row.split, len(splits))))
            if len(ids) == 65536:
                keys.append(row_keys(ids))
                codes.append(np.array(told, np.int32))
                ids, told = [], []
        keys.append(row_keys(ids))
        codes.append(np.array(told, np.int32).reshape(-1, 2))
        every = np.concatenate(keys)
        if not len(every):
            raise DataError(f"{printable(table)}: no row has a class", hint="the table needs a line for each image")
        order = np.argsort(every, kind="stable")
        self._keys, self._codes = every[order], np.concatenate(codes)[order]
        self._labels, self._splits = list(labels), [split or None for split in splits]
        self.has_splits = any(splits)
        self._require_one()

    def _require_one(self) -> None:
        same = self._keys[1:] == self._keys[:-1]
        other = np.flatnonzero(same & (self._codes[1:] != self._codes[:-1]).any(axis=1))
        if len(other):
            labels = [self._labels[self._codes[other[0] + after, 0]] for after in (0, 1)]
            raise DataError(
                f"{printable(self._table)}: one id has two classes or splits: {quoted(labels)}",
                hint="keep one line for each id",
            )

    def __len__(self) -> int:
        return len(self._keys)

    def labels(self, part: Part) -> Sequence[str | None]:
        """The class of each row of a part; None where the table has none."""
        return [None if place < 0 else self._labels[self._codes[place, 0]] for place in self._places(part).tolist()]

    def splits(self, part: Part) -> Sequence[str | None]:
        """The split of each row of a part."""
        return [None if place < 0 else self._splits[self._codes[place, 1]] for place in self._places(part).tolist()]

    def _places(self, part: Part) -> IntpArray:
        keys = row_keys(part.ids)
        found = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[found] == keys, found, -1)
