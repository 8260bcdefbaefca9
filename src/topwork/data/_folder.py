"""Lists a folder of class folders, alone or under ``train/``, ``val/`` and ``test/``; opens no image."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from topwork.data._listing import SPLIT_NAMES, Listing, is_system, look_into
from topwork.data._names import printable, quoted
from topwork.data._source import readable, refusal, why
from topwork.data.formats import IMAGE_SUFFIXES
from topwork.errors import DataError

_LAYOUT_HINT = "put each class's images in a folder named after it: DATA/cat/1.jpg, DATA/dog/1.jpg"


def list_folder(root: Path, *, saved_classes: Collection[str] | None = None) -> Listing:
    """List a data folder.

    ``train/`` is a split, not a class, when it holds folders; then ``val/`` (or ``valid/``, ``validation/``)
    and ``test/`` beside it are splits too. With the classes of a saved model (evaluation), ``val/`` or ``test/`` may
    stand alone.

    Raises:
        DataError: No class folders, a split given twice, or ``val/`` and ``test/`` with nothing to train on.
    """
    walk = _Walk(root)
    folders, files = walk.scan("")
    for name in files:
        walk.listing.leave_out(name, "not in a class folder")
    splits = _split_folders(walk, folders, saved_classes)
    if not splits:
        walk.take_classes("", "", folders)
    for name in folders if splits else ():
        _take_split(walk, name, splits)
    if not any(walk.listing.found.values()):
        raise DataError(f"no class folders in {printable(str(root))}", hint=_LAYOUT_HINT)
    return walk.listing


def _split_folders(walk: _Walk, folders: list[str], saved_classes: Collection[str] | None) -> dict[str, str]:
    """Map folder name -> split where the folder is laid out in splits; empty where its folders are classes."""
    splits = {name: SPLIT_NAMES[name.casefold()] for name in folders if name.casefold() in SPLIT_NAMES}
    only_splits = bool(splits) and len(splits) == len(folders)
    if "train" in splits.values():
        train = next(name for name, split in splits.items() if split == "train")
        if not only_splits and not look_into(walk.root / train)[0]:
            return {}  # a class that happens to be called "train", beside "car" and "bus"
    elif not only_splits or (saved_classes is not None and set(splits) <= set(saved_classes)):
        return {}
    elif saved_classes is None:
        raise DataError(
            f"{printable(str(walk.root))} has {quoted(sorted(splits))} but no 'train'",
            hint="put the training images under train/, or rename the folders if they are classes",
        )
    if len(set(splits.values())) < len(splits):
        raise DataError(f"{printable(str(walk.root))} gives one split twice: {quoted(sorted(splits))}")
    return splits


def _take_split(walk: _Walk, name: str, splits: dict[str, str]) -> None:
    if name not in splits:
        walk.listing.leave_out(name, "a folder beside 'train' that is not 'val' or 'test'")
        return
    folders, files = walk.scan(name)
    for file in files:
        walk.listing.leave_out(f"{name}/{file}", "not in a class folder")
    if not folders and splits[name] == "train":
        raise DataError(f"no class folders in {printable(str(walk.root / name))}", hint=_LAYOUT_HINT)
    walk.take_classes(f"{name}/", splits[name], folders)


class _Walk:
    """One walk over a data folder, filling one listing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.listing = Listing(root)
        self._real_root = os.path.realpath(root)

    def take_classes(self, prefix: str, split: str, folders: list[str]) -> None:
        """Take each folder as a class, with the images anywhere below it."""
        for name in folders:
            self.listing.add_class(name, split)
            for path in self._images(prefix + name):
                self.listing.add(path, name, split)

    def _images(self, folder: str) -> list[str]:
        found: list[str] = []
        pending = [folder]
        while pending:  # a stack of our own: folders may nest deeper than Python recurses
            here = pending.pop()
            folders, files = self.scan(here)
            pending += [f"{here}/{name}" for name in folders]
            found += [f"{here}/{name}" for name in files]
        return sorted(found)

    def scan(self, folder: str) -> tuple[list[str], list[str]]:
        """List one folder: its sub-folders and usable images, each sorted; the rest goes on the listing."""
        folders: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(self.root / folder if folder else self.root) as entries:
                for entry in entries:
                    self._place(entry, folder, folders, files)
        except OSError as error:
            if not folder:
                raise DataError(f"{printable(str(self.root))}: {why(error)}") from error
            self.listing.leave_out(folder, why(error))
        return sorted(folders), sorted(files)

    def _place(self, entry: os.DirEntry[str], folder: str, folders: list[str], files: list[str]) -> None:
        if is_system(entry.name):
            self.listing.ignored += 1
        elif entry.is_dir(follow_symlinks=False):
            folders.append(entry.name)
        elif reason := self._reason(entry):
            self.listing.leave_out(f"{folder}/{entry.name}" if folder else entry.name, reason)
        else:
            files.append(entry.name)

    def _reason(self, entry: os.DirEntry[str]) -> str:
        if not entry.is_file(follow_symlinks=False):  # a link, FIFO, socket or device
            if reason := refusal(entry.path, self._real_root):
                return reason
        elif not readable(entry.path):
            return "cannot be read: permission denied"
        suffix = os.path.splitext(entry.name)[1].lower()
        if suffix in IMAGE_SUFFIXES:
            return ""
        return f"its suffix '{printable(suffix)}' is not an image's" if suffix else "it has no image's suffix"
