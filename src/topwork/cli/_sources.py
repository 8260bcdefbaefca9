"""What ``predict`` is given as named sources: files, folders, patterns, tables, addresses, lines of stdin, texts."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import itertools
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from topwork.tasks import Written

Batch = list[tuple[str, Any]]
"""Some sources, each behind its name."""

_CHUNK = 256  # sources that are handed on together
_SECONDS = 30  # to wait for an address
_ADDRESSES = ("http://", "https://")
_OPTION = "text"  # how the rows of --text are named
_BOM = b"\xef\xbb\xbf"


class Faults:
    """Why some sources cannot be used, by name, where that is known before a model is asked."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def tell(self, name: str, why: str) -> None:
        """Remember why."""
        self._told[name] = why

    def named(self, found: Any, name: str) -> Any:
        """A prediction under the name that was given, and with the reason that is known of it."""
        if found.source == name:
            return found
        error = self._told.pop(name, "") or found.error.replace(f"{found.source}: ", "")
        return dataclasses.replace(found, source=name, error=error)


def file_batches(given: Iterable[str], columns: Mapping[str, str] | None, fetched: Fetched) -> Iterator[Batch]:
    """The files of all images, some at a time; those from stdin as they come.

    Raises:
        typer.BadParameter: A pattern that no file matches, a folder without images, or an address without permission.
    """
    for names in _batches(given, columns, fetched.allowed):
        yield list(zip(names, fetched.files(names), strict=True))


def row_batches(
    written: Written, given: Iterable[str], texts: Iterable[str], columns: Mapping[str, str] | None, faults: Faults
) -> Iterator[Batch]:
    """What was written on the command line, the rows of files and folders, some at a time; stdin's lines as they come.

    Raises:
        DataError: A file or folder cannot be read, or holds no texts.
    """
    yield from _decoded_rows(_OPTION, enumerate(map(os.fsencode, texts), start=1), faults)
    for each in given:
        if each == "-":
            yield from _stdin_rows(faults)
            continue
        for name in (_is_pattern(each) and sorted(glob.glob(each, recursive=True))) or [each]:  # a text may have a ?
            rows = iter(written.rows(name, columns))
            while batch := list(itertools.islice(rows, _CHUNK)):
                yield batch


def _stdin_rows(faults: Faults) -> Iterator[Batch]:
    """Lines of stdin, named by their numbers."""
    number = 1
    for lines in _lines_as_they_come():
        yield from _decoded_rows("stdin", enumerate(lines, start=number), faults)
        number += len(lines)


def _decoded_rows(where: str, rows: Iterable[tuple[int, bytes]], faults: Faults) -> Iterator[Batch]:
    """Rows as text, without blank lines; one that is not UTF-8 has a fault."""
    rows = iter(rows)
    while some := list(itertools.islice(rows, _CHUNK)):
        batch: Batch = []
        for number, line in some:
            if not line.strip() and where != _OPTION:  # a text that is given is not passed over, be it empty
                continue
            name, text = f"{where}:{number}", ""
            try:
                text = line.removeprefix(_BOM).rstrip(b"\r").decode("utf-8")
            except UnicodeDecodeError:
                faults.tell(name, "is not UTF-8 text")
            batch.append((name, text))
        if batch:
            yield batch


def _batches(given: Iterable[str], columns: Mapping[str, str] | None, allow_url: bool) -> Iterator[list[str]]:
    names: list[str] = []
    for each in given:
        if each == "-":
            yield names
            names = []
            yield from map(_decoded_names, _lines_as_they_come())
            continue
        for name in _names(each, columns, allow_url):
            names.append(name)
            if len(names) == _CHUNK:
                yield names
                names = []
    yield names


def _names(given: str, columns: Mapping[str, str] | None, allow_url: bool) -> Iterator[str]:
    from topwork.data import image_files, is_manifest, manifest_paths

    if given.startswith(_ADDRESSES):
        if not allow_url:
            raise typer.BadParameter(f"{given} is an address; --allow-url lets topwork fetch it")
        yield given
    elif os.path.isdir(given):
        names = image_files(given)
        first = next(names, None)
        if first is None:
            raise typer.BadParameter(f"there is no image in the folder {given}")
        yield first
        yield from names
    elif is_manifest(given):
        yield from manifest_paths(Path(given), columns)
    elif _is_pattern(given):
        matches = sorted(glob.glob(given, recursive=True))
        if not matches:
            raise typer.BadParameter(f"no file matches {given}")
        yield from matches
    else:
        yield given


def _is_pattern(given: str) -> bool:
    return not os.path.lexists(given) and glob.has_magic(given)


def _lines_as_they_come() -> Iterator[list[bytes]]:
    """Lines of stdin in batches of what is there: whole files fast, a typing person without delay."""
    rest = b""
    while block := sys.stdin.buffer.read1(65536):  # type: ignore[union-attr]
        *lines, rest = (rest + block).split(b"\n")
        yield lines
    yield [rest]


def _decoded_names(lines: Iterable[bytes]) -> list[str]:
    return [os.fsdecode(line.rstrip(b"\r")) for line in lines if line.strip()]


class Fetched:
    """Addresses as files: each batch's are fetched into a folder that is emptied before the next."""

    def __init__(self, allowed: bool, faults: Faults) -> None:
        self.allowed = allowed
        self._faults = faults
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Fetched:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def files(self, names: list[str]) -> list[str]:
        """The files of a batch; for an address that could not be fetched, one that is not there."""
        if not any(name.startswith(_ADDRESSES) for name in names):
            return names
        self.__exit__()
        self._folder = tempfile.TemporaryDirectory(prefix="topwork-")
        places = (os.path.join(self._folder.name, str(place)) for place in range(len(names)))
        return [
            self._file(name, place) if name.startswith(_ADDRESSES) else name
            for name, place in zip(names, places, strict=True)
        ]

    def _file(self, name: str, place: str) -> str:
        import http.client
        from urllib.request import urlopen

        from topwork.data import MAX_FILE_BYTES

        if not self.allowed:  # a line of stdin, which a program may have written
            self._faults.tell(name, "is an address; --allow-url lets topwork fetch it")
            return place
        try:
            with urlopen(name, timeout=_SECONDS) as answer, open(place, "wb") as out:
                out.write(answer.read(MAX_FILE_BYTES + 1))
        except (OSError, ValueError, http.client.HTTPException) as error:
            self._faults.tell(name, f"cannot be fetched: {error}")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place)
        return place
