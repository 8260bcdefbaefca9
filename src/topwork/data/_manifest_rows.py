"""What a row of a manifest may say: its columns by their usual names, and paths that stay in the manifest's folder."""

from __future__ import annotations

import contextlib
import difflib
import ntpath
import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from topwork.data._layout import SPLIT_WORDS, split_of
from topwork.data._listing import Listing, label_fault
from topwork.data._names import decoded, nearest, printable, quoted
from topwork.data._source import refusal, within
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
        *("경로", "사진", "이미지", "파일", "파일명"),
    ),
    "label": (
        *("labels", "class", "class_name", "classname", "category", "target", "species"),
        *("분류", "클래스", "라벨", "레이블", "정답"),
    ),
    "split": ("subset", "partition", "set"),
    "group": ("groups",),
}
"""Column -> what else people call it."""
REQUIRED = ("path", "label")

_RELATIVE = "write it as seen from the manifest's folder, such as cat/1.jpg"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Row(NamedTuple):
    """One row of a manifest; ``split`` and ``group`` are empty where the manifest has no such column."""

    path: str
    label: str = ""
    split: str = ""
    group: str = ""


class Columns:
    """Finds a manifest's columns by their names.

    Args:
        asked: Column -> what it is called here; the others are found by their usual names.
        hint: What to say where one is missing.
        wanted: Those that are looked for.

    Raises:
        DataError: ``asked`` names a column that topwork does not read.
    """

    def __init__(self, asked: Mapping[str, str] | None, hint: str, wanted: Sequence[str] = tuple(COLUMNS)) -> None:
        self._asked = dict(asked or {})
        self._hint = hint
        self._wanted = wanted
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
        for column in self._wanted:
            name = self._name_of(column, names, where)
            if name is not None:
                found[column] = names.index(name)
        rest = [name for place, name in enumerate(names) if place not in found.values()]
        missing = [column for column in REQUIRED if column in self._wanted and column not in found]
        for name in rest:
            if near := difflib.get_close_matches(name, [each for each in self._wanted if each not in found], 1, 0.75):
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
            raise DataError(
                f"{where}: no column '{shown}' for the {column}; there are {quoted(names)}",
                hint=f"--columns {column}=NAME takes one of these names",
            )
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
        self.listing = Listing(manifest.parent, table=manifest)
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
            raise DataError(
                f"{where}: some rows name a split and others do not", hint="fill in the column or remove it"
            )
        return split_of(name)

    def _is_repeat(self, row: Row, where: str) -> bool:
        first = self._seen.setdefault(row.path, row)
        if first is row:
            return False
        if first != row:
            before, now = _described(first), _described(row)
            several = "several labels per image are not supported yet: keep one" if first.label != row.label else ""
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
            self.listing.add(path, row.label, row.split, row.group)

    def _elsewhere(self, path: str) -> str:
        """Where a file lies that is not at its path: one of Windows, or in an older encoding; empty where nowhere."""
        with contextlib.suppress(UnicodeError):
            other = path_here(path)
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


def path_here(path: str) -> str:
    """A path that may be of Windows, or in an older encoding, as this system would write it.

    Raises:
        UnicodeError: It cannot be told which encoding it is in.
    """
    return posixpath.normpath(decoded([path])[0].get(path, path).replace("\\", "/"))


def inner_path(path: str, where: str) -> str:
    """Normalise a path; refuse one that leaves the folder on any system that the manifest may travel to.

    Raises:
        DataError: Empty, absolute, leaving the folder, or holding a NUL.
    """
    shown = printable(path)
    if not path or "\0" in path:
        raise DataError(f"{where}: the path is empty" if not path else f"{where}: the path '{shown}' holds a NUL")
    if posixpath.isabs(path) or ntpath.isabs(path) or ntpath.splitdrive(path)[0]:
        raise DataError(f"{where}: the path '{shown}' is absolute", hint=_RELATIVE)
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
