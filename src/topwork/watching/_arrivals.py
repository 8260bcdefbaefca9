"""What has come into a folder, is whole, and was not answered yet."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from topwork.data import content_key, files_below, printable, read_bytes
from topwork.errors import DataError
from topwork.watching._journal import Seen, Stamp

_FILES = 64  # of a batch
_BYTES = 256 * 2**20  # of a batch: its files are in memory


@dataclass(frozen=True)
class Arrival:
    """A file that has come: its name below the folder, what is to be remembered of it, and what it holds.

    ``source`` is None where nothing is to be said of it: it was touched, or renamed, and ``was`` is its old name then.
    ``fault`` says why it is unusable.
    """

    name: str
    seen: Seen
    source: Any
    fault: str = ""
    was: str = ""

    @property
    def is_new(self) -> bool:
        """Whether it has an answer of its own."""
        return self.source is not None


class Arrivals:
    """Looks at a folder again and again.

    A file is whole once two looks find it the same. Which one it is is told by its content: under a new name, while the
    old one is gone, it is the same one still; under the same name with another content it is another.

    Args:
        folder: What is looked at, with all folders below it.
        suffixes: Of the files that count.
        source: Makes a source of a file's bytes; raises a ``DataError`` where it is none.
        seen: What was done so far, by name; whoever handles an arrival puts it there.
    """

    def __init__(
        self, folder: str, suffixes: Collection[str], source: Callable[[bytes], Any], seen: Mapping[str, Seen]
    ) -> None:
        self._folder, self._suffixes, self._source, self._seen = folder, suffixes, source, seen
        self._found: dict[str, Stamp] = {}
        self._named: dict[str, set[str]] = {}
        for name, each in seen.items():
            self._named.setdefault(each.content, set()).add(name)
        self.waiting = False

    def batches(self) -> Iterator[list[Arrival]]:
        """One look: the files that are whole now, some at a time; ``waiting`` tells whether others are not yet."""
        before, self._found = self._found, self._stamps()
        open_ones = [name for name, stamp in self._found.items() if not self._is_done(name, stamp)]
        whole = [name for name in open_ones if before.get(name) == self._found[name]]
        self.waiting = len(whole) < len(open_ones)
        batch: list[Arrival] = []
        size = 0
        for name in whole:
            if (arrival := self._arrival(name)) is None:
                continue
            batch.append(arrival)
            size += arrival.seen.stamp[0]
            if len(batch) >= _FILES or size >= _BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _stamps(self) -> dict[str, Stamp]:
        """Every file of the folder; none where the folder is gone, as a network's may be for a while."""
        paths = files_below(self._folder, self._suffixes)
        found = ((os.path.relpath(path, self._folder), _stamp(path)) for path in paths)
        return {name: stamp for name, stamp in found if stamp is not None}

    def _is_done(self, name: str, stamp: Stamp) -> bool:
        """Whether it was answered as it is; one that could not be read is tried again."""
        known = self._seen.get(name)
        return known is not None and known.stamp == stamp and bool(known.content)

    def _arrival(self, name: str) -> Arrival | None:
        """What is to be done about a file; None where there is nothing, or not yet."""
        path, stamp = os.path.join(self._folder, name), self._found[name]
        try:
            content, fault = read_bytes(path), ""
        except DataError as error:
            content, fault = b"", error.message.removeprefix(f"{printable(path)}: ")
        if _stamp(path) != stamp:  # still being written, or gone
            self.waiting = True
            return None
        key, known = "" if fault else content_key(content).hex(), self._seen.get(name)
        seen = Seen(stamp, key)
        if known is not None and known.content == key:
            return Arrival(name, seen, None) if key else None
        if key and (was := self._old_name(key)):
            self._named[key] = self._named[key] - {was} | {name}
            return Arrival(name, seen, None, was=was)
        self._named.setdefault(key, set()).add(name)
        if not fault:
            try:
                return Arrival(name, seen, self._source(content))
            except DataError as error:
                fault = error.message
        return Arrival(name, seen, b"", fault)

    def _old_name(self, key: str) -> str:
        """A name under which this content was answered and that holds another one now; empty where there is none."""
        for name in self._named.get(key, ()):
            known = self._seen.get(name)
            if known is not None and self._found.get(name) != known.stamp:
                return name
        return ""


def _stamp(path: str) -> Stamp | None:
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns
