"""The images of a folder in an order that can be cut into ranges; holds the names of one folder at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from topwork.data._folder import IMAGES, layout_of
from topwork.data._listing import is_system
from topwork.data._names import printable
from topwork.data._source import refusal, why
from topwork.errors import DataError

_Key = tuple[tuple[bool, str], ...]


class Named(NamedTuple):
    """One image: its path below the root, its class and split where the folders tell them, and why it must not be read.

    Attributes:
        path: With forward slashes, as ``os.fsdecode`` carries it.
        label: The class folder's name; empty where there is none.
        split: ``train``, ``val``, ``test``, or empty.
        fault: Why it must not be read; empty where it may be.
    """

    path: str
    label: str
    split: str
    fault: str = ""


def images_between(root: str, after: str = "", to: str = "") -> Iterator[Named]:
    """The images below a folder in their order, from behind one name up to another; empty names are the ends.

    In each folder its own images come first, then its folders, each by name. Only folders that the range touches are
    looked into. Hidden files and linked folders are passed over; a class is the folder that ``topwork.data.read`` takes
    for one.

    Args:
        root: The folder.
        after: The last path that is not wanted, relative to the root.
        to: The last that is.

    Raises:
        DataError: A folder cannot be listed.
    """
    prefix, splits = layout_of(Path(root))
    first = _key(after) if after else ()
    last = _key(to) if to else ((True, "\U0010ffff"),)
    real_root = os.path.realpath(root)
    pending = [""]
    while pending:
        here = pending.pop()
        folders, files = _listed(root, here)
        for name, is_link in files:
            if first < (key := _key(path := here + name)) <= last:
                fault = refusal(os.path.join(root, path), real_root) if is_link else ""
                yield Named(path, *_told(path, prefix, splits), fault)
            elif key > last:
                break
        below = (f"{here}{name}/" for name in reversed(folders))
        pending += [each for each in below if _touches(_folder_key(each), first, last)]


def _key(path: str) -> _Key:
    """Sorts paths as they are walked: a folder's own files before its folders."""
    *folders, name = path.split("/")
    return (*((True, folder) for folder in folders), (False, name))


def _folder_key(folder: str) -> _Key:
    return tuple((True, name) for name in folder[:-1].split("/"))


def _touches(folder: _Key, first: _Key, last: _Key) -> bool:
    return first[: len(folder)] <= folder <= last


def _listed(root: str, here: str) -> tuple[list[str], list[tuple[str, bool]]]:
    folders: list[str] = []
    files: list[tuple[str, bool]] = []
    try:
        with os.scandir(os.path.join(root, here)) as entries:
            for entry in entries:
                if is_system(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif os.path.splitext(entry.name)[1].lower() in IMAGES.suffixes and not entry.is_dir():
                    files.append((entry.name, entry.is_symlink()))
    except OSError as error:
        where = printable(os.path.join(root, here))
        raise DataError(f"{where}: {why(error)}", hint="make the folder readable, or leave it out") from error
    return sorted(folders), sorted(files)


def _told(path: str, prefix: str, splits: dict[str, str]) -> tuple[str, str]:
    """Class and split of a path."""
    if not path.startswith(prefix):
        return "", ""
    *folders, _ = path[len(prefix) :].split("/")
    split = splits.get(folders[0], "") if folders else ""
    if splits:
        folders = folders[1:] if split else []
    return folders[0] if folders else "", split
