"""Lists the images that a CSV manifest names: ``path,label[,split][,group]``, with a header.

Other kinds of manifest (JSONL, Parquet) belong beside :func:`list_csv`: a function from a path to a
:class:`~topwork.data._listing.Listing`, built row by row with :class:`ManifestRows`, and a line in
``_read.MANIFESTS``.
"""

from __future__ import annotations

import csv
import ntpath
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from topwork.data._files import refusal, why, within
from topwork.data._listing import PART_NAMES, Listing
from topwork.data._names import nearest, printable, quoted
from topwork.errors import DataError

COLUMNS = ("path", "label", "split", "group")
_REQUIRED = COLUMNS[:2]


class Row(NamedTuple):
    """One row of a manifest; ``split`` and ``group`` are empty where the manifest has no such column."""

    path: str
    label: str
    split: str = ""
    group: str = ""


def list_csv(manifest: Path) -> Listing:
    """List what a CSV manifest names; paths are relative to the manifest's folder and may not leave it.

    A file that is missing, unreadable or not regular is left out and listed. The suffix does not matter here:
    who names a file in a manifest means it.

    Raises:
        DataError: A wrong header, a row that is short, blank or of another part than it says elsewhere, a
            path that is absolute or leaves the folder. Names the line.
    """
    rows = ManifestRows(manifest)
    try:
        # surrogateescape: a file name that is not UTF-8 comes through as os.fsdecode would give it.
        with open(manifest, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for line, row in _csv_rows(file, manifest):
                rows.add(row, f"{printable(manifest.name)}, line {line}")
    except OSError as error:
        raise DataError(f"{printable(str(manifest))}: {why(error)}") from error
    except csv.Error as error:
        raise DataError(f"{printable(str(manifest))}: not a CSV file: {error}") from error
    return rows.listing


def _csv_rows(file: Iterator[str], manifest: Path) -> Iterator[tuple[int, Row]]:
    reader = csv.reader(file, strict=True)
    header = [name.strip() for name in next(reader, [])]
    _check_header(header, manifest)
    for cells in reader:
        if not cells:  # a blank line
            continue
        if len(cells) != len(header):
            where = f"{printable(manifest.name)}, line {reader.line_num}"
            raise DataError(
                f"{where}: {len(cells)} fields, expected {len(header)}",
                hint="put a field that holds a comma in double quotes",
            )
        yield reader.line_num, Row(**dict(zip(header, cells, strict=True)))


def _check_header(header: list[str], manifest: Path) -> None:
    name = printable(str(manifest))
    hint = f"the first line names the columns: {','.join(_REQUIRED)} and, if wanted, {','.join(COLUMNS[2:])}"
    for column in header:
        if column not in COLUMNS:
            raise DataError(
                f"{name}: unknown column '{printable(column)}'; nearest: {nearest(column, COLUMNS)}",
                hint=hint,
            )
    if len(set(header)) != len(header):
        raise DataError(f"{name}: a column comes twice: {quoted(header)}", hint=hint)
    missing = [column for column in _REQUIRED if column not in header]
    if missing:
        raise DataError(f"{name}: no column {quoted(missing)}", hint=hint)


class ManifestRows:
    """Checks the rows of a manifest of any kind and gathers them in ``listing``."""

    def __init__(self, manifest: Path) -> None:
        self.listing = Listing(manifest.parent)
        self._real_root = os.path.realpath(manifest.parent)
        self._real_folders: dict[str, str] = {}
        self._seen: dict[str, Row] = {}
        self._has_parts: bool | None = None

    def add(self, row: Row, where: str) -> None:
        """Take one row; ``where`` names its place in messages.

        Raises:
            DataError: The row cannot be meant as it stands.
        """
        row = Row(_inner_path(row.path, where), row.label, self._part(row.split, where), row.group)
        if not row.label.strip():
            raise DataError(f"{where}: the label is empty")
        if "\0" in row.label:
            raise DataError(f"{where}: the label holds a NUL character")
        self.listing.add_class(row.label, row.split)
        if not self._is_repeat(row, where):
            self._place(row)

    def _part(self, split: str, where: str) -> str:
        name = split.strip().casefold()
        if name and name not in PART_NAMES:
            raise DataError(f"{where}: split '{printable(split)}'; nearest: {nearest(name, PART_NAMES)}")
        if self._has_parts is None:
            self._has_parts = bool(name)
        if self._has_parts != bool(name):
            raise DataError(f"{where}: some rows name a split and others do not", hint="fill the column or drop it")
        return PART_NAMES.get(name, "")

    def _is_repeat(self, row: Row, where: str) -> bool:
        first = self._seen.setdefault(row.path, row)
        if first is row:
            return False
        if first != row:
            before, now = _described(first), _described(row)
            raise DataError(f"{where}: '{printable(row.path)}' came before as {before}, now as {now}")
        self.listing.leave_out(row.path, "listed more than once; used once")
        return True

    def _place(self, row: Row) -> None:
        if reason := self._refusal(row.path):
            self.listing.leave_out(row.path, reason)
            return
        self.listing.add((row.path,), row.label, row.split)
        self.listing.groups.append(row.group)

    def _refusal(self, path: str) -> str:
        """As for a listed file; the folder's own links are resolved once a folder, not once a file."""
        folder, name = posixpath.split(path)
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(os.path.join(self._real_root, folder))
        real = os.path.join(self._real_folders[folder], name)
        if not within(real, self._real_root):
            return "a link that leaves the data folder"
        return refusal(real, self._real_root)


def _described(row: Row) -> str:
    return "/".join(f"'{printable(value)}'" for value in row[1:] if value)


def _inner_path(path: str, where: str) -> str:
    """Normalise a path; refuse one that leaves the folder on any system that the manifest may travel to."""
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
