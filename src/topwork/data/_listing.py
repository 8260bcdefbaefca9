"""What a reader found, before it is checked: the common ground of all readers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from topwork.data._dataset import LeftOut
from topwork.data._source import Store

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""What a folder, a split or a ``split`` cell may be called -> the split it is."""

_SYSTEM_NAMES = frozenset({"__macosx", "desktop.ini", "ehthumbs.db", "thumbs.db"})


@dataclass
class Listing:
    """The rows found, as columns (a million rows as objects would take three times the memory).

    ``found`` holds the class names seen in each split, those of empty class folders too. ``order`` is the
    classes' order where the data declare one; they are sorted otherwise. ``store`` knows the image of the first
    row as 0, of the second as 1, and so on; without one, the images are files below ``root``.
    """

    root: Path
    paths: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    found: dict[str, set[str]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    ignored: int = 0
    order: tuple[str, ...] = ()
    store: Store | None = None

    @property
    def training_split(self) -> str:
        """The split that classes are read from: the whole, or ``train`` where there are splits."""
        return "train" if any(self.found) else ""

    def add_class(self, label: str, split: str) -> None:
        """Note that a class was seen in a split, with images or without."""
        self.found.setdefault(split, set()).add(label)

    def add(self, paths: Iterable[str], label: str, split: str) -> None:
        """Add the images of one class in one split."""
        before = len(self.paths)
        self.paths.extend(paths)
        self.labels.extend([label] * (len(self.paths) - before))
        self.splits.extend([split] * (len(self.paths) - before))

    def add_row(self, path: str, label: str, split: str, group: str) -> None:
        """Add one image; a listing is filled either by this or by :meth:`add`."""
        self.paths.append(path)
        self.labels.append(label)
        self.splits.append(split)
        self.groups.append(group)

    def leave_out(self, path: str, reason: str) -> None:
        """List a file or folder that is not used."""
        self.left_out.append(LeftOut(path, reason))


def is_system(name: str) -> bool:
    """Tell hidden files and those that operating systems strew about."""
    return name.startswith(".") or name.casefold() in _SYSTEM_NAMES


def label_fault(label: str) -> str:
    """Say why a text cannot be a class name; empty where it can."""
    if not label.strip():
        return "the label is empty"
    return "the label holds a NUL character" if "\0" in label else ""
