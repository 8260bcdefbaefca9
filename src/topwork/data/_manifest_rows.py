"""What a row of a manifest of images may say, and paths that stay in the manifest's folder."""

from __future__ import annotations

import contextlib
import ntpath
import os
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from topwork.data._layout import SplitCells
from topwork.data._listing import Listing, label_fault
from topwork.data._names import decoded, printable
from topwork.data._source import LINKS, refusal, within
from topwork.errors import DataError

REQUIRED = ("path", "label")

_RELATIVE = "write it as seen from the manifest's folder, such as cat/1.jpg"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Row(NamedTuple):
    """One row of a manifest; ``split`` and ``group`` are empty where the manifest has no such column."""

    path: str
    label: str = ""
    split: str = ""
    group: str = ""


class ManifestRows:
    """Checks the rows of a manifest of any kind and gathers them in ``listing``."""

    def __init__(self, manifest: Path) -> None:
        self.listing = Listing(manifest.parent, table=manifest)
        self._inside = Inside(manifest.parent)
        self._roots = (os.path.abspath(manifest.parent), self._inside.real_root)
        self._seen: dict[str, Row] = {}
        self._splits = SplitCells()

    def add(self, row: Row, where: str) -> None:
        """Take one row; ``where`` names its place in messages.

        Raises:
            DataError: The row cannot be meant as it stands.
        """
        path = inner_path(_local_path(row.path, self._roots, where), where)
        row = Row(path, row.label, self._splits.named(row.split, where), row.group)
        if fault := label_fault(row.label):
            raise DataError(f"{where}: {fault}")
        self.listing.add_class(row.label, row.split)
        if not self._is_repeat(row, where):
            self._place(row)

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
        path, reason = self._inside.found(row.path)
        if reason:
            self.listing.leave_out(path, reason)
        else:
            self.listing.add(path, row.label, row.split, row.group)


class Inside:
    """The files below a folder that others name: which of them may be read.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.real_root = os.path.realpath(root)
        self._real_folders: dict[str, str] = {}

    def found(self, path: str) -> tuple[str, str]:
        """Where a file lies, and why it must not be read, which is empty where it may be.

        Args:
            path: Relative, with forward slashes; that of Windows, or in an older encoding, is found too.
        """
        reason = self._refusal(path)
        with contextlib.suppress(UnicodeError):
            if reason and (other := path_here(path)) != path and not self._refusal(other):
                return other, ""
        return path, reason

    def _refusal(self, path: str) -> str:
        """Why a file must not be read; the folder's own links are resolved once a folder, not once a file."""
        folder, name = posixpath.split(path)
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(os.path.join(self.real_root, folder))
        real = os.path.join(self._real_folders[folder], name)
        if not within(real, self.real_root):
            return LINKS[0]
        return refusal(real, self.real_root)


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
