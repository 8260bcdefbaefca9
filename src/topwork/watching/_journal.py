"""The table of a watched folder, and the journal beside it that makes every batch of rows whole or not there.

A batch goes to the journal first, rows and files in one line, and then to the table. Whoever is killed in between
leaves a line of which the table holds nothing or a part: the next one completes it. A line that is torn is no batch
yet, and its files are predicted again. The table is only ever appended to: a person may edit it, or move it away.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topwork._system import take
from topwork._text import csv_cell
from topwork.data import printable
from topwork.errors import WatchError

_HEAD = "topwork watch"  # the key of the first line, whose value is the version of what follows
_FORMAT = 1
_GO_ON = "free some space and run the same command again: it goes on where it stopped"
_ELSEWHERE = "choose another file with --csv"

Stamp = tuple[int, int]
"""Size in bytes and time of change in nanoseconds."""


@dataclass(frozen=True)
class Seen:
    """What is known of a file: its stamp, and a hash of its content; none of one that could not be read."""

    stamp: Stamp
    content: str


GONE = Seen((-1, -1), "gone")
"""Of a name whose file has another one now."""


class Journal:
    """What was done so far, ``seen`` by the files' names, and the way to the table for what comes.

    Args:
        table: The CSV file.
        folder: What is watched: a table belongs to one folder.

    Raises:
        WatchError: The table belongs to something else, another process writes it, or the disk cannot be written.
    """

    def __init__(self, table: Path, folder: str) -> None:
        self.table = table
        self.file = table.parent / f"{table.name}.watch"
        self.seen: dict[str, Seen] = {}
        with self._told():
            begun = self.file.exists() and self.file.stat().st_size
            if table.is_dir() or (table.exists() and not begun):
                raise WatchError(
                    f"{printable(str(table))}: already exists and was not made by `topwork watch`", hint=_ELSEWHERE
                )
            self._journal = os.open(self.file, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        try:
            with self._told():
                self._lock()
                self._recover(self._read(os.path.realpath(folder)))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._journal)

    def add(self, seen: Mapping[str, Seen], rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep a batch: its files are done from now on, and its rows in the table.

        Raises:
            WatchError: The disk cannot be written, or the table has other columns by now.
        """
        with self._told():
            at, before = self._end()
            text = self._lines(rows, at, before)
            files = [[name, *each.stamp, each.content] for name, each in seen.items()]
            self._write({"files": files, **({"at": at, "rows": text} if rows else {})})
            if rows:
                self._append(text.encode("utf-8", "surrogateescape"))
        self.seen.update(seen)

    def _lines(self, rows: Sequence[Mapping[str, Any]], at: int, before: bytes) -> str:
        """Rows as they stand in the table, under the columns' names where it is new."""
        if not rows:
            return ""
        out = io.StringIO(newline="")
        names = {name: csv_cell(name) for name in rows[0]}
        writer = csv.DictWriter(out, list(names))
        if not at:
            writer.writerow(names)
        elif (columns := self._columns()) != list(names.values()):
            raise WatchError(
                f"{printable(str(self.table))}: its columns are {', '.join(map(printable, columns))}, and not "
                f"{', '.join(map(printable, rows[0]))}",
                hint=f"move it away, and a new one is begun, or {_ELSEWHERE}",
            )
        for row in rows:
            writer.writerow({name: csv_cell(value) for name, value in row.items()})
        return ("\r\n" if at and before != b"\n" else "") + out.getvalue()

    def _columns(self) -> list[str]:
        with self.table.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return next(csv.reader(file), [])

    def _end(self) -> tuple[int, bytes]:
        """The table's size, and its last byte."""
        with contextlib.suppress(FileNotFoundError), self.table.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            return size, file.read(1)
        return 0, b""

    def _append(self, content: bytes) -> None:
        with self.table.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _lock(self) -> None:
        free = True
        with contextlib.suppress(OSError):  # a file system without locks
            free = take(self._journal)
        if not free:
            raise WatchError(f"{printable(str(self.table))}: another `topwork watch` writes it", hint=_ELSEWHERE)

    def _read(self, folder: str) -> dict[str, Any]:
        """Take in what was done, and give the last batch that has rows; a line that is torn goes."""
        with open(self._journal, "rb", closefd=False) as file:
            whole = 0
            last: dict[str, Any] = {}
            for number, line in enumerate(file):
                if not line.endswith(b"\n"):
                    break
                fields = self._parsed(line, number)
                if number == 0:
                    self._require_own(fields, folder)
                else:
                    self.seen |= {name: Seen((size, changed), key) for name, size, changed, key in fields["files"]}
                    last = fields if "rows" in fields else last
                whole += len(line)
        os.truncate(self._journal, whole)
        os.lseek(self._journal, 0, os.SEEK_END)
        if not whole:
            self._write({_HEAD: _FORMAT, "folder": folder})
        return last

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            fields = json.loads(line)
            if number and not all(len(each) == 4 for each in fields["files"]):
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise WatchError(
                f"{printable(str(self.file))}, line {number + 1}: damaged",
                hint=f"delete it and the table to begin anew, or {_ELSEWHERE}",
            )
        return fields

    def _require_own(self, fields: Mapping[str, Any], folder: str) -> None:
        if fields.get(_HEAD) != _FORMAT:
            raise WatchError(f"{printable(str(self.file))}: is no journal of this topwork", hint=_ELSEWHERE)
        if fields.get("folder") != folder:
            raise WatchError(
                f"{printable(str(self.table))}: it is the table of the folder {printable(str(fields.get('folder')))}",
                hint=_ELSEWHERE,
            )

    def _recover(self, last: Mapping[str, Any]) -> None:
        """Complete the last batch in the table, where it was broken off there."""
        if not last:
            return
        content, found = last["rows"].encode("utf-8", "surrogateescape"), b""
        with contextlib.suppress(FileNotFoundError), self.table.open("rb") as file:
            file.seek(last["at"])
            found = file.read(len(content))
        if self._end()[0] >= last["at"] and content.startswith(found):
            self._append(content[len(found) :])

    def _write(self, fields: Mapping[str, Any]) -> None:
        """Append a line to the journal, and push it to the disk."""
        line = json.dumps(fields).encode() + b"\n"
        end = os.lseek(self._journal, 0, os.SEEK_END)
        try:
            while line:
                line = line[os.write(self._journal, line) :]
            os.fsync(self._journal)
        except OSError:
            os.truncate(self._journal, end)
            raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Say plainly what the system refuses."""
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # it may pass
            raise WatchError(
                f"{printable(str(self.table))}: cannot be written: {error.strerror or error}",
                hint=_GO_ON if full else _ELSEWHERE,
            ) from error
