"""What a folder or a manifest was found to hold, before it is checked: the common ground of all readers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from topwork.data._dataset import LeftOut

PART_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""What a folder or a ``split`` cell may be called -> the part it is."""


@dataclass
class Listing:
    """The rows found, as columns (a million rows as objects would take three times the memory).

    ``found`` holds the class names seen in each part, those of empty class folders too.
    """

    root: Path
    paths: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    found: dict[str, set[str]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    ignored: int = 0

    @property
    def training_part(self) -> str:
        """The part that classes are read from: the whole, or ``train`` where there are parts."""
        return "train" if any(self.found) else ""

    def add_class(self, label: str, part: str) -> None:
        """Note that a class was seen in a part, with images or without."""
        self.found.setdefault(part, set()).add(label)

    def add(self, paths: Iterable[str], label: str, part: str) -> None:
        """Add the images of one class in one part."""
        before = len(self.paths)
        self.paths.extend(paths)
        self.labels.extend([label] * (len(self.paths) - before))
        self.parts.extend([part] * (len(self.paths) - before))

    def leave_out(self, path: str, reason: str) -> None:
        """List a file or folder that is not used."""
        self.left_out.append(LeftOut(path, reason))
