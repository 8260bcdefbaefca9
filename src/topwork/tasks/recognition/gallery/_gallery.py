"""The gallery as a whole: segments, and an index that says which of them count.

A change writes new files first and then renames one index into place; whatever happens before leaves the old gallery,
and whatever after the new one. What a killed process left behind goes with the next change.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, Float32Array
from topwork._system import write_whole
from topwork.data import printable
from topwork.errors import DataError, ModelError
from topwork.tasks.recognition.gallery import _segment
from topwork.tasks.recognition.gallery._lock import locked, remove_bare
from topwork.tasks.recognition.gallery._search import nearest
from topwork.tasks.recognition.gallery._segment import Segment

FOLDER = "gallery"
"""What a gallery is called in a model's folder."""

_INDEX = "index.json"
_FORMAT = 1
_MOST_SEGMENTS = 16
_MORE_ROWS = 16  # times as many rows, where these are of too few identities
_READS = 20  # of an index that another process replaces again and again
_WRITTEN = re.compile(rf"[0-9a-f]{{16}}{re.escape(_segment.SUFFIX)}|\.index-\w{{8}}")  # a segment, a draft of the index
_LONGEST = 200  # characters of a name
_UNREADABLE = "only its owner can read it"
_FULL = "free some space, or allow writing there, and try again; the gallery is as before"


class Match(NamedTuple):
    """Somebody in the gallery.

    Attributes:
        name: Who.
        similarity: The cosine of the most similar of their images, -1..1.
    """

    name: str
    similarity: float


@dataclass(frozen=True)
class _Entry:
    """What the index holds of a segment."""

    file: str
    rows: int
    checksum: int


class Gallery:
    """Embeddings by name, in memory or in a folder of its own.

    Args:
        width: Numbers in an embedding.
        model: What made them: embeddings of another model mean nothing beside these.
        folder: Where it lies; None keeps it in memory. It need not be there yet.
        is_owned: Whether that model still lies above it; asked before each change.

    Raises:
        ModelError: The folder holds another model's gallery, or a damaged one.
    """

    def __init__(
        self, width: int, model: str, folder: Path | None = None, is_owned: Callable[[], bool] = lambda: True
    ) -> None:
        self.width, self.model, self.folder = width, model, folder
        self._is_owned = is_owned
        self._segments: tuple[Segment, ...] = ()
        self._entries: tuple[_Entry, ...] = ()
        self._seen: tuple[int, int, int] | None = None
        self._alone = threading.RLock()  # of threads; a lock on a file keeps other processes out
        self.refresh()

    def __len__(self) -> int:
        """Images."""
        return sum(map(len, self._segments))

    @property
    def counts(self) -> dict[str, int]:
        """Images of everybody, by name."""
        found: Counter[str] = Counter()
        for segment in self._segments:
            found.update(segment.counts)
        return dict(sorted(found.items()))

    @property
    def people(self) -> int:
        """How many names there are."""
        ordered = sorted(self._segments, key=len, reverse=True)
        known = ordered[0].folded if ordered else {}
        return len(known) + len({key for each in ordered[1:] for key in each.folded if key not in known})

    def refresh(self) -> None:
        """Take over what another process has changed.

        Raises:
            ModelError: The folder holds another model's gallery, or a damaged one.
        """
        with self._alone:
            for _ in range(_READS):
                stamp = self._stamp()
                if stamp == self._seen:
                    return
                try:
                    self._entries, self._segments = self._read() if stamp else ((), ())
                    self._seen = stamp
                    return
                except FileNotFoundError as error:
                    if stamp == self._stamp():  # nobody has changed it meanwhile
                        raise ModelError(
                            f"{error.filename}: a part of the gallery is missing", hint=_segment.DAMAGED
                        ) from error
        raise ModelError(f"{self.folder}: the gallery changed again and again while it was read", hint="try again")

    def add(self, name: str, embeddings: AnyArray) -> None:
        """Enrol images of somebody, new or known.

        Args:
            name: Who: up to 200 printable characters.
            embeddings: (N, K) of length one.

        Raises:
            DataError: The name cannot be used, or differs from another one only by case or by the form of its letters;
                or the embeddings are not finite.
            ModelError: The disk cannot be written; the gallery is as before.
        """
        self.add_all([name] * len(embeddings), embeddings)

    def add_all(self, names: Sequence[str], embeddings: AnyArray) -> None:
        """The same of many at once, a name for each row."""
        shape = embeddings.shape
        if embeddings.ndim != 2 or shape != (len(names), self.width) or not np.isfinite(embeddings).all():
            raise DataError(f"embeddings must be finite, of shape ({len(names)}, {self.width}), got {shape}")
        owners = {name: place for place, name in enumerate(dict.fromkeys(names))}
        for name in owners:
            require_name(name)
        if not len(names):
            return
        with self._changing():
            self._require_distinct(owners)
            rows = np.asarray(embeddings, np.float32)
            new = _segment.made(rows, list(owners), np.array([owners[name] for name in names]))
            kept, merged = _to_merge(self._segments)
            self._replace(kept, _segment.joined([*merged, new]) if merged else new)

    def remove(self, name: str) -> int:
        """Remove somebody, and all that is known of them; gives how many images those were.

        Files that held them are written anew without them, and deleted.

        Raises:
            DataError: Nobody of that name is there.
            ModelError: The disk cannot be written; the gallery is as before.
        """
        with self._changing():
            holding = [each for each in self._segments if name in each.names]
            if not holding:
                raise DataError(
                    f"nobody in the gallery is called {printable(name)!r}", hint="names are compared exactly, case too"
                )
            count = sum(each.counts[name] for each in holding)
            others = [each for each in self._segments if name not in each.names]
            left = [each.keep(each.owners != each.names.index(name)) for each in holding]
            self._replace(others, *(each for each in left if len(each)))
        return count

    def search(self, queries: AnyArray, count: int = 1) -> list[list[Match]]:
        """The most similar identities of each query (B, K), the most similar first; exact, not approximate."""
        self.refresh()
        queries, segments, rows = np.asarray(queries, np.float32), self._segments, 2 * count
        while True:
            found, missed = _ranked(segments, queries, rows)
            best = [matches[:count] for matches in found]
            if all(len(each) == count and each[-1].similarity >= most for each, most in zip(best, missed, strict=True)):
                return best
            if all(rows >= len(segment) for segment in segments):
                return best
            rows *= _MORE_ROWS

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else changes it meanwhile: whoever wants to waits, and then changes what lies there by then.

        Raises:
            ModelError: The disk cannot be written.
        """
        with self._changing():
            yield

    def copy_to(self, folder: Path) -> None:
        """Write all of it into a new folder.

        Raises:
            OSError: It cannot be written.
        """
        copy = Gallery(self.width, self.model, folder)
        with copy._changing():
            copy._replace((), *self._segments)

    def _require_distinct(self, new: dict[str, int]) -> None:
        among: dict[str, str] = {}
        for name in new:
            key = _segment.folded(name)
            other = next(
                (each.folded[key] for each in self._segments if key in each.folded), among.setdefault(key, name)
            )
            if other != name:
                raise DataError(
                    f"{printable(name)!r} and {printable(other)!r} differ only by case or by the form of their letters",
                    hint=f"enrol as {printable(other)!r} if they are the same, or under a name that tells them apart",
                )

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Nobody else changes it meanwhile; what a killed process left is deleted."""
        with self._alone, contextlib.ExitStack() as stack:
            if self.folder is None:
                yield
                return
            try:
                stack.callback(os.close, locked(self.folder))
                if not self._is_owned():
                    remove_bare(self.folder)
                    raise ModelError(
                        f"{self.folder.parent}: another model has taken this one's place meanwhile",
                        hint="enrol again: the model that lies there now is read then",
                    )
                self.refresh()
                self._sweep()
                yield
            except OSError as error:
                why = f"{self.folder}: the gallery cannot be written: {error.strerror or error}"
                raise ModelError(why, hint=_FULL) from error

    def _replace(self, kept: Sequence[Segment], *new: Segment) -> None:
        """Make these the segments; the new ones are written first, and what is not needed any more is deleted last."""
        if self.folder is None:
            self._segments = (*kept, *new)
            return
        known = {segment.path: entry for segment, entry in zip(self._segments, self._entries, strict=True)}
        entries = [known[segment.path] for segment in kept]
        written: list[Path] = []
        try:
            for segment in new:
                path = self.folder / f"{secrets.token_hex(8)}{_segment.SUFFIX}"
                written.append(path)
                entries.append(_Entry(path.name, len(segment), _segment.write(segment, path)))
            index = {"format": _FORMAT, "model": self.model, "width": self.width, "segments": [*map(asdict, entries)]}
            write_whole(self.folder / _INDEX, json.dumps(index).encode(), mode=0o600)
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise
        self.refresh()
        self._sweep()

    def _sweep(self) -> None:
        """Delete segments that no index names: what was removed, joined, or left by a killed process; nothing else."""
        assert self.folder is not None
        current = {entry.file for entry in self._entries}
        for path in self.folder.iterdir():
            if path.name not in current and _WRITTEN.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _stamp(self) -> tuple[int, int, int] | None:
        """What tells an index from the one that replaces it."""
        try:
            facts = (self.folder / _INDEX).stat() if self.folder is not None else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ModelError(
                f"{self.folder}: the gallery cannot be read: {error.strerror}", hint=_UNREADABLE
            ) from error
        return None if facts is None else (facts.st_ino, facts.st_mtime_ns, facts.st_size)

    def _read(self) -> tuple[tuple[_Entry, ...], tuple[Segment, ...]]:
        assert self.folder is not None
        path = self.folder / _INDEX
        try:
            fields = json.loads(path.read_bytes())
            entries = tuple(_Entry(**each) for each in fields["segments"])
            form, model, width = fields["format"], fields["model"], fields["width"]
            plain = all(Path(each.file).name == each.file for each in entries)
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelError(f"{path}: the gallery's index is damaged: {error}", hint=_segment.DAMAGED) from error
        if form != _FORMAT or not plain:
            raise ModelError(f"{path}: written by another version of topwork", hint="update topwork, or enrol again")
        if (model, width) != (self.model, self.width):
            raise ModelError(
                f"{self.folder}: this gallery was made by another model, whose embeddings mean nothing to this one",
                hint="move it away and enrol the images again with this model",
            )
        known = {segment.path: segment for segment in self._segments}  # a file never changes
        paths = [self.folder / each.file for each in entries]
        opened = [
            known.get(path) or _segment.opened(path, each.rows, width, each.checksum)
            for path, each in zip(paths, entries, strict=True)
        ]
        return entries, tuple(opened)


def require_name(name: str) -> None:
    """Refuse what is no name.

    Raises:
        DataError: It is empty, long, has spaces around it or characters that cannot be seen.
    """
    if not name.strip() or name != name.strip() or len(name) > _LONGEST or not name.isprintable():
        raise DataError(
            f"{printable(name[:50])!r} cannot be a name",
            hint=f"a name has 1 to {_LONGEST} printable characters and no spaces around it",
        )


def _ranked(segments: Sequence[Segment], queries: Float32Array, count: int) -> tuple[list[list[Match]], list[float]]:
    """The identities of each segment's best rows, the most similar first, for each query.

    Beside them the most that a row has which was not among these.
    """
    found: list[dict[str, float]] = [{} for _ in queries]
    missed = [-np.inf] * len(queries)
    for segment in segments if len(queries) else ():
        cosines, rows = nearest(segment, queries, count)
        for place, (values, owners) in enumerate(zip(cosines.tolist(), segment.owners[rows].tolist(), strict=True)):
            for value, owner in zip(values, owners, strict=True):
                name = segment.names[owner]
                found[place][name] = max(value, found[place].get(name, -np.inf))
            if count < len(segment):
                missed[place] = max(missed[place], values[-1])
    ordered = [sorted(each.items(), key=lambda pair: (-pair[1], pair[0])) for each in found]
    return [[Match(*pair) for pair in each] for each in ordered], missed


def _to_merge(segments: Sequence[Segment]) -> tuple[list[Segment], list[Segment]]:
    """What stays, and what a new segment takes in: where there are many, all up to one larger than those after it.

    So each image is written anew a few times in all, however many there are, and the largest files rarely.
    """
    if len(segments) < _MOST_SEGMENTS:
        return list(segments), []
    ordered = sorted(segments, key=len, reverse=True)
    place, rows = len(ordered) - 1, len(ordered[-1])
    while place > 0 and len(ordered[place - 1]) <= 2 * rows:
        place -= 1
        rows += len(ordered[place])
    return ordered[:place], ordered[place:]
