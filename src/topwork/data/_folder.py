"""Lists a folder of class folders, alone or under ``train/``, ``val/`` and ``test/``; opens no file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from topwork._text import article
from topwork.data._layout import classes_of, is_own_output, masks_of, splits_of, without_companions
from topwork.data._listing import MASK, Listing, is_system, look_into
from topwork.data._names import printable, quoted
from topwork.data._source import LINKS, readable, refusal, why
from topwork.data.formats import IMAGE_SUFFIXES
from topwork.errors import DataError

TEXT_SUFFIXES = (".txt",)


@dataclass(frozen=True)
class Files:
    """Which files of a folder are rows: what each is (``Listing.what``), their suffixes, and how they are laid out."""

    what: str
    suffixes: Collection[str]
    hint: str


IMAGES = Files(
    "image",
    IMAGE_SUFFIXES,
    "put each class's images in a folder named after it: DATA/cat/1.jpg, DATA/dog/1.jpg; "
    "or name each image and its class in a CSV with the columns path,label",
)
IDENTITIES = replace(
    IMAGES,
    hint="put the images of each identity in a folder named after it: DATA/anna/1.jpg, DATA/ben/1.jpg; "
    "or name each image and whom it shows in a CSV with the columns path,label",
)
TEXTS = Files(
    "text",
    TEXT_SUFFIXES,
    "put each class's texts in a folder named after it: DATA/good/1.txt, DATA/bad/1.txt; "
    "or give a table with the columns text,label (.csv, .tsv, .jsonl, .parquet)",
)

_LINKS_HINT = "there are links; --follow-links (in Python follow_links=True) follows them to where they lead"


def list_folder(
    root: Path,
    *,
    saved_classes: Collection[str] | None = None,
    follow_links: bool = False,
    files: Files = IMAGES,
) -> Listing:
    """List a data folder.

    ``train/`` is a split, not a class, when it holds folders; then the folders beside it that mean ``val`` or ``test``
    are splits too, under any of their usual names. With ``saved_classes`` (evaluation), ``val/`` or ``test/`` may
    stand alone. A folder that holds nothing but the folder of the classes is entered. Without class folders, files
    that are called ``Abyssinian_12.jpg`` have their class in the name. Links to files in the data folder are read;
    ``follow_links`` follows all, to folders and out of the data folder too, and each real folder once a class.

    Raises:
        DataError: No class folders, a split given twice, ``val/`` and ``test/`` with nothing to train on, or folders of
            which it cannot be told whether they are classes or splits.
    """
    walk = _Walk(root, follow_links, files)
    prefix = walk.entered("", saved_classes or ())
    if prefix:
        walk.listing.notes.append(f"the {files.what}s are read from the folder '{printable(prefix[:-1])}'")
    folders, loose = walk.scan(prefix)
    if labels := {} if folders else classes_of(loose):
        return walk.take_named(prefix, labels)
    for name in loose:
        walk.listing.leave_out(prefix + name, "not in a class folder")
    splits = _split_folders(walk, prefix, folders, saved_classes)
    if not splits:
        if saved_classes is None:
            _require_classes(walk, prefix, folders)
        walk.take_classes(prefix, "", folders)
    for name in folders if splits else ():
        _take_split(walk, prefix, name, splits)
    if not any(walk.listing.found.values()):
        hint = _LINKS_HINT if any(item.reason in LINKS for item in walk.listing.left_out) else files.hint
        raise DataError(f"no class folders in {printable(str(root))}", hint=hint)
    return walk.listing


def image_files(root: str) -> Iterator[str]:
    """The images anywhere below a folder, in the order of their names, without hidden ones and linked folders."""
    return files_below(root, IMAGES.suffixes)


def files_below(root: str, suffixes: Collection[str]) -> Iterator[str]:
    """The files with these suffixes, as :func:`image_files` gives images."""
    for here, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not is_system(name))
        for name in sorted(files):
            if not is_system(name) and os.path.splitext(name)[1].lower() in suffixes:
                yield os.path.join(here, name)


def layout_of(root: Path) -> tuple[str, dict[str, str]]:
    """The path below a folder where its classes or splits begin, and its split folders; none where none can be told."""
    walk = _Walk(root, False, IMAGES)
    prefix = walk.entered("", ())
    with contextlib.suppress(DataError):
        return prefix, _split_folders(walk, prefix, walk.inside(prefix)[0], None)
    return prefix, {}


def _split_folders(
    walk: _Walk, prefix: str, folders: list[str], saved_classes: Collection[str] | None
) -> dict[str, str]:
    """Map folder name -> split where the folder is laid out in splits; empty where its folders are classes."""
    splits = splits_of(folders)
    only_splits = bool(splits) and len(splits) == len(folders)
    if "train" in splits.values():
        train = next(name for name, split in splits.items() if split == "train")
        if not only_splits and not walk.inside(prefix + train)[0]:
            return {}  # a class that happens to be called "train", beside "car" and "bus"
    elif not only_splits or (saved_classes is not None and set(splits) <= set(saved_classes)):
        return {}
    elif saved_classes is None:
        raise DataError(
            f"{printable(str(walk.root))} has {quoted(sorted(splits))} but no 'train'",
            hint=f"put the training {walk.files.what}s under train/, or rename the folders if they are classes",
        )
    if len(set(splits.values())) < len(splits):
        raise DataError(f"{printable(str(walk.root))} gives one split twice: {quoted(sorted(splits))}")
    return splits


def _require_classes(walk: _Walk, prefix: str, folders: list[str]) -> None:
    """Refuse folders that may be splits rather than classes: a model of them would look sound and be worth nothing."""
    root, what = printable(str(walk.root)), walk.files.what
    if len(alike := sorted(splits_of(folders))) > 1:
        raise DataError(
            f"{root}: {quoted(alike)} look like splits, and beside them are other folders with {what}s",
            hint="put a folder for each class into each split: train/cat/1.jpg; or rename them if they are classes",
        )
    below = _same_folders(walk, prefix, folders)
    if len(below) > 1:
        raise DataError(
            f"{root}: {quoted(folders[:5])} all hold the folders {quoted(below[:5])}: which of them are the classes?",
            hint="splits are called train, val and test; where the outer folders are the classes, "
            f"put the {what}s right into them",
        )


def _same_folders(walk: _Walk, prefix: str, folders: list[str]) -> list[str]:
    """The names of the folders in each of these, where they are the same in all of two or more."""
    if len(folders) < 2:
        return []
    first: list[str] = []
    for name in folders:
        below, images = walk.inside(prefix + name)
        if images or not below or first not in ([], below):
            return []
        first = below
    return first


def _take_split(walk: _Walk, prefix: str, name: str, splits: dict[str, str]) -> None:
    if name not in splits:
        walk.listing.leave_out(prefix + name, "a folder beside 'train' that is not 'val' or 'test'")
        return
    inner = walk.entered(f"{prefix}{name}/", ())
    folders, files = walk.scan(inner)
    for file in files:
        walk.listing.leave_out(inner + file, "not in a class folder")
    if not folders and splits[name] == "train":
        raise DataError(f"no class folders in {printable(str(walk.root / name))}", hint=walk.files.hint)
    walk.take_classes(inner, splits[name], folders)


class _Walk:
    """One walk over a data folder, filling one listing."""

    def __init__(self, root: Path, follow_links: bool, files: Files) -> None:
        self.root = root
        self.files = files
        self.listing = Listing(root, what=files.what)
        self._follow = follow_links
        self._real_root = "" if follow_links else os.path.realpath(root)  # all lies in ""
        self._reached: set[str] = set()  # real folders of one class, so that no link is gone round in

    def take_classes(self, prefix: str, split: str, folders: list[str]) -> None:
        """Take each folder as a class, with the files anywhere below it."""
        for name in folders:
            self._reached = {os.path.realpath(self.root / prefix / name)}
            self.listing.add_class(name, split)
            for path in self._files_below(prefix + name):
                self.listing.add(path, name, split)

    def take_named(self, prefix: str, labels: dict[str, str]) -> Listing:
        """Take files whose class stands in their name."""
        for name, label in labels.items():
            self.listing.add(prefix + name, label, "")
        self.listing.notes.append("there are no class folders: the classes are the files' names without the number")
        return self.listing

    def _files_below(self, folder: str) -> list[str]:
        found: list[str] = []
        pending = [folder]
        while pending:  # a stack of our own: folders may nest deeper than Python recurses
            here = pending.pop()
            folders, files = self.scan(here)
            pending += [f"{here}/{name}" for name in folders]
            found += [f"{here}/{name}" for name in files]
        return sorted(found)

    def entered(self, prefix: str, classes: Collection[str]) -> str:
        """Go down while there is one folder alone, no class of a saved model, that holds classes rather than images."""
        folders, images = self.inside(prefix)
        folders = [name for name in folders if not is_own_output(os.path.join(self.root, prefix, name))]
        folders = without_companions(folders)
        if len(folders) != 1 or images or folders[0] in classes or splits_of(folders):
            return prefix
        inner = f"{prefix}{folders[0]}/"
        below, images = self.inside(inner)
        if images and not below and classes_of(images):
            return inner
        if images or not below:
            return prefix
        return inner if len(below) > 1 else self.entered(inner, classes)

    def inside(self, folder: str) -> tuple[list[str], list[str]]:
        """The folders and images in a folder, sorted; leaves no trace in the listing."""
        folders, files = look_into(self.root / folder, follow_links=self._follow)
        return sorted(folders), [name for name in files if os.path.splitext(name)[1].lower() in self.files.suffixes]

    def scan(self, folder: str) -> tuple[list[str], list[str]]:
        """List one folder: its sub-folders and usable images, each sorted; the rest goes on the listing.

        ``folder`` may end with a slash.
        """
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
        masks = masks_of(files) if self.files is IMAGES else {}
        for name in masks:
            self.listing.leave_out(_below(folder, name), MASK)
        return sorted(folders), sorted(name for name in files if name not in masks)

    def _place(self, entry: os.DirEntry[str], folder: str, folders: list[str], files: list[str]) -> None:
        if is_system(entry.name):
            self.listing.ignored += 1
        elif entry.is_dir(follow_symlinks=self._follow):
            if entry.is_symlink() and self._reached and self._is_known(os.path.realpath(entry.path)):
                self.listing.leave_out(_below(folder, entry.name), "a link to a folder that is read already")
            elif is_own_output(entry.path):
                self.listing.leave_out(_below(folder, entry.name), "made by topwork: not a class")
            else:
                folders.append(entry.name)
        elif reason := self._reason(entry):
            self.listing.leave_out(_below(folder, entry.name), reason)
        else:
            files.append(entry.name)

    def _is_known(self, real: str) -> bool:
        known = any(real == folder or folder.startswith(os.path.join(real, "")) for folder in self._reached)
        self._reached.add(real)
        return known

    def _reason(self, entry: os.DirEntry[str]) -> str:
        if not entry.is_file(follow_symlinks=False):  # a link, FIFO, socket or device
            if reason := refusal(entry.path, self._real_root):
                return reason
        elif not readable(entry.path):
            return "cannot be read: permission denied"
        suffix = os.path.splitext(entry.name)[1].lower()
        if suffix in self.files.suffixes:
            return ""
        kind = article(self.files.what)
        return f"its extension '{printable(suffix)}' is not that of {kind}" if suffix else "its name has no extension"


def _below(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if folder else name
