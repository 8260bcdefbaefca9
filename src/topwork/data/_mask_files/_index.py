"""A table beside the folders that says which split, and which group, each image is of: ``name,split[,group]``."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from topwork.data._columns import GROUP_NAMES, SPLIT_NAMES, Columns, Schema, is_called
from topwork.data._layout import SplitCells
from topwork.data._manifest import SCHEMA as IMAGES
from topwork.data._names import printable
from topwork.data._table import column_names, csv_reader, is_table, open_names, table_rows
from topwork.errors import DataError

_HINT = "the columns are name,split and, if wanted, group; a row for each image"
SCHEMA = Schema(
    names={
        "name": (*IMAGES.names["path"], "path", "id", "image_id", "imageid", "stem", "이름"),
        "split": SPLIT_NAMES,
        "group": (*GROUP_NAMES, "patient", "slide", "patient_id", "slide_id"),
    },
    required=("name",),
    numbers=("name", "group"),
    scalars=(),
    gaps=("split", "group"),
    binary=("name",),
    hints=dict.fromkeys((".csv", ".tsv"), _HINT),
    longest=2**20,
)


@dataclass
class Index:
    """What a table says of images, by their names with or without folder and suffix."""

    name: str
    rows: dict[str, tuple[str, str]] = field(default_factory=dict)
    missing: int = 0

    def of(self, path: str) -> tuple[str, str]:
        """The split and the group of an image; empty where the table does not name it."""
        base = posixpath.basename(path)
        for name in (path, base, os.path.splitext(path)[0], os.path.splitext(base)[0]):
            if name in self.rows:
                return self.rows[name]
        self.missing += 1
        return "", ""

    @property
    def notes(self) -> list[str]:
        """What there is to note once all images were asked for."""
        if not self.missing:
            return []
        few = "1 image is" if self.missing == 1 else f"{self.missing:,} images are"
        return [f"{few} not in {printable(self.name)}, and so in no split"]


def index_of(root: Path, names: Iterable[str]) -> Index | None:
    """Read the table that tells splits or groups of images, where there is one.

    Raises:
        DataError: It cannot be read, or tells two splits of one image.
    """
    for name in sorted(names, key=lambda each: (each != "index.csv", each)):
        if is_table(name) and name.lower().endswith((".csv", ".tsv")) and _is_index(root / name):
            return _read(root / name)
    return None


def _is_index(file: Path) -> bool:
    try:
        with open_names(file, "") as text:
            names = column_names(next(csv_reader(text, file.suffix.lower())[0], []))
    except (OSError, ValueError, DataError):
        return False
    return all(any(is_called(name, column, SCHEMA) for name in names) for column in ("name", "split")) or (
        any(is_called(name, "name", SCHEMA) for name in names) and any(is_called(n, "group", SCHEMA) for n in names)
    )


def _read(file: Path) -> Index:
    index, splits = Index(file.name), SplitCells()
    with contextlib.closing(table_rows(file, Columns(None, _HINT, SCHEMA))) as rows:
        for where, cells in rows:
            name = posixpath.normpath(cells["name"].replace("\\", "/"))
            told = (splits.named(cells.get("split", ""), str(where)), cells.get("group", ""))
            if index.rows.setdefault(name, told) != told:
                raise DataError(f"{where}: '{printable(name)}' came before with another split or group")
    return index
