"""Where the images lie that annotations name: the folder is told by what is in it."""

from __future__ import annotations

import ntpath
import os
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path

from topwork.data._layout import split_of
from topwork.data._listing import look_into
from topwork.data._manifest_rows import Inside
from topwork.data.formats import IMAGE_SUFFIXES

_SAMPLE = 20  # names by which a folder is told
_FOLDERS = 1000  # that are looked into
_ABSOLUTE = "its path leaves the data folder"


def files_in(root: Path, depth: int = 3) -> dict[str, list[str]]:
    """Names of the files in the folder itself, which is ``""``, and in those in it, relative to it and sorted.

    Each folder is listed once, and hidden names are passed over.
    """
    found: dict[str, list[str]] = {}
    level = [""]
    for _ in range(depth + 1):
        below = []
        for folder in level[: _FOLDERS - len(found)]:
            folders, files = look_into(root / folder)
            found[folder] = sorted(files)
            below += [posixpath.join(folder, name) for name in sorted(folders)]
        level = below
    return found


class Images:
    """The images that a file of annotations may name.

    Args:
        root: The data folder; none outside it is read.
        beside: The folder of the annotations, relative to it.
        hint: A name that the images' folder may have, such as ``train2017``; its split counts too.
        folders: Where they may lie, relative to the root; all folders in it where None.
    """

    def __init__(self, root: Path, beside: str, hint: str = "", folders: Sequence[str] | None = None) -> None:
        self._root = root
        self._inside = Inside(root)
        split = split_of(hint)

        def preference(folder: str) -> tuple[bool, bool, bool, int]:
            last = posixpath.basename(folder)
            return folder != beside, last != hint, not split or split_of(last) != split, folder.count("/")

        self._folders = sorted(files_in(root) if folders is None else folders, key=preference)

    def choose(self, names: Iterable[str]) -> None:
        """Look first in the folder in which the most of these names are."""
        sample = list(names)
        sample = sample[:: max(1, len(sample) // _SAMPLE)]
        hits = {folder: sum(not self._within(folder, name)[1] for name in sample) for folder in self._folders}
        self._folders.sort(key=lambda folder: -hits[folder])
        self._folders = [folder for folder in self._folders if hits[folder]] or self._folders[:1]

    def choose_by_stems(self, stems: Iterable[str]) -> dict[str, str]:
        """Stem -> path of the images in the folder that has the most of these stems."""
        wanted, best = set(stems), dict[str, str]()
        for folder in self._folders:
            files = look_into(self._root / folder)[1]
            found = {
                posixpath.splitext(name)[0]: posixpath.join(folder, name)
                for name in sorted(files, reverse=True)
                if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
            }
            if len(wanted & found.keys()) > len(wanted & best.keys()):
                best = found
        return best

    def found(self, name: str) -> tuple[str, str]:
        """The path of an image relative to the root, and why it must not be read, which is empty where it may be."""
        tried = [self._within(folder, name) for folder in self._folders[:1]]
        if tried[0][1]:
            tried += (each for folder in self._folders[1:] if not (each := self._within(folder, name))[1])
        return tried[-1]

    def _within(self, folder: str, name: str) -> tuple[str, str]:
        if posixpath.isabs(name) or ntpath.isabs(name) or ntpath.splitdrive(name)[0]:
            name = ntpath.basename(name)  # of another machine
        path = posixpath.normpath(posixpath.join(folder, name))
        if not name or "\0" in name or path.split("/")[0] == ".." or ntpath.normpath(path).split("\\")[0] == "..":
            return name or "(no name)", _ABSOLUTE
        return self._inside.found(path)
