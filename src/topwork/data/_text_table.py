"""Reads a table of texts, also one whose first line is a row: which column is the label is told by what they hold."""

from __future__ import annotations

import contextlib
import csv
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from topwork.data._columns import Columns, Schema, is_called
from topwork.data._encoding import UTF_8, encoding_of
from topwork.data._listing import Listing
from topwork.data._names import printable
from topwork.data._source import hint_of, why
from topwork.data._table import Cells, Place, csv_reader, table_rows
from topwork.data._text_rows import SCHEMA, TextRows
from topwork.errors import DataError

_LOOKED_AT = 1000  # rows that are looked at
_FEWEST = 4  # rows by which a column is told
_DELIMITED = (".csv", ".tsv")


class _Headless(Columns):
    """The columns of a table that has no line for their names."""

    first_line_is_row = True

    def __init__(self, places: Mapping[str, int], wanted: Sequence[str]) -> None:
        super().__init__(None, "", SCHEMA, wanted)
        self._places = {column: place for column, place in places.items() if column in wanted}
        self.called = {column: str(place + 1) for column, place in self._places.items()}

    def find(self, names: Sequence[str], where: str) -> dict[str, int]:
        return self._places


class TextTable:
    """A table of texts that is about to be read.

    Args:
        path: Of the kind that its suffix says, one of ``TABLES``.
        asked: Column -> what it is called here; the others are found by their usual names.
        wanted: The columns that are read.
        like: One that it is a piece or another split of: it tells the columns of a table without a line for them that
            is too short to tell.
        schema: Which columns there must be.

    Raises:
        DataError: It is empty, or it cannot be told which encoding it is in.
    """

    def __init__(
        self,
        path: Path,
        asked: Mapping[str, str] | None = None,
        wanted: Sequence[str] = tuple(SCHEMA.names),
        like: TextTable | None = None,
        schema: Schema = SCHEMA,
    ) -> None:
        self.path = path
        with told_as_data_error(path):
            if not path.stat().st_size:
                raise DataError(f"{printable(str(path))}: the file is empty", hint=SCHEMA.hints[path.suffix.lower()])
            self._encoding = UTF_8 if path.suffix.lower() == ".parquet" else encoding_of(path)
            self._sample = self._first_rows() if path.suffix.lower() in _DELIMITED else []
        self.places = None if asked else places_told(self._sample)
        if like and like.places and _has_no_header(self._sample):
            self.places = like.places
        self.columns = (
            Columns(asked, schema.hints[path.suffix.lower()], schema, wanted)
            if self.places is None
            else _Headless(self.places, wanted)
        )

    def rows(self) -> Iterator[tuple[Place, Cells]]:
        """Where each row stands, and its cells.

        Raises:
            DataError: As :func:`~topwork.data._table.table_rows` says, and for what cannot be read.
        """
        with (
            told_as_data_error(self.path),
            contextlib.closing(table_rows(self.path, self.columns, self._encoding.opened)) as rows,
        ):
            yield from rows

    def texts(self, rows: TextRows, split: str = "") -> Iterator[str]:
        """The texts, once their rows are in the listing; then what there is to note."""
        yield from rows.of_table(self.rows(), split)
        name = printable(self.path.name)
        if self._encoding.title:
            rows.listing.notes.append(f"{name} is read as {self._encoding.title}")
        if self.columns.first_line_is_row:
            rows.listing.notes.append(
                f"{name} has no line that names the columns: column {self.columns.called['text']} is read as the text, "
                f"column {self.columns.called['label']} as the label"
            )
        rows.note_unused(self.columns)

    def require_classes(self, rows: TextRows) -> None:
        """Refuse labels that are no classes, as :meth:`TextRows.require_classes` does."""
        rows.require_classes(self.columns.called, self._likely_label())

    def _likely_label(self) -> str:
        """The name of a column that is not read and looks like the label; empty where there is none."""
        header, *rows = self._sample or [[]]
        for place, name in enumerate(header):
            values = [row[place] for row in rows]
            if name not in self.columns.called.values() and 2 <= len(set(values)) <= len(values) / 2:
                return name
        return ""

    def _first_rows(self) -> list[list[str]]:
        with self._encoding.opened(self.path, "") as file:
            return first_rows(file, self.path.suffix.lower())


def list_table(path: Path, asked: Mapping[str, str] | None = None, classes: Collection[str] | None = None) -> Listing:
    """List the texts of a table.

    Args:
        path: Of the kind that its suffix says, one of ``TABLES``.
        asked: Column -> what it is called here; the others are found by their usual names.
        classes: Those of a saved model; then the labels need not look like classes.

    Raises:
        DataError: What :class:`TextTable` raises, and labels that are no classes.
    """
    table, rows = TextTable(path, asked), TextRows(Listing(path.parent, table=path, what="text"))
    rows.store(table.texts(rows))
    if classes is None:
        table.require_classes(rows)
    return rows.listing


def first_rows(file: TextIO, suffix: str) -> list[list[str]]:
    """The first rows of delimited fields as they stand, as far as they are of one width."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        reader, _ = csv_reader(file, suffix)
        for row in itertools.islice(filter(any, reader), _LOOKED_AT):
            if rows and len(row) != len(rows[0]):
                break
            rows.append([cell.strip() for cell in row])
    return rows


def places_told(rows: Sequence[Sequence[str]]) -> dict[str, int] | None:
    """Column -> place in a table of two columns whose first line is a row; None where that is not certain.

    It is where no cell of the first line is a column's usual name, where one of them comes again further down and is
    one of few that stand there, and where the other column has more different texts, which are longer.
    """
    if len(rows) < _FEWEST or not _has_no_header(rows):
        return None
    for label, text in ((0, 1), (1, 0)):
        labels, texts = [row[label] for row in rows], [row[text] for row in rows]
        few = 2 * len(set(labels)) <= len(rows) and len(set(labels)) < len(set(texts))
        if few and labels[0] in labels[1:] and sum(map(len, labels)) < sum(map(len, texts)):
            return {"text": text, "label": label}
    return None


def _has_no_header(rows: Sequence[Sequence[str]]) -> bool:
    """Tell a table of two columns whose first line has no usual name of a column."""
    first = rows[0] if rows else []
    return len(first) == 2 and not any(is_called(cell, column, SCHEMA) for cell in first for column in SCHEMA.names)


@contextlib.contextmanager
def told_as_data_error(path: Path) -> Iterator[None]:
    """Tell what keeps a file from being read as topwork's own error."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{printable(str(path))}: {why(error)}", hint=hint_of(error)) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{printable(str(path))}: not {error.encoding} throughout: {error.reason}",
            hint=f"convert it to UTF-8: iconv -f ENCODING -t UTF-8 {printable(path.name)}",
        ) from error
