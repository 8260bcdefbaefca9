"""Reads masks from a table: a row for each image, ``path,mask[,objects][,split][,group]``."""

from __future__ import annotations

import contextlib
import itertools
import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from topwork.data._annotations._places import Images
from topwork.data._columns import GROUP_NAMES, SPLIT_NAMES, Columns, Schema, is_called
from topwork.data._layout import SplitCells
from topwork.data._listing import look_into
from topwork.data._manifest import SCHEMA as IMAGES
from topwork.data._mask_files._legend import legend_in
from topwork.data._mask_files._listing import MaskListing
from topwork.data._mask_files._places import place_of
from topwork.data._names import printable, quoted
from topwork.data._source import why
from topwork.data._table import Rows, column_names, csv_reader, frame_cells, frame_rows, open_names, table_rows
from topwork.errors import DataError

_FIRST = 1000  # rows by which the folders are told
_HINT = "the columns are path,mask and, if wanted, objects,split,group; a row for each image"
SCHEMA = Schema(
    names={
        "path": IMAGES.names["path"],
        "mask": ("masks", "mask_path", "maskpath", "segmentation", "annotation", "label_path", "마스크"),
        "objects": ("instances", "instance_mask", "instance_path", "object_mask", "객체"),
        "split": SPLIT_NAMES,
        "group": (*GROUP_NAMES, "patient", "slide", "patient_id", "slide_id"),
    },
    required=("path",),
    numbers=("group",),
    scalars=(),
    gaps=("mask", "objects", "split", "group"),
    binary=("path", "mask", "objects"),
    hints=dict.fromkeys((".csv", ".tsv", ".jsonl", ".parquet"), _HINT),
    longest=2**20,
)


def is_mask_table(file: Path) -> bool:
    """Tell by the names of its columns a table of images and masks."""
    if file.suffix.lower() not in (".csv", ".tsv"):
        return False
    try:
        with open_names(file, "") as text:
            return has_masks(column_names(next(csv_reader(text, file.suffix.lower())[0], [])))
    except (OSError, ValueError, DataError):
        return False


def has_masks(names: Any) -> bool:
    """Tell columns of images and masks by their names."""
    shown = [str(name) for name in names]
    return any(is_called(name, "path", SCHEMA) for name in shown) and any(
        is_called(name, column, SCHEMA) for name in shown for column in ("mask", "objects")
    )


def list_mask_table(table: Path, asked: Mapping[str, str] | None = None) -> MaskListing:
    """List what a table names; its paths start at its folder.

    Raises:
        DataError: It cannot be read, a column is missing. Names the line.
        MissingExtraError: The package that reads this kind is not installed.
    """
    columns = Columns(asked, _HINT, SCHEMA)
    listing = MaskListing(table.parent, printable(str(table)))
    listing.legend, _ = legend_in(table.parent, {"": look_into(table.parent)[1]}, ())
    try:
        with contextlib.closing(table_rows(table, columns)) as rows:
            _add(listing, rows, Images(table.parent, ""), columns)
    except OSError as error:
        raise DataError(f"{printable(str(table))}: {why(error)}") from error
    return listing


def list_mask_frame(frame: Any, asked: Mapping[str, str] | None = None) -> MaskListing:
    """List what a data frame names; paths are absolute, or relative to the working folder.

    Raises:
        DataError: As :func:`list_mask_table` says.
    """
    columns = Columns(asked, _HINT, SCHEMA)
    cells = frame_cells(frame, columns)
    kinds = [name for name in ("path", "mask", "objects") if name in cells]
    known = [os.path.abspath(os.fspath(each)) for kind in kinds for each in cells[kind] if _is_path(each)]
    root = Path(os.path.commonpath([os.path.dirname(path) for path in known]) if known else os.getcwd())
    for kind in kinds:
        cells[kind] = [
            os.path.relpath(os.path.abspath(os.fspath(each)), root).replace(os.sep, "/") if _is_path(each) else ""
            for each in cells[kind]
        ]
    listing = MaskListing(root, "the data frame")
    _add(listing, frame_rows(cells, SCHEMA), Images(root, "", folders=[""]), columns, images_are_paths=True)
    return listing


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike) and bool(os.fspath(value))


def _add(listing: MaskListing, rows: Rows, images: Images, columns: Columns, *, images_are_paths: bool = False) -> None:
    first = list(itertools.islice(rows, _FIRST))
    images.choose(dict.fromkeys(_name(cells["path"]) for _, cells in first))
    splits = SplitCells()
    if not ({"mask", "objects"} & columns.called.keys()):
        raise DataError(f"{listing.name}: no column 'mask' or 'objects'", hint=_HINT)
    listing.objects = True if "mask" not in columns.called else listing.objects
    others = Images(listing.root, "", folders=[""] if images_are_paths else None)
    for where, cells in itertools.chain(first, rows):
        split = splits.named(cells.get("split", ""), str(where))
        path, reason = images.found(_name(cells["path"]))
        told = {kind: others.found(_name(text)) for kind in ("mask", "objects") if (text := cells.get(kind, ""))}
        reason = reason or next((f"its mask {mask}: {fault}" for mask, fault in told.values() if fault), "")
        if reason or not told:
            listing.leave_out(path, reason or "an image without a mask")
            continue
        files = {kind: listing.root / mask for kind, (mask, _) in told.items()}
        listing.add(path, place_of(files.get("mask"), files.get("objects")), split, cells.get("group", ""))
    if columns.unused:
        listing.notes.append(f"unused columns: {quoted(columns.unused)}")


def _name(cell: str) -> str:
    return posixpath.normpath(cell.strip().replace("\\", "/")) if cell.strip() else ""
