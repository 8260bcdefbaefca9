"""Tables that commands write row by row: CSV or Parquet."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from topwork._text import csv_cell, encodable
from topwork.cli._text import printable
from topwork.errors import TopworkError

Row = Mapping[str, Any]
Write = Callable[[Row], None]

_ROWS = 1_000  # of a Parquet file that are written at once


@contextlib.contextmanager
def csv_table(path: Path) -> Iterator[Write]:
    """Gives what writes a row to a CSV file; all rows have the columns of the first.

    Raises:
        TopworkError: The file cannot be written.
    """
    with _opened(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer: csv.DictWriter[str] | None = None

        def write(row: Row) -> None:
            nonlocal writer
            if writer is None:
                writer = csv.DictWriter(file, list(row))
                writer.writerow({name: csv_cell(name) for name in row})
            writer.writerow({name: csv_cell(value) for name, value in row.items()})

        yield write


@contextlib.contextmanager
def parquet_table(path: Path) -> Iterator[Write]:
    """Gives what writes a row to a Parquet file; all rows have the columns of the first.

    Raises:
        TopworkError: The file cannot be written.
        MissingExtraError: pyarrow is not installed.
    """
    from topwork._system import optional

    arrow = optional("pyarrow", extra="parquet", what="a Parquet file")
    parquet = optional("pyarrow.parquet", extra="parquet", what="a Parquet file")
    rows: list[dict[str, Any]] = []
    with _opened(path, "wb") as file, contextlib.ExitStack() as stack:
        writer: Any = None

        def flush() -> None:
            nonlocal writer
            if rows:
                schema = _schema(arrow, rows) if writer is None else writer.schema
                writer = writer or stack.enter_context(parquet.ParquetWriter(file, schema))
                writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
                rows.clear()

        def write(row: Row) -> None:
            rows.append({name: _text(value) for name, value in row.items()})
            if len(rows) == _ROWS:
                flush()

        yield write
        flush()


def _opened(path: Path, mode: str, **how: Any) -> IO[Any]:
    """The file, opened before any row is there: a place that cannot be written costs no work."""
    try:
        return path.open(mode, **how)
    except OSError as error:
        raise TopworkError(
            f"{printable(str(path))}: cannot be written: {error.strerror or error}",
            hint="choose a file in an existing, writable folder",
        ) from error


def _schema(arrow: Any, rows: list[dict[str, Any]]) -> Any:
    """The columns' types; one without a value so far will hold numbers, as a probability does."""
    found = arrow.Table.from_pylist(rows).schema
    return arrow.schema([(each.name, arrow.float64() if each.type == arrow.null() else each.type) for each in found])


def _text(value: Any) -> Any:
    """A name that is not UTF-8, or a text with a lone surrogate, as text that can be written."""
    found = encodable(value)
    return found.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if isinstance(found, str) else found
