"""What the rows of a manifest mean, whatever kind of file they stand in: ``path,label[,split][,group]``.

A reader (:mod:`~topwork.data._csv`, ``_jsonl``, ``_parquet``) takes rows from a file and gives them to
:class:`ManifestRows`, which checks them and gathers them in a listing.
"""

from __future__ import annotations

import ntpath
import os
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from topwork.data._files import refusal, within
from topwork.data._listing import SPLIT_NAMES, Listing, label_fault
from topwork.data._names import nearest, printable, quoted
from topwork.errors import DataError

COLUMNS = ("path", "label", "split", "group")
REQUIRED = COLUMNS[:2]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Row(NamedTuple):
    """One row of a manifest; ``split`` and ``group`` are empty where the manifest has no such column."""

    path: str
    label: str
    split: str = ""
    group: str = ""


def check_columns(columns: Sequence[str], where: str, hint: str) -> None:
    """Check the names of a manifest's columns, or of one row's fields.

    Raises:
        DataError: A name that is not known, comes twice or is missing.
    """
    for column in columns:
        if column not in COLUMNS:
            raise DataError(
                f"{where}: unknown column '{printable(column)}'; nearest: {nearest(column, COLUMNS)}", hint=hint
            )
    if len(set(columns)) != len(columns):
        raise DataError(f"{where}: a column comes twice: {quoted(columns)}", hint=hint)
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise DataError(f"{where}: no column {quoted(missing)}", hint=hint)


class ManifestRows:
    """Checks the rows of a manifest of any kind and gathers them in ``listing``."""

    def __init__(self, manifest: Path) -> None:
        self.listing = Listing(manifest.parent)
        self._real_root = os.path.realpath(manifest.parent)
        self._roots = (os.path.abspath(manifest.parent), self._real_root)
        self._real_folders: dict[str, str] = {}
        self._seen: dict[str, Row] = {}
        self._has_parts: bool | None = None

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
        name = split.strip().casefold()
        if name and name not in SPLIT_NAMES:
            raise DataError(f"{where}: split '{printable(split)}'; nearest: {nearest(name, SPLIT_NAMES)}")
        if self._has_parts is None:
            self._has_parts = bool(name)
        if self._has_parts != bool(name):
            raise DataError(f"{where}: some rows name a split and others do not", hint="fill the column or drop it")
        return SPLIT_NAMES.get(name, "")

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
        else:
            self.listing.add_row(row.path, row.label, row.split, row.group)

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
