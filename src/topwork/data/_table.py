"""Gives the rows of a table, one after another: CSV, TSV, JSON lines, Parquet or a data frame, whatever they are of."""

from __future__ import annotations

import codecs
import contextlib
import csv
import itertools
import json
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from topwork._system import optional
from topwork.data._columns import Columns, Schema
from topwork.data._names import decoded, printable
from topwork.errors import DataError

_BATCH = 4096  # rows of Parquet
_LONGEST_FIELD = 2**28  # characters of a CSV field: an open quote must not take in a file of any size
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}


UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MARKS = (b"", codecs.BOM_UTF8, *UTF_16_MARKS)
"""All that stands in a file without a text."""


class Place(NamedTuple):
    """Where a row stands."""

    table: str
    unit: str
    number: int

    def __str__(self) -> str:
        return f"{printable(self.table)}, {self.unit} {self.number}"


Cells = dict[str, str]
"""Column -> its text, of one row; of columns that the table has."""

Rows = Generator[tuple[Place, Cells]]
Opened = Callable[[Path, str | None], TextIO]
"""Opens the text of a file, with line ends as ``open(newline=…)`` is told."""


def is_table(name: str) -> bool:
    """Tell by its suffix whether a file is a table that is read."""
    return Path(name).suffix.lower() in TABLES


def table_rows(table: Path, columns: Columns, opened: Opened | None = None) -> Rows:
    """The rows of a table, of the kind that its suffix says, one of ``TABLES``.

    Raises:
        DataError: It is none of its kind, a missing column, a row that is short or holds what its column may not.
            Names the line.
        OSError: It cannot be read.
        MissingExtraError: The package that reads this kind is not installed.
    """
    suffix = table.suffix.lower()
    with open(table, "rb") as file:
        if file.read(len(codecs.BOM_UTF8) + 1) in _MARKS:
            raise DataError(f"{printable(str(table))}: the file is empty", hint=columns.schema.hints[suffix])
    return TABLES[suffix](table, columns, opened or open_names)


def frame_cells(frame: Any, columns: Columns) -> dict[str, list[Any]]:
    """Column of a data frame -> its cells as they are."""
    places = columns.find([str(name) for name in frame.columns], "the data frame")
    return {column: frame.iloc[:, place].tolist() for column, place in places.items()}


def frame_rows(cells: Mapping[str, Sequence[Any]], schema: Schema) -> Rows:
    """The rows of a data frame's cells."""
    for number, values in enumerate(zip(*cells.values(), strict=True)):
        where = Place("the data frame", "row", number)
        named = zip(cells, map(plain, values), strict=True)
        yield where, {name: cell_text(name, value, where, schema) for name, value in named}


def plain(value: Any) -> Any:
    """A cell of a data frame as JSON would have it: NaN is nothing, whole numbers are integers, truths are text."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value.is_integer() else value
    return None if type(value).__name__ in ("NAType", "NaTType") else value  # what pandas has for nothing


def open_names(table: Path, newline: str | None) -> TextIO:
    """Its text: UTF-16 where its first bytes say so, as a spreadsheet's "Unicode text" is, and else UTF-8.

    A name that is not UTF-8 comes through as ``os.fsdecode`` would give it.
    """
    if is_utf16(table):
        return open(table, encoding="utf-16", errors="replace", newline=newline)
    return open(table, encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def is_utf16(table: Path) -> bool:
    """Tell by its first bytes."""
    with open(table, "rb") as file:
        return file.read(2) in UTF_16_MARKS


def _csv_rows(table: Path, columns: Columns, opened: Opened) -> Rows:
    """Rows and their lines, after a header that tells the delimiter (comma, semicolon or tab); a blank line is none,
    nor is one of delimiters alone, as a spreadsheet leaves them below a table.
    """
    with opened(table, "") as file:
        reader, delimiter = csv_reader(file, table.suffix.lower())
        try:
            header: list[str] = next(reader, [])
            places = columns.find(column_names(header), printable(str(table)))
            for cells in filter(any, itertools.chain([header] if columns.first_line_is_row else [], reader)):
                where = Place(table.name, "line", reader.line_num)
                if len(cells) != len(header):
                    raise DataError(
                        f"{where}: {len(cells)} fields, expected {len(header)}",
                        hint=f"put a field that contains {_DELIMITERS[delimiter]} in double quotes",
                    )
                yield where, {column: cells[place] for column, place in places.items()}
        except csv.Error as error:
            where = Place(str(table), "line", reader.line_num)
            raise DataError(f"{where}: not a CSV file: {error}", hint=_QUOTES_HINT) from error


_QUOTES_HINT = 'put a field that begins with a double quote in double quotes, and write "" for each one in it'


def csv_reader(file: TextIO, suffix: str) -> tuple[Any, str]:
    """What gives the lines of a file of delimited fields, and the delimiter, which its first line tells."""
    first = file.readline()
    file.seek(0)
    delimiter = "\t" if suffix == ".tsv" and "\t" in first else max(_DELIMITERS, key=first.count)
    quoted = delimiter != "\t" or _has_quoting(file)
    file.seek(0)
    # The limit is the whole process's; it is raised for good, since a reader beside this one may need it.
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    if quoted:
        return csv.reader(file, strict=True, delimiter=delimiter), delimiter
    return csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE), delimiter


def _has_quoting(lines: Iterator[str]) -> bool:
    """Tell whether the fields between tabs are quoted as those of CSV are, or quotes are part of what they say.

    They are where lines are of different width, since a line end may then stand in quotes. In lines of one width they
    are where every field that begins with a quote is quoted right, and one holds a doubled quote or none is plain.
    """
    widths: set[int] = set()
    doubled, right, plain = False, True, False
    for line in lines:
        content = line.rstrip("\r\n")
        if not content:
            continue
        fields = content.split("\t")
        widths.add(len(fields))
        if '"' not in content:
            plain = True
            continue
        for field in fields:
            if not field.startswith('"'):
                plain = True
                continue
            inner = field[1:-1].replace('""', "")
            right = right and len(field) > 1 and field.endswith('"') and '"' not in inner
            doubled = doubled or '""' in field[1:-1]
        if len(widths) > 1:
            return True
    return right and (doubled or not plain)


def column_names(header: Sequence[str]) -> list[str]:
    """The columns' names: in their own encoding where that can be told, without white space, and each with one."""
    texts: dict[str, str] = {}
    with contextlib.suppress(UnicodeError):
        texts = decoded(header)[0]
    stripped = [texts.get(name, name).strip() for name in header]
    return [name or f"Unnamed: {place}" for place, name in enumerate(stripped)]  # as pandas calls them


def _json_rows(table: Path, columns: Columns, opened: Opened) -> Rows:
    """Rows and their lines, each an object."""
    longest = columns.schema.longest
    with opened(table, "\n") as file:
        for number, line in enumerate(iter(lambda: file.readline(longest), ""), start=1):
            where = Place(table.name, "line", number)
            if len(line) == longest:
                raise DataError(f"{where}: longer than {longest:,} characters")
            if not line.isspace():
                yield where, _json_cells(line, columns, where)


def _json_cells(line: str, columns: Columns, where: Place) -> Cells:
    hint = columns.schema.hints[".jsonl"]
    try:
        pairs = json.loads(line, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, or a number of thousands of digits
        raise DataError(f"{where}: not JSON: {printable(str(error))}", hint=hint) from error
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs) or not pairs:
        raise DataError(f"{where}: not an object", hint=hint)
    places = columns.find([name for name, _ in pairs], str(where))
    return {column: cell_text(column, pairs[place][1], where, columns.schema) for column, place in places.items()}


def cell_text(column: str, value: Any, where: Place, schema: Schema) -> str:
    """What stands in a cell as text.

    Raises:
        DataError: It may not stand in this column.
    """
    if isinstance(value, str):
        return value
    if column in schema.scalars and isinstance(value, bool | int | float):
        value = plain(value)
        if value is not None:
            return str(value)
    if value is None and column in schema.gaps:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and column in schema.numbers:
        return str(value)
    shown = printable(json.dumps(value, default=lambda value: type(value).__name__))[:40]
    hint = schema.hints[".jsonl"] if where.unit == "line" else ""
    raise DataError(f"{where}: '{column}' is {shown}, expected text", hint=hint)


def _parquet_rows(table: Path, columns: Columns, _: Opened) -> Rows:
    """Rows and their numbers."""
    arrow = optional("pyarrow", extra="parquet", what="a Parquet manifest")
    parquet = optional("pyarrow.parquet", extra="parquet", what="a Parquet manifest")
    name, schema = printable(str(table)), columns.schema
    try:
        with parquet.ParquetFile(table) as file:
            names = file.schema_arrow.names
            places = columns.find(names, name)
            for column, place in places.items():
                _check_type(arrow.types, file.schema_arrow.field(place), column, schema, name)
            wanted = [names[place] for place in places.values()]
            batches = file.iter_batches(batch_size=_BATCH, columns=wanted)
            for number, row in enumerate((row for batch in batches for row in batch.to_pylist()), start=1):
                where = Place(table.name, "row", number)
                cells = {column: row[names[place]] for column, place in places.items()}
                for column, value in cells.items():
                    if value is None and column not in schema.gaps:
                        raise DataError(f"{where}: the {column} is missing")
                yield where, {column: _parquet_text(column, value, where, schema) for column, value in cells.items()}
    except (OSError, UnicodeError, arrow.ArrowException) as error:
        raise DataError(f"{name}: not a Parquet file that can be read: {printable(str(error))}") from error


def _check_type(types: Any, field: Any, column: str, schema: Schema, name: str) -> None:
    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    text = types.is_string(kind) or types.is_large_string(kind)
    number = types.is_integer(kind) and column in schema.numbers
    scalar = (types.is_floating(kind) or types.is_boolean(kind)) and column in schema.scalars
    raw = (types.is_binary(kind) or types.is_large_binary(kind)) and column in schema.binary
    raw = raw and field.name not in ("image", "img")  # these hold the image itself
    if not (text or number or scalar or raw or types.is_null(kind)):
        hint = schema.hints[".parquet"]
        raise DataError(f"{name}: column '{field.name}' is of type {field.type}, expected text", hint=hint)


def _parquet_text(column: str, value: Any, where: Place, schema: Schema) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return cell_text(column, value, where, schema)


TABLES: dict[str, Callable[[Path, Columns, Opened], Rows]] = {
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".jsonl": _json_rows,
    ".parquet": _parquet_rows,
}
"""Suffix -> what gives its rows."""
