"""Lists the images that a manifest names (CSV, JSONL, Parquet or a data frame): ``path,label[,split][,group]``.

Its rows come from :mod:`~topwork.data._table`; :class:`ManifestRows` checks them and gathers them in a listing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from topwork.data._columns import GROUP_NAMES, LABEL_NAMES, SPLIT_NAMES, Columns, Schema
from topwork.data._listing import Listing
from topwork.data._manifest_rows import REQUIRED, ManifestRows, Row, path_here
from topwork.data._names import printable, quoted
from topwork.data._source import why
from topwork.data._table import Rows, frame_cells, frame_rows, is_table, table_rows
from topwork.errors import DataError

_CSV_HINT = (
    "the first line names the columns: path,label and, if wanted, split,group; "
    "other names are told by --columns path=NAME,label=NAME"
)
SCHEMA = Schema(
    names={
        "path": (
            "file",
            "filename",
            "file_name",
            "filepath",
            "file_path",
            "image",
            "image_path",
            "image_name",
            "img",
            "img_path",
            *("경로", "사진", "이미지", "파일", "파일명"),
        ),
        "label": LABEL_NAMES,
        "split": SPLIT_NAMES,
        "group": GROUP_NAMES,
    },
    required=REQUIRED,
    numbers=("label", "group"),
    scalars=(),
    gaps=("split", "group"),
    binary=("path",),
    hints={
        ".csv": _CSV_HINT,
        ".tsv": _CSV_HINT,
        ".jsonl": 'one object a line: {"path": "cat/1.jpg", "label": "cat"} and, if wanted, "split" and "group"',
        ".parquet": "the columns are path,label and, if wanted, split,group; a file that holds the images themselves: "
        'topwork.read(datasets.load_dataset("parquet", data_files=…))',
    },
    longest=2**20,
)
"""A whole number as a label or a group is read as its digits; a path may be binary, for names that are not UTF-8."""


def list_manifest(manifest: Path, columns: Mapping[str, str] | None = None) -> Listing:
    """List what a manifest, of the kind that its suffix says, names; no path may leave the manifest's folder.

    A file that is missing, unreadable or not regular is left out and listed. What it is called does not matter: who
    names a file in a manifest means it.

    Args:
        manifest: Of the kind that its suffix says, one of ``TABLES``.
        columns: Column -> what it is called here; the others are found by their usual names.

    Raises:
        DataError: It cannot be read, a missing column, a row that is short, blank or of another split than it
            says elsewhere, a path that is absolute or leaves the folder. Names the line.
        MissingExtraError: The package that reads this kind is not installed.
    """
    try:
        found = Columns(columns, SCHEMA.hints[manifest.suffix.lower()], SCHEMA)
        return _gathered(manifest, table_rows(manifest, found), found)
    except OSError as error:
        raise DataError(f"{printable(str(manifest))}: {why(error)}") from error


def is_manifest(name: str) -> bool:
    """Tell by its suffix whether a file names images."""
    return is_table(name)


def manifest_paths(manifest: Path, columns: Mapping[str, str] | None = None) -> Iterator[str]:
    """The images that a manifest names, without their labels; a relative path starts at the manifest's folder.

    Of rows of one image that follow each other, as a table of boxes or objects has them, the first alone counts.

    Raises:
        DataError: It cannot be read, or has no column of paths.
        MissingExtraError: The package that reads this kind is not installed.
    """
    hint = SCHEMA.hints[manifest.suffix.lower()]
    folder, last = "" if manifest.parent == Path() else manifest.parent, None
    try:
        for _, row in table_rows(manifest, Columns(columns, hint, SCHEMA, ("path",))):
            if row["path"] == last:
                continue
            last = row["path"]
            path = os.path.join(folder, last)
            with contextlib.suppress(UnicodeError):
                other = path if os.path.lexists(path) else os.path.join(folder, path_here(last))
                path = other if os.path.lexists(other) else path
            yield path
    except OSError as error:
        raise DataError(f"{printable(str(manifest))}: {why(error)}") from error


def list_frame(frame: Any, columns: Mapping[str, str] | None = None) -> Listing:
    """List what a data frame names; paths are absolute, or relative to the working folder.

    Raises:
        DataError: As :func:`list_manifest` says.
    """
    found = Columns(columns, "a data frame has the columns path,label and, if wanted, split,group", SCHEMA)
    cells = frame_cells(frame, found)
    paths = [os.path.abspath(os.fspath(path)) if isinstance(path, str | os.PathLike) else "" for path in cells["path"]]
    root = os.path.commonpath([os.path.dirname(path) for path in paths if path]) if any(paths) else os.getcwd()
    cells["path"] = [os.path.relpath(path, root).replace(os.sep, "/") if path else "" for path in paths]

    return _gathered(Path(root) / "data frame", frame_rows(cells, SCHEMA), found)


def _gathered(manifest: Path, rows: Rows, columns: Columns) -> Listing:
    gathered = ManifestRows(manifest)
    with contextlib.closing(rows):
        for where, cells in rows:
            gathered.add(Row(**cells), str(where))
    if columns.unused:
        gathered.listing.notes.append(f"unused columns: {quoted(columns.unused)}")
    return gathered.listing
