"""Reads boxes from a table: a row for each, ``path,label,xmin,ymin,xmax,ymax[,split][,group][,crowd][,width,height]``.

Tables without a line of names are told by their cells: those of keras-retinanet (``path,xmin,ymin,xmax,ymax,label``)
and of Google's AutoML (``split,path,label,xmin,ymin,,,xmax,ymax,,``).
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from topwork._system import optional
from topwork.data._annotations._files import text_of_names
from topwork.data._annotations._listing import BoxListing
from topwork.data._annotations._places import Images
from topwork.data._columns import GROUP_NAMES, LABEL_NAMES, SPLIT_NAMES, Columns, Schema, is_called
from topwork.data._layout import SplitCells, split_of
from topwork.data._manifest import SCHEMA as IMAGES
from topwork.data._names import printable, quoted
from topwork.data._source import why
from topwork.data._table import Place, Rows, column_names, csv_reader, frame_cells, frame_rows, table_rows
from topwork.data.formats import IMAGE_SUFFIXES
from topwork.errors import DataError

CORNERS = ("xmin", "ymin", "xmax", "ymax")
_NUMBERS = (*CORNERS, "crowd", "width", "height")
_FIRST = 1000  # rows by which the images' folder is told
_GLANCE = 2**16
_HINT = (
    "the columns are path,label,xmin,ymin,xmax,ymax and, if wanted, split,group,crowd; a row for each box; where it "
    "has x,y,width,height, xmax is x + width and ymax is y + height"
)
SCHEMA = Schema(
    names={
        "path": (*IMAGES.names["path"], "imageid", "image_id"),
        "label": (*LABEL_NAMES, "name", "labelname"),
        "xmin": ("x_min", "x1", "left", "bbox_xmin"),
        "ymin": ("y_min", "y1", "top", "bbox_ymin"),
        "xmax": ("x_max", "x2", "right", "bbox_xmax"),
        "ymax": ("y_max", "y2", "bottom", "bbox_ymax"),
        "split": SPLIT_NAMES,
        "group": GROUP_NAMES,
        "crowd": ("iscrowd", "difficult", "isgroupof"),
        "width": ("image_width", "img_width"),
        "height": ("image_height", "img_height"),
    },
    required=("path", "label", *CORNERS),
    numbers=("label", "group", *_NUMBERS),
    scalars=_NUMBERS,
    gaps=("label", "split", "group", *_NUMBERS),
    binary=("path",),
    hints=dict.fromkeys((".csv", ".tsv", ".jsonl", ".parquet"), _HINT),
    longest=2**20,
)
_RETINANET = {"path": 0, "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4, "label": 5}
_AUTOML = {"split": 0, "path": 1, "label": 2, "xmin": 3, "ymin": 4, "xmax": 7, "ymax": 8}


class _BoxColumns(Columns):
    """The columns of a table of boxes, also of one that has no line for their names."""

    def __init__(self, asked: Mapping[str, str] | None) -> None:
        super().__init__(asked, _HINT, SCHEMA)

    def find(self, names: Sequence[str], where: str) -> dict[str, int]:
        places = None if self._asked else headless(names)
        if places is None:
            return super().find(names, where)
        self.first_line_is_row = True
        return places


def headless(cells: Sequence[str]) -> dict[str, int] | None:
    """Column -> place in a table whose first line is a row; None where it is none."""
    cells = ["" if cell.startswith("Unnamed: ") else cell for cell in cells]
    for places, count in ((_RETINANET, 6), (_AUTOML, 11)):
        if len(cells) != count or os.path.splitext(cells[places["path"]])[1].lower() not in IMAGE_SUFFIXES:
            continue
        corners = [cells[places[corner]] for corner in CORNERS]
        if not any(corners) or all(_is_number(corner) for corner in corners):
            return places
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def add_table(
    listing: BoxListing, table: Path, split: str, images: Images, asked: Mapping[str, str] | None = None
) -> None:
    """Add the images and boxes of one table.

    Args:
        listing: Takes them.
        table: Of the kind that its suffix says.
        split: Of its rows, where it has no column that says it.
        images: Where its images lie.
        asked: Column -> what it is called here; the others are found by their usual names.

    Raises:
        DataError: It cannot be read, a column is missing, an image is in two splits. Names the line.
        MissingExtraError: The package that reads this kind is not installed.
    """
    columns = _BoxColumns(asked)
    try:
        with contextlib.closing(table_rows(table, columns)) as rows:
            _Rows(listing, split, images).add(rows)
    except OSError as error:
        raise DataError(f"{printable(str(table))}: {why(error)}") from error
    if columns.first_line_is_row:
        listing.notes.append(
            f"{printable(table.name)} has no line that names the columns: they are told by their cells"
        )
    if columns.unused:
        listing.notes.append(f"unused columns: {quoted(columns.unused)}")


def list_box_frame(frame: Any, asked: Mapping[str, str] | None = None) -> BoxListing:
    """List what a data frame names; paths are absolute, or relative to the working folder.

    Raises:
        DataError: As :func:`add_table` says.
    """
    columns = _BoxColumns(asked)
    cells = frame_cells(frame, columns)
    paths = [os.path.abspath(os.fspath(path)) if isinstance(path, str | os.PathLike) else "" for path in cells["path"]]
    root = Path(os.path.commonpath([os.path.dirname(path) for path in paths if path]) if any(paths) else os.getcwd())
    cells["path"] = [os.path.relpath(path, root).replace(os.sep, "/") if path else "" for path in paths]
    listing = BoxListing(root, "the data frame")
    _Rows(listing, "", Images(root, "", folders=[""])).add(frame_rows(cells, SCHEMA))
    return listing


class _Rows:
    """Puts the rows of one table into a listing."""

    def __init__(self, listing: BoxListing, split: str, images: Images) -> None:
        self._listing = listing
        self._split = split
        self._images = images
        self._splits = SplitCells()
        self._row_of: dict[str, int | None] = {}

    def add(self, rows: Rows) -> None:
        """Add all of them; the first tell the images' folder."""
        first = list(itertools.islice(rows, _FIRST))
        self._images.choose(dict.fromkeys(_name(cells["path"]) for _, cells in first))
        for where, cells in itertools.chain(first, rows):
            self._add(where, cells)

    def _add(self, where: Place, cells: dict[str, str]) -> None:
        row = self._row(where, cells)
        corners, label = [cells[corner].strip() for corner in CORNERS], cells["label"]
        if row is None or not (any(corners) or label.strip()):  # an image without boxes
            return
        if not label.strip():
            self._listing.exclude(row, "class", "it has no class")
        elif not any(corners):
            self._listing.exclude(row, "none", "the annotation has no box")
        else:
            crowd = cells.get("crowd", "").strip().casefold() in ("1", "1.0", "true", "yes")
            self._listing.add_box(row, label, corners, crowd=crowd)

    def _row(self, where: Place, cells: dict[str, str]) -> int | None:
        """The row of the image; None where it is left out."""
        path, size = cells["path"], (_side(cells.get("height", "")), _side(cells.get("width", "")))
        split = self._splits.named(cells["split"], str(where)) if "split" in cells else self._split
        if path not in self._row_of:
            found, reason = self._images.found(_name(path))
            if reason:
                self._listing.leave_out(path, reason)
            self._row_of[path] = None if reason else self._listing.add_image(found, split, size, cells.get("group", ""))
        row = self._row_of[path]
        if row is not None and self._listing.splits[row] != split:
            raise DataError(
                f"{where}: '{printable(path)}' is in another split above", hint="keep each image in one split"
            )
        return row


def _name(path: str) -> str:
    """A path, or the last part of an address such as ``gs://bucket/1.jpg``."""
    return path.rpartition("/")[2] if "://" in path else path


def _side(text: str) -> int:
    return int(float(text)) if _is_number(text) and 0 < float(text) < 2**31 else 0


def is_box_table(table: Path) -> bool:
    """Tell by its columns, or by the cells of its first line, a table of boxes from others."""
    try:
        return any(map(_are_named, _first_lines(table)))
    except (csv.Error, ValueError):  # the reader that is chosen will tell
        return False


def frame_has_boxes(frame: Any) -> bool:
    """Tell by its columns a data frame of boxes."""
    return _are_named([str(name) for name in frame.columns])


def _are_named(names: Sequence[str]) -> bool:
    named = [column for column in CORNERS for name in names if is_called(name, column, SCHEMA)]
    paths = any(is_called(name, "path", SCHEMA) for name in names)
    return (paths and set(named) == set(CORNERS)) or headless(names) is not None


def _first_lines(table: Path) -> Iterator[list[str]]:
    suffix = table.suffix.lower()
    if suffix == ".parquet":
        yield optional("pyarrow.parquet", extra="parquet", what="a Parquet table").read_schema(table).names
        return
    with open(table, "rb") as file:
        start = text_of_names(file.read(_GLANCE))
    if suffix == ".jsonl":
        row = json.loads(start.lstrip().partition("\n")[0])
        yield list(row) if isinstance(row, dict) else []
        return
    reader, _ = csv_reader(io.StringIO(start.partition("\n")[0] + "\n", newline=""), suffix)
    yield column_names(next(reader, []))


def split_of_table(name: str) -> str:
    """The split that the name of a table means, such as ``train_labels.csv``."""
    words = os.path.splitext(name)[0].replace("_labels", "").replace("_annotations", "").strip("_")
    return split_of(words)
