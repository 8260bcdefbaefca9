"""Lists the images that a manifest names (CSV, JSONL, Parquet or a data frame): ``path,label[,split][,group]``.

Each kind gives its rows to :class:`ManifestRows`, which checks them and gathers them in a listing.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import json
import math
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from topwork._system import optional
from topwork.data._listing import Listing
from topwork.data._manifest_rows import REQUIRED, Columns, ManifestRows, Row, path_here
from topwork.data._names import decoded, printable, quoted
from topwork.data._source import why
from topwork.errors import DataError

_CSV_HINT = (
    "the first line names the columns: path,label and, if wanted, split,group; "
    "other names are told by --columns path=NAME,label=NAME"
)
_JSONL_HINT = 'one object a line: {"path": "cat/1.jpg", "label": "cat"} and, if wanted, "split" and "group"'
_PARQUET_HINT = (
    "the columns are path,label and, if wanted, split,group; a file that holds the images themselves: "
    'topwork.read(datasets.load_dataset("parquet", data_files=…))'
)
_MAX_LINE = 2**20  # characters of JSON: keeps a file without line ends out of memory
_BATCH = 4096  # rows of Parquet
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}


def list_manifest(manifest: Path, columns: Mapping[str, str] | None = None) -> Listing:
    """List what a manifest, of the kind that its suffix says, names; no path may leave the manifest's folder.

    A file that is missing, unreadable or not regular is left out and listed. What it is called does not matter: who
    names a file in a manifest means it.

    Args:
        manifest: Of the kind that its suffix says, one of ``MANIFESTS``.
        columns: Column -> what it is called here; the others are found by their usual names.

    Raises:
        DataError: It cannot be read, a missing column, a row that is short, blank or of another split than it
            says elsewhere, a path that is absolute or leaves the folder. Names the line.
        MissingExtraError: The package that reads this kind is not installed.
    """
    rows_of, hint = MANIFESTS[manifest.suffix.lower()]
    try:
        found = Columns(columns, hint)
        return _gathered(manifest, rows_of(manifest, found), found)
    except OSError as error:
        raise DataError(f"{printable(str(manifest))}: {why(error)}") from error


def is_manifest(name: str) -> bool:
    """Tell by its suffix whether a file names images."""
    return os.path.splitext(name)[1].lower() in MANIFESTS


def manifest_paths(manifest: Path, columns: Mapping[str, str] | None = None) -> Iterator[str]:
    """The images that a manifest names, without their labels; a relative path starts at the manifest's folder.

    Raises:
        DataError: It cannot be read, or has no column of paths.
        MissingExtraError: The package that reads this kind is not installed.
    """
    rows_of, hint = MANIFESTS[manifest.suffix.lower()]
    folder = "" if manifest.parent == Path() else manifest.parent
    try:
        for _, row in rows_of(manifest, Columns(columns, hint, ("path",))):
            path = os.path.join(folder, row.path)
            with contextlib.suppress(UnicodeError):
                other = path if os.path.lexists(path) else os.path.join(folder, path_here(row.path))
                path = other if os.path.lexists(other) else path
            yield path
    except OSError as error:
        raise DataError(f"{printable(str(manifest))}: {why(error)}") from error


def list_frame(frame: Any, columns: Mapping[str, str] | None = None) -> Listing:
    """List what a data frame names; paths are absolute, or relative to the working folder.

    Raises:
        DataError: As :func:`list_manifest` says.
    """
    found = Columns(columns, "a data frame has the columns path,label and, if wanted, split,group")
    places = found.find([str(name) for name in frame.columns], "the data frame")
    cells = {column: frame.iloc[:, place].tolist() for column, place in places.items()}
    paths = [os.path.abspath(os.fspath(path)) if isinstance(path, str | os.PathLike) else "" for path in cells["path"]]
    root = os.path.commonpath([os.path.dirname(path) for path in paths if path]) if any(paths) else os.getcwd()
    cells["path"] = [os.path.relpath(path, root).replace(os.sep, "/") if path else "" for path in paths]

    return _gathered(Path(root) / "data frame", _frame_rows(cells), found)


def _frame_rows(cells: Mapping[str, Sequence[Any]]) -> Placed:
    for number, values in enumerate(zip(*cells.values(), strict=True)):
        where, named = f"the data frame, row {number}", dict(zip(cells, map(_plain, values), strict=True))
        yield where, Row(**{name: _json_text(name, value, where) for name, value in named.items()})


def _plain(value: Any) -> Any:
    """A cell of a data frame as JSON would have it: NaN is nothing, whole numbers are integers, truths are text."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value.is_integer() else value
    return value


Placed = Generator[tuple[str, Row]]
"""Where each row stands, for messages, and the row."""


def _gathered(manifest: Path, rows: Placed, columns: Columns) -> Listing:
    gathered = ManifestRows(manifest)
    with contextlib.closing(rows):
        for where, row in rows:
            gathered.add(row, where)
    if columns.unused:
        gathered.listing.notes.append(f"unused columns: {quoted(columns.unused)}")
    return gathered.listing


def _opened(manifest: Path, newline: str) -> TextIO:
    """Its text: UTF-16 where its first bytes say so, as a spreadsheet's "Unicode text" is, and else UTF-8.

    A name that is not UTF-8 comes through as ``os.fsdecode`` would give it.
    """
    with open(manifest, "rb") as file:
        utf16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if utf16:
        return open(manifest, encoding="utf-16", errors="replace", newline=newline)
    return open(manifest, encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _csv_rows(manifest: Path, columns: Columns) -> Placed:
    """Rows and their lines, after a header that tells the delimiter (comma, semicolon or tab); a blank line is none,
    nor is one of delimiters alone, as a spreadsheet leaves them below a table.
    """
    try:
        with _opened(manifest, newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(_DELIMITERS, key=first.count)
            reader = csv.reader(file, strict=True, delimiter=delimiter)
            header = _header(next(reader, []))
            places = columns.find(header, printable(str(manifest)))
            for cells in filter(any, reader):
                where = f"{printable(manifest.name)}, line {reader.line_num}"
                if len(cells) != len(header):
                    raise DataError(
                        f"{where}: {len(cells)} fields, expected {len(header)}",
                        hint=f"put a field that contains {_DELIMITERS[delimiter]} in double quotes",
                    )
                yield where, Row(**{column: cells[place] for column, place in places.items()})
    except csv.Error as error:
        raise DataError(f"{printable(str(manifest))}: not a CSV file: {error}") from error


def _header(names: Sequence[str]) -> list[str]:
    """The columns' names: in their own encoding where that can be told, without white space, and each with one."""
    texts: dict[str, str] = {}
    with contextlib.suppress(UnicodeError):
        texts = decoded(names)[0]
    stripped = [texts.get(name, name).strip() for name in names]
    return [name or f"Unnamed: {place}" for place, name in enumerate(stripped)]  # as pandas calls them


def _jsonl_rows(manifest: Path, columns: Columns) -> Placed:
    """Rows and their lines, each an object.

    A label or a group may be a whole number, which is read as its digits; ``null`` is a split or a group that is not
    given.
    """
    with _opened(manifest, newline="\n") as file:
        for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE), ""), start=1):
            where = f"{printable(manifest.name)}, line {number}"
            if len(line) == _MAX_LINE:
                raise DataError(f"{where}: longer than {_MAX_LINE:,} characters")
            if not line.isspace():
                yield where, _json_row(line, columns, where)


def _json_row(line: str, columns: Columns, where: str) -> Row:
    try:
        pairs = json.loads(line, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, or a number of thousands of digits
        raise DataError(f"{where}: not JSON: {printable(str(error))}", hint=_JSONL_HINT) from error
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs) or not pairs:
        raise DataError(f"{where}: not an object", hint=_JSONL_HINT)
    places = columns.find([name for name, _ in pairs], where)
    return Row(**{column: _json_text(column, pairs[place][1], where) for column, place in places.items()})


def _json_text(name: str, value: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    if value is None and name in ("split", "group"):
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and name in ("label", "group"):
        return str(value)
    raise DataError(f"{where}: '{name}' is {printable(json.dumps(value))[:40]}, expected text", hint=_JSONL_HINT)


def _parquet_rows(manifest: Path, columns: Columns) -> Placed:
    """Rows and their numbers.

    Columns are text; ``path`` may be binary, for names that are not UTF-8, and ``label`` and ``group`` whole numbers,
    which are read as their digits. A missing ``split`` or ``group`` is one that is not given.
    """
    arrow = optional("pyarrow", extra="parquet", what="a Parquet manifest")
    parquet = optional("pyarrow.parquet", extra="parquet", what="a Parquet manifest")
    name = printable(str(manifest))
    try:
        with parquet.ParquetFile(manifest) as file:
            names = file.schema_arrow.names
            places = columns.find(names, name)
            for column, place in places.items():
                _check_type(arrow.types, file.schema_arrow.field(place), column, name)
            wanted = [names[place] for place in places.values()]
            batches = file.iter_batches(batch_size=_BATCH, columns=wanted)
            for number, row in enumerate((row for batch in batches for row in batch.to_pylist()), start=1):
                where = f"{printable(manifest.name)}, row {number}"
                cells = {column: row[names[place]] for column, place in places.items()}
                for column in REQUIRED:
                    if column in cells and cells[column] is None:
                        raise DataError(f"{where}: the {column} is missing")
                yield where, Row(**{column: _parquet_text(value) for column, value in cells.items()})
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{name}: not a Parquet file that can be read: {printable(str(error))}") from error


def _check_type(types: Any, field: Any, column: str, name: str) -> None:
    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    text = types.is_string(kind) or types.is_large_string(kind)
    number = types.is_integer(kind) and column in ("label", "group")
    raw = (types.is_binary(kind) or types.is_large_binary(kind)) and column == "path"
    raw = raw and field.name not in ("image", "img")  # these hold the image itself
    if not (text or number or raw or types.is_null(kind)):
        raise DataError(f"{name}: column '{field.name}' is of type {field.type}, expected text", hint=_PARQUET_HINT)


def _parquet_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return "" if value is None else str(value)


MANIFESTS: dict[str, tuple[Callable[[Path, Columns], Placed], str]] = {
    ".csv": (_csv_rows, _CSV_HINT),
    ".tsv": (_csv_rows, _CSV_HINT),
    ".jsonl": (_jsonl_rows, _JSONL_HINT),
    ".parquet": (_parquet_rows, _PARQUET_HINT),
}
"""Suffix -> what gives its rows, and how it should look."""
