"""What ``predict`` is given (files, folders, patterns, manifests, addresses, names from stdin), and its tables."""

from __future__ import annotations

import contextlib
import csv
import glob
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

_SECONDS = 30  # to wait for an address
_ROWS = 1_000  # of a Parquet file that are written at once
_CHUNK = 256  # names that are handed on together


def batches(given: Iterable[str], columns: Mapping[str, str] | None, allow_url: bool) -> Iterator[list[str]]:
    """The names of all images, some at a time; those from stdin as they come.

    Raises:
        typer.BadParameter: A pattern that no file matches, a folder without images, or an address without permission.
    """
    names: list[str] = []
    for each in given:
        if each == "-":
            yield from filter(None, [names])
            names = []
            yield from lines_as_they_come()
            continue
        for name in _names(each, columns, allow_url):
            names.append(name)
            if len(names) == _CHUNK:
                yield names
                names = []
    yield from filter(None, [names])


def _names(given: str, columns: Mapping[str, str] | None, allow_url: bool) -> Iterator[str]:
    from topwork.data import image_files, is_manifest, manifest_paths

    if given.startswith(("http://", "https://")):
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
    elif not os.path.lexists(given) and glob.has_magic(given):
        matches = sorted(glob.glob(given, recursive=True))
        if not matches:
            raise typer.BadParameter(f"no file matches {given}")
        yield from matches
    else:
        yield given


def lines_as_they_come() -> Iterator[list[str]]:
    """File names from stdin in batches of what is there: whole files fast, a typing person without delay."""
    rest = b""
    while block := sys.stdin.buffer.read1(65536):  # type: ignore[union-attr]
        *lines, rest = (rest + block).split(b"\n")
        yield _decoded(lines)
    yield _decoded([rest])


def _decoded(lines: Iterable[bytes]) -> list[str]:
    return [os.fsdecode(line.rstrip(b"\r")) for line in lines if line.strip()]


class Fetched:
    """Files for a batch of names: those that are addresses are fetched into a folder that lives as long as this."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="topwork-")
        self._count = 0
        self.faults: dict[str, str] = {}  # address -> why it could not be fetched

    def __enter__(self) -> Fetched:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def file(self, name: str) -> str:
        """The file of a name; of an address that cannot be fetched, one that is not there."""
        if not name.startswith(("http://", "https://")):
            return name
        from urllib.request import urlopen

        from topwork.data import MAX_FILE_BYTES

        self._count += 1
        file = os.path.join(self._folder.name, str(self._count))
        try:
            with urlopen(name, timeout=_SECONDS) as answer, open(file, "wb") as out:
                out.write(answer.read(MAX_FILE_BYTES + 1))
        except (OSError, ValueError) as error:
            self.faults[name] = f"cannot be fetched: {error}"
        return file


@contextlib.contextmanager
def table(csv_file: Path | None, parquet_file: Path | None) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Gives what takes a row, and writes all rows to the files; all have the columns of the first.

    Raises:
        MissingExtraError: A Parquet file is wanted and pyarrow is not installed.
    """
    with contextlib.ExitStack() as stack:
        writers = []
        if csv_file is not None:
            writers.append(_csv(stack, csv_file))
        if parquet_file is not None:
            writers.append(_parquet(stack, parquet_file))

        def take(row: Mapping[str, Any]) -> None:
            for write in writers:
                write(row)

        yield take


def _csv(stack: contextlib.ExitStack, path: Path) -> Callable[[Mapping[str, Any]], None]:
    file = stack.enter_context(path.open("w", encoding="utf-8", errors="surrogateescape", newline=""))
    writer: csv.DictWriter[str] | None = None

    def write(row: Mapping[str, Any]) -> None:
        nonlocal writer
        if writer is None:
            writer = csv.DictWriter(file, list(row), extrasaction="ignore")
            writer.writeheader()
        writer.writerow(row)

    return write


def _parquet(stack: contextlib.ExitStack, path: Path) -> Callable[[Mapping[str, Any]], None]:
    from topwork._system import optional

    arrow = optional("pyarrow", extra="parquet", what="a Parquet file")
    parquet = optional("pyarrow.parquet", extra="parquet", what="a Parquet file")
    rows: list[dict[str, Any]] = []
    writer: Any = None

    def flush() -> None:
        nonlocal writer
        if rows:
            made = arrow.Table.from_pylist(rows, schema=None if writer is None else writer.schema)
            writer = writer or stack.enter_context(parquet.ParquetWriter(path, made.schema))
            writer.write_table(made)
            rows.clear()

    def write(row: Mapping[str, Any]) -> None:
        rows.append({name: _text(value) for name, value in row.items()})
        if len(rows) == _ROWS:
            flush()

    stack.callback(flush)
    return write


def _text(value: Any) -> Any:
    """A name that is not UTF-8 as text that is."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if isinstance(value, str) else value
