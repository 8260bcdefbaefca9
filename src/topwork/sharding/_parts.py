"""Parts: one Parquet file a shard, written row group by row group, and all of them read back without holding them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._system import optional
from topwork.errors import TopworkError
from topwork.sharding._places import place_of
from topwork.sharding._plan import names_in
from topwork.sharding._recipe import Recipe, Values

GROUP = 1024
"""Rows of a part that are in memory at once."""

_KEY = 16  # bytes of an image's content key
_VALUES = ("features", "probabilities")
_TOLD = ("id", "label", "split", "hash")


class Cells(NamedTuple):
    """One row of a part; no values where there is an error."""

    id: str
    values: npt.NDArray[Any] | None
    hash: bytes | None
    label: str | None
    split: str | None
    error: str | None


class Writer:
    """Writes the rows of one part; the same rows give the same bytes under one version of Arrow."""

    def __init__(self, path: Path, recipe: Recipe) -> None:
        parquet = _parquet()
        self._recipe = recipe
        self._schema = _schema(recipe)
        self._waiting: list[Cells] = []
        few = ["label", "split", "error"]
        self._file = parquet.ParquetWriter(path, self._schema, compression="zstd", use_dictionary=few)

    def add(self, cells: Cells) -> None:
        """Take one row."""
        self._waiting.append(cells)
        if len(self._waiting) == GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        if self._waiting:
            self._flush()
        self._file.close()

    def _flush(self) -> None:
        arrow = _arrow()
        rows, self._waiting = self._waiting, []
        width, gone = self._recipe.width, np.array([row.values is None for row in rows])
        values = np.zeros((len(rows), width), self._recipe.type)
        if not gone.all():
            values[~gone] = [row.values for row in rows if row.values is not None]
        columns = {
            "id": [row.id for row in rows],
            self._recipe.column: arrow.FixedSizeListArray.from_arrays(
                arrow.array(values.ravel()), width, mask=arrow.array(gone)
            ),
            "hash": [row.hash for row in rows],
            "label": [row.label for row in rows],
            "split": [row.split for row in rows],
            "error": [row.error for row in rows],
        }
        self._file.write_table(arrow.table(columns, schema=self._schema), row_group_size=GROUP)


def _schema(recipe: Recipe) -> Any:
    arrow = _arrow()
    values = arrow.list_(arrow.from_numpy_dtype(np.dtype(recipe.type)), recipe.width)
    text = arrow.string()
    return arrow.schema(
        [
            arrow.field("id", text, nullable=False),
            (recipe.column, values),
            ("hash", arrow.binary(_KEY)),
            ("label", text),
            ("split", text),
            ("error", text),
        ]
    )


class Part(NamedTuple):
    """Rows of one part that have values: N of them, at most ``GROUP``.

    Attributes:
        ids: Their names.
        values: (N, width), float16 features or float32 probabilities.
        labels: Classes; None where a row has none.
        splits: ``train``, ``val``, ``test``, or None.
        hashes: 16 bytes of each image's content.
        name: Of the shard.
        errors: Rows beside these that have an error instead.
    """

    ids: list[str]
    values: Values
    labels: list[str | None]
    splits: list[str | None]
    hashes: list[bytes]
    name: str
    errors: int


class Parts:
    """The parts of a folder, in the order of their names; iterating gives one :class:`Part` after another.

    Rows that have an error are passed over. It can be iterated any number of times, and holds one row group at a time.

    Args:
        out: A folder that ``embed`` or ``predict`` has filled.

    Raises:
        TopworkError: There is no plan in it, or parts of it are missing.
    """

    def __init__(self, out: str) -> None:
        self.recipe, names = names_in(out)
        self._place = place_of(out)
        there = self._place.names()
        missing = [name for name in names if f"part-{name}.parquet" not in there]
        if missing:
            raise TopworkError(
                f"{out} is not complete: {len(missing):,} of {len(names):,} shards are missing",
                hint="run the command that fills it again: it does what is missing",
            )
        self.names = tuple(sorted(set(names)))

    def __iter__(self) -> Iterator[Part]:
        for name in self.names:
            yield from self.part(name)

    def part(self, name: str, *, values: bool = True) -> Iterator[Part]:
        """The rows of one shard, some at a time; without their values, (N, 0), where nobody needs to read them."""
        with self._place.local(f"part-{name}.parquet") as path:
            file = _parquet().ParquetFile(path, memory_map=False)
            try:
                column = next(each for each in _VALUES if each in file.schema_arrow.names)
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group, columns=[*_TOLD, "error", *([column] if values else [])])
                    yield _part(table, column if values else "", name)
            finally:
                file.close()

    def __len__(self) -> int:
        return len(self.names)


def _part(table: Any, column: str, name: str) -> Part:
    errors = len(table) - table["error"].null_count
    table = table.filter(table["error"].is_null()) if errors else table
    ids, labels, splits, hashes = (table[each].to_pylist() for each in _TOLD)
    values = _values(table[column]) if column else np.empty((len(ids), 0), np.float16)
    return Part(ids, values, labels, splits, hashes, name, errors)


def _values(column: Any) -> Values:
    lists = column.combine_chunks()
    lists = lists.chunk(0) if hasattr(lists, "num_chunks") else lists
    found: Values = lists.flatten().to_numpy(zero_copy_only=False).reshape(len(lists), lists.type.list_size)
    return found


def _arrow() -> Any:
    return optional("pyarrow", extra="parquet", what="a folder of shards")


def _parquet() -> Any:
    return optional("pyarrow.parquet", extra="parquet", what="a folder of shards")
