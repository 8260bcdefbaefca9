"""Lists the images that a CSV manifest names: ``path,label[,split][,group]``, with a header."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from topwork.data._files import why
from topwork.data._listing import Listing
from topwork.data._manifest import COLUMNS, REQUIRED, ManifestRows, Row, check_columns
from topwork.data._names import printable
from topwork.errors import DataError

_HINT = f"the first line names the columns: {','.join(REQUIRED)} and, if wanted, {','.join(COLUMNS[2:])}"


def list_csv(manifest: Path) -> Listing:
    """List what a CSV manifest names; paths are relative to the manifest's folder and may not leave it.

    A file that is missing, unreadable or not regular is left out and listed. The suffix does not matter here:
    who names a file in a manifest means it.

    Raises:
        DataError: A wrong header, a row that is short, blank or of another split than it says elsewhere, a
            path that is absolute or leaves the folder. Names the line.
    """
    rows = ManifestRows(manifest)
    try:
        # surrogateescape: a file name that is not UTF-8 comes through as os.fsdecode would give it.
        with open(manifest, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for line, row in _rows(file, manifest):
                rows.add(row, f"{printable(manifest.name)}, line {line}")
    except OSError as error:
        raise DataError(f"{printable(str(manifest))}: {why(error)}") from error
    except csv.Error as error:
        raise DataError(f"{printable(str(manifest))}: not a CSV file: {error}") from error
    return rows.listing


def _rows(file: Iterator[str], manifest: Path) -> Iterator[tuple[int, Row]]:
    reader = csv.reader(file, strict=True)
    header = [name.strip() for name in next(reader, [])]
    check_columns(header, printable(str(manifest)), _HINT)
    for cells in reader:
        if not cells:  # a blank line
            continue
        if len(cells) != len(header):
            where = f"{printable(manifest.name)}, line {reader.line_num}"
            raise DataError(
                f"{where}: {len(cells)} fields, expected {len(header)}",
                hint="put a field that holds a comma in double quotes",
            )
        yield reader.line_num, Row(**dict(zip(header, cells, strict=True)))
