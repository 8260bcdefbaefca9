"""Lists the images that a manifest names (CSV, JSONL or Parquet): ``path,label[,split][,group]``.

Each kind of file gives its rows to :class:`ManifestRows`, which checks them and gathers them in a listing.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import difflib
import json
import math
import ntpath
import os
import posixpath
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO
from urllib.parse import unquote

from topwork._system import optional
from topwork.data._layout import SPLIT_WORDS, split_of
from topwork.data._listing import Listing, label_fault
from topwork.data._names import decoded, nearest, printable, quoted
from topwork.data._source import refusal, why, within
from topwork.errors import DataError

COLUMNS = {
    "path": (
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "image",
        "image_path",
        "image_name",
        "img",
        "img_path",
    ),
    "label": ("labels", "class", "class_name", "classname", "category", "target", "species"),
    "split": ("subset", "partition", "set"),
    "group": ("groups",),
}
"""Column -> what else people call it."""
REQUIRED = ("path", "label")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")

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


class Row(NamedTuple):
    """One row of a manifest; ``split`` and ``group`` are empty where the manifest has no such column."""

    path: str
    label: str
    split: str = ""
    group: str = ""


class Columns:
    """Finds a manifest's columns by their names.

    Args:
        asked: Column -> what it is called here; the others are found by their usual names.
        hint: What to say where one is missing.

    Raises:
        DataError: ``asked`` names a column that topwork does not read.
    """

    def __init__(self, asked: Mapping[str, str] | None, hint: str) -> None:
        self._asked = dict(asked or {})
        self._hint = hint
        self.unused: dict[str, None] = {}
        if strange := sorted(self._asked.keys() - COLUMNS.keys()):
            raise DataError(f"no column {quoted(strange)} is read; these are: {', '.join(COLUMNS)}")

    def find(self, names: Sequence[str], where: str) -> dict[str, int]:
        """Column -> its place among these names.

        Raises:
            DataError: One is missing, comes twice, or is one of several that it may be.
        """
        if len(set(names)) != len(names):
            raise DataError(f"{where}: a column comes twice: {quoted(names)}", hint=self._hint)
        found = {}
        for column in COLUMNS:
            name = self._name_of(column, names, where)
            if name is not None:
                found[column] = names.index(name)
        rest = [name for place, name in enumerate(names) if place not in found.values()]
        missing = [column for column in REQUIRED if column not in found]
        for name in rest:
            if near := difflib.get_close_matches(name, [each for each in COLUMNS if each not in found], 1, 0.75):
                raise DataError(
                    f"{where}: unknown column '{printable(name)}'; nearest: {quoted(near)}", hint=self._hint
                )
        if missing:
            raise DataError(f"{where}: no column {quoted(missing)} among {quoted(names)}", hint=self._hint)
        self.unused |= dict.fromkeys(name for name in rest if name and not name.startswith("Unnamed: "))  # an index
        return found

    def _name_of(self, column: str, names: Sequence[str], where: str) -> str | None:
        if column in self._asked:
            if self._asked[column] in names:
                return self._asked[column]
            shown = printable(self._asked[column])
            raise DataError(f"{where}: no column '{shown}' for the {column}; there are {quoted(names)}")
        if column in names:
            return column
        usual = [name for name in names if name.casefold() in (column, *COLUMNS[column])]
        usual = [name for name in usual if name not in self._asked.values()]
        if len(usual) > 1:
            raise DataError(
                f"{where}: which is the {column}: {quoted(usual)}?", hint=f"--columns {column}={usual[0]} says so"
            )
        return usual[0] if usual else None


class ManifestRows:
    """Checks the rows of a manifest of any kind and gathers them in ``listing``."""

    def __init__(self, manifest: Path) -> None:
        self.listing = Listing(manifest.parent)
        self._real_root = os.path.realpath(manifest.parent)
        self._roots = (os.path.abspath(manifest.parent), self._real_root)
        self._real_folders: dict[str, str] = {}
        self._seen: dict[str, Row] = {}
        self._has_splits: bool | None = None

    def add(self, row: Row, where: str) -> None:
        """Take one row; ``where`` names its place in messages.

        Raises:
            DataError: The row cannot be meant as it stands.
        """
        path = inner_path(_local_path(row.path, self._roots, where), where)
        row = Row(path, row.label, self._split_name(row.split, where), row.group)
        if fault := label_fault(row.label):
            raise DataError(f"{where}: {fault}")
        self.listing.add_class(row.label, row.split)
        if not self._is_repeat(row, where):
            self._place(row)

    def _split_name(self, split: str, where: str) -> str:
        name = split.strip()
        if name and not split_of(name):
            near = nearest(name.casefold(), SPLIT_WORDS)
            raise DataError(f"{where}: split '{printable(split)}'; nearest: {near}")
        if self._has_splits is None:
            self._has_splits = bool(name)
        if self._has_splits != bool(name):
            raise DataError(f"{where}: some rows name a split and others do not", hint="fill the column or drop it")
        return split_of(name)

    def _is_repeat(self, row: Row, where: str) -> bool:
        first = self._seen.setdefault(row.path, row)
        if first is row:
            return False
        if first != row:
            before, now = _described(first), _described(row)
            several = "several labels an image are not read yet: keep one" if first.label != row.label else ""
            raise DataError(f"{where}: '{printable(row.path)}' came before as {before}, now as {now}", hint=several)
        self.listing.leave_out(row.path, "listed more than once; used once")
        return True

    def _place(self, row: Row) -> None:
        path, reason = row.path, self._refusal(row.path)
        if reason and (other := self._elsewhere(path)):
            path, reason = other, ""
        if reason:
            self.listing.leave_out(path, reason)
        else:
            self.listing.add_row(path, row.label, row.split, row.group)

    def _elsewhere(self, path: str) -> str:
        """Where a file lies that is not at its path: one of Windows, or in an older encoding; empty where nowhere."""
        with contextlib.suppress(UnicodeError):
            other = posixpath.normpath(decoded([path])[0].get(path, path).replace("\\", "/"))
            return other if other != path and not self._refusal(other) else ""
        return ""

    def _refusal(self, path: str) -> str:
        """Why a file must not be read; the folder's own links are resolved once a folder, not once a file."""
        folder, name = posixpath.split(path)
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(os.path.join(self._real_root, folder))
        real = os.path.join(self._real_folders[folder], name)
        if not within(real, self._real_root):
            return "a link that leaves the data folder"
        return refusal(real, self._real_root)


def _described(row: Row) -> str:
    return "/".join(f"'{printable(value)}'" for value in row[1:] if value)


def inner_path(path: str, where: str) -> str:
    """Normalise a path; refuse one that leaves the folder on any system that the manifest may travel to.

    Raises:
        DataError: Empty, absolute, leaving the folder, or holding a NUL.
    """
    shown = printable(path)
    if not path or "\0" in path:
        raise DataError(f"{where}: the path is empty" if not path else f"{where}: the path '{shown}' holds a NUL")
    if posixpath.isabs(path) or ntpath.isabs(path) or ntpath.splitdrive(path)[0]:
        raise DataError(f"{where}: the path '{shown}' is absolute", hint="paths are relative to the manifest's folder")
    normal = posixpath.normpath(path)
    # Windows takes "\\" for a separator too, so a path has to stay inside by both readings.
    if normal.split("/")[0] == ".." or ntpath.normpath(path).split("\\")[0] == "..":
        raise DataError(f"{where}: the path '{shown}' leaves the manifest's folder", hint="keep the images beside it")
    return normal


def _local_path(path: str, roots: Sequence[str], where: str) -> str:
    """Make a ``file:`` URL (RFC 8089) a path relative to the manifest's folder; other text stays as it is.

    A URL that leads elsewhere is refused as ``../`` is: a manifest comes from others, and one that could name any
    file of this machine would carry that file into a report or a model.
    """
    if path[:5].casefold() != "file:":
        if scheme := _SCHEME.match(path):
            hint = "download the images; paths are relative to the manifest's folder, or file: URLs"
            raise DataError(f"{where}: '{printable(path)}' is a URL of '{scheme[1]}:', only 'file:' is read", hint=hint)
        return path
    local = _url_path(path, where)
    if not os.path.isabs(local):
        return local
    for root in roots:
        if within(local, root):
            return local[len(os.path.join(root, "")) :].replace(os.sep, "/")
    raise DataError(
        f"{where}: the path '{printable(path)}' leaves the manifest's folder",
        hint="put the manifest into a folder that holds all its images",
    )


def _url_path(url: str, where: str) -> str:
    rest = url[5:]
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        if host.casefold() not in ("", "localhost"):
            raise DataError(f"{where}: '{printable(url)}' is on another machine, '{printable(host)}'")
    if "?" in rest or "#" in rest:
        raise DataError(f"{where}: '{printable(url)}' holds '?' or '#'", hint="in a file: URL they are %3F and %23")
    path = unquote(rest, errors="surrogateescape")
    return path.lstrip("/") if os.name == "nt" else path


def list_manifest(manifest: Path, columns: Mapping[str, str] | None = None) -> Listing:
    """List what a manifest names; paths are relative to the manifest's folder and may not leave it.

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
    return _gathered(manifest, rows_of, Columns(columns, hint))


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

    def rows(_: Path, __: Columns) -> Rows:
        for number, values in enumerate(zip(*cells.values(), strict=True)):
            place, named = f"the data frame, row {number}", dict(zip(cells, map(_plain, values), strict=True))
            yield f"row {number}", Row(**{name: _json_text(name, value, place) for name, value in named.items()})

    return _gathered(Path(root) / "data frame", rows, found)


def _plain(value: Any) -> Any:
    """A cell of a data frame as JSON would have it: NaN is nothing, whole numbers are integers, truths are text."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value.is_integer() else value
    return value


def _gathered(manifest: Path, rows_of: Callable[[Path, Columns], Rows], columns: Columns) -> Listing:
    gathered = ManifestRows(manifest)
    with contextlib.closing(rows_of(manifest, columns)) as rows:
        for where, row in rows:
            gathered.add(row, f"{printable(manifest.name)}, {where}")
    if columns.unused:
        gathered.listing.notes.append(f"columns that are not used: {quoted(columns.unused)}")
    return gathered.listing


Rows = Generator[tuple[str, Row]]


def _opened(manifest: Path, newline: str) -> TextIO:
    """Its text: UTF-16 where its first bytes say so, as a spreadsheet's "Unicode text" is, and else UTF-8.

    A name that is not UTF-8 comes through as ``os.fsdecode`` would give it.
    """
    with open(manifest, "rb") as file:
        utf16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if utf16:
        return open(manifest, encoding="utf-16", errors="replace", newline=newline)
    return open(manifest, encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _csv_rows(manifest: Path, columns: Columns) -> Rows:
    """Rows and their lines, after a header that tells the delimiter (comma, semicolon or tab); a blank line is none."""
    try:
        with _opened(manifest, newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(_DELIMITERS, key=first.count)
            reader = csv.reader(file, strict=True, delimiter=delimiter)
            header = [name.strip() for name in next(reader, [])]
            places = columns.find(header, printable(str(manifest)))
            for cells in filter(None, reader):
                where = f"line {reader.line_num}"
                if len(cells) != len(header):
                    raise DataError(
                        f"{printable(manifest.name)}, {where}: {len(cells)} fields, expected {len(header)}",
                        hint=f"put a field that holds {_DELIMITERS[delimiter]} in double quotes",
                    )
                yield where, Row(**{column: cells[place] for column, place in places.items()})
    except OSError as error:
        raise DataError(f"{printable(str(manifest))}: {why(error)}") from error
    except csv.Error as error:
        raise DataError(f"{printable(str(manifest))}: not a CSV file: {error}") from error


def _jsonl_rows(manifest: Path, columns: Columns) -> Rows:
    """Rows and their lines, each an object.

    A label or a group may be a whole number, which is read as its digits; ``null`` is a split or a group that is not
    given.
    """
    try:
        with _opened(manifest, newline="\n") as file:
            for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE), ""), start=1):
                where = f"line {number}"
                if len(line) == _MAX_LINE:
                    raise DataError(f"{printable(manifest.name)}, {where}: longer than {_MAX_LINE:,} characters")
                if not line.isspace():
                    yield where, _json_row(line, columns, f"{printable(manifest.name)}, {where}")
    except OSError as error:
        raise DataError(f"{printable(str(manifest))}: {why(error)}") from error


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


def _parquet_rows(manifest: Path, columns: Columns) -> Rows:
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
                cells = {column: row[names[place]] for column, place in places.items()}
                for column in REQUIRED:
                    if cells[column] is None:
                        raise DataError(f"{printable(manifest.name)}, row {number}: the {column} is missing")
                yield f"row {number}", Row(**{column: _parquet_text(value) for column, value in cells.items()})
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


MANIFESTS: dict[str, tuple[Callable[[Path, Columns], Rows], str]] = {
    ".csv": (_csv_rows, _CSV_HINT),
    ".tsv": (_csv_rows, _CSV_HINT),
    ".jsonl": (_jsonl_rows, _JSONL_HINT),
    ".parquet": (_parquet_rows, _PARQUET_HINT),
}
"""Suffix -> what gives its rows, and how it should look."""
