"""Lists WebDataset shards: tar files in which the files of one sample share a name up to its first dot."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from topwork.data._layout import SPLIT_WORDS, split_of
from topwork.data._listing import Listing, is_system, look_into
from topwork.data._names import printable, quoted
from topwork.data._shard_index import ShardIndex, index_of
from topwork.data._source import Slice, refusal, why
from topwork.errors import DataError, ImageError

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
COMPRESSED_HINT = "unpack it to a plain .tar: single images cannot be reached in a compressed one"


@dataclass(frozen=True, eq=False)
class TarStore:
    """Images as slices of tar files; 20 bytes a row."""

    shards: tuple[tuple[str, tuple[int, int]], ...]  # path and stamp of each tar file
    shard: npt.NDArray[np.int32]  # (N,), which of them holds a row's image
    offsets: npt.NDArray[np.int64]  # (N,), in bytes
    sizes: npt.NDArray[np.int64]

    def source(self, key: int) -> Slice:
        """Give the place of one row's image."""
        path, stamp = self.shards[self.shard[key]]
        return Slice(path, int(self.offsets[key]), int(self.sizes[key]), stamp)


def is_compressed(name: str) -> bool:
    """Tell a compressed tar file by its name."""
    return name.casefold().endswith(_COMPRESSED)


def has_shards(folder: Path) -> bool:
    """Tell a folder of shards from a folder of class folders.

    It is one where tar files lie in it and no folder does, or where all its folders are called ``train``, ``val``
    or ``test`` and one holds tar files and no folder.
    """
    folders, files = look_into(folder)
    has_tars = any(map(_is_shard, files))
    if has_tars or not folders:
        return has_tars and not folders
    if not all(map(split_of, folders)):
        return False
    return any(any(map(_is_shard, inner)) and not nested for nested, inner in (look_into(folder / n) for n in folders))


def _is_shard(name: str) -> bool:
    return name.casefold().endswith((".tar", *_COMPRESSED))


def list_tar(path: Path) -> Listing:
    """List one shard; whatever its name says, its rows are in no split.

    Raises:
        DataError: It cannot be read.
    """
    shards = _Shards(path.parent)
    try:
        shards.add(path.name, "")
    except ImageError as error:
        raise DataError(error.message) from error
    return shards.finished()


def list_shards(root: Path) -> Listing:
    """List a folder of shards.

    The split is what the folder is called (``train/0000.tar``), or else a word of the file's name
    (``flowers-train-0000.tar``). A shard that cannot be read is left out.

    Raises:
        DataError: Some shards name a split and others do not.
    """
    shards = _Shards(root)
    for name in shards.scan(""):
        if (root / name).is_dir() and not (root / name).is_symlink():
            if split := split_of(name):
                for inner in shards.scan(name):
                    shards.take(f"{name}/{inner}", split)
            else:
                shards.listing.leave_out(name, "a folder beside shards that is not 'train', 'val' or 'test'")
        else:
            shards.take(name, split_in(name))
    return shards.finished()


def split_in(name: str) -> str:
    """The split that a file's name tells, such as ``flowers-train-0000.tar``; empty where it tells none, or several."""
    words = {SPLIT_WORDS[word] for word in re.split(r"[-_.]", name.casefold()) if word in SPLIT_WORDS}
    return words.pop() if len(words) == 1 else ""


class _Shards:
    """Gathers the rows of shards in ``listing``."""

    def __init__(self, root: Path) -> None:
        self.listing = Listing(root)
        self._root = root
        self._real_root = os.path.realpath(root)
        self._shards: list[tuple[str, tuple[int, int]]] = []
        self._indexes: list[ShardIndex] = []
        self._by_split: dict[str, str] = {}

    def scan(self, folder: str) -> list[str]:
        """Give the names in a folder, sorted; hidden ones are counted."""
        try:
            names = sorted(os.listdir(self._root / folder))
        except OSError as error:
            self.listing.leave_out(folder, why(error))
            return []
        self.listing.ignored += sum(map(is_system, names))
        return [name for name in names if not is_system(name)]

    def take(self, name: str, split: str) -> None:
        """Take one shard of a folder, or leave it out with its reason."""
        if is_compressed(name):
            reason = COMPRESSED_HINT
        elif not _is_shard(name):
            reason = "not a tar file"
        else:
            reason = refusal(str(self._root / name), self._real_root)
        if reason:
            self.listing.leave_out(name, reason)
            return
        try:
            self.add(name, split)
        except ImageError as error:
            self.listing.leave_out(name, error.message)

    def add(self, name: str, split: str) -> None:
        """Take one shard; an ``ImageError`` says that it cannot be read."""
        path = os.path.join(self._root, name)
        stamp, index = index_of(path)
        self._shards.append((path, stamp))
        self._indexes.append(index)
        self._by_split.setdefault(split, name)
        for member, label, group in zip(index.names, index.labels, index.groups, strict=True):
            self.listing.add(f"{name}/{member}", label, split, group)
        for member, reason in index.left_out:
            self.listing.leave_out(f"{name}/{member}" if member else name, reason)
        self.listing.ignored += index.ignored

    def finished(self) -> Listing:
        """Close the listing; refuse shards of which some name a split and others do not."""
        if "" in self._by_split and len(self._by_split) > 1:
            without = self._by_split.pop("")
            others = list(self._by_split.values())
            raise DataError(
                f"{quoted(others[:3])} name a split and {quoted([without])} does not in {printable(str(self._root))}",
                hint="put the shards into train/, val/ and test/",
            )
        counts = [len(index.names) for index in self._indexes]
        self.listing.store = TarStore(
            tuple(self._shards),
            np.repeat(np.arange(len(counts), dtype=np.int32), counts),
            np.concatenate([np.zeros(0, np.int64), *(index.offsets for index in self._indexes)]),
            np.concatenate([np.zeros(0, np.int64), *(index.sizes for index in self._indexes)]),
        )
        return self.listing
