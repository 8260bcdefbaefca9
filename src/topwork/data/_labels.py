"""Reads a table that says the classes of rows which lie elsewhere: ``id,label[,split]``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from topwork.data._columns import LABEL_NAMES, SPLIT_NAMES, Columns, Schema
from topwork.data._layout import SplitCells
from topwork.data._listing import label_fault
from topwork.data._manifest import SCHEMA as IMAGES
from topwork.data._names import printable
from topwork.data._source import why
from topwork.data._table import TABLES, table_rows
from topwork.errors import DataError

_HINT = (
    "the first line names the columns: id,label and, if wanted, split; other names are told by "
    "--columns id=NAME,label=NAME"
)
_SCHEMA = Schema(
    names={"id": ("path", *IMAGES.names["path"]), "label": LABEL_NAMES, "split": SPLIT_NAMES},
    required=("id", "label"),
    numbers=("id", "label"),
    scalars=(),
    gaps=("label", "split"),
    binary=("id",),
    hints=dict.fromkeys(TABLES, _HINT),
    longest=2**20,
)


class ToldLabel(NamedTuple):
    """What a table says of one row; the split is empty where it has no such column."""

    id: str
    label: str
    split: str
    where: str


def table_labels(table: str, columns: Mapping[str, str] | None = None) -> Iterator[ToldLabel]:
    """The classes that a table (CSV, TSV, JSONL, Parquet) gives to ids, one row after another; no class is no row.

    Args:
        table: The file.
        columns: Column -> what it is called here; the others are found by their usual names.

    Raises:
        DataError: It cannot be read, a column is missing, a row is short, or a split has no known name. Names the line.
        MissingExtraError: The package that reads this kind is not installed.
    """
    path = Path(table)
    if path.suffix.lower() not in TABLES:
        raise DataError(f"{printable(table)}: not a table of labels", hint="give a CSV, TSV, JSONL or Parquet file")
    splits = SplitCells()
    try:
        with contextlib.closing(table_rows(path, Columns(columns, _HINT, _SCHEMA))) as rows:
            for where, cells in rows:
                label = cells["label"]
                if not label.strip():
                    continue
                if fault := label_fault(label):
                    raise DataError(f"{where}: {fault}")
                split = splits.named(cells.get("split", ""), str(where))
                yield ToldLabel(printable(cells["id"]), label, split, str(where))
    except OSError as error:
        raise DataError(f"{printable(table)}: {why(error)}") from error
