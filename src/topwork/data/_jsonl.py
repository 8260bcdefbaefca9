"""Lists the images that a JSONL manifest names: one object a line, ``{"path": …, "label": …}``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from topwork.data._files import why
from topwork.data._listing import Listing
from topwork.data._manifest import ManifestRows, Row, check_columns
from topwork.data._names import printable
from topwork.errors import DataError

_MAX_LINE = 2**20  # characters: keeps a file without line ends out of memory
_HINT = 'one object a line: {"path": "cat/1.jpg", "label": "cat"} and, if wanted, "split" and "group"'


def list_jsonl(manifest: Path) -> Listing:
    """List what a JSONL manifest names; as for CSV in every other way.

    A label or a group may be a whole number, which is read as its digits; ``null`` is a split or a group that is
    not given.

    Raises:
        DataError: A line that is not such an object, or a row that a CSV manifest could not hold. Names the line.
    """
    rows = ManifestRows(manifest)
    try:
        with open(manifest, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
            for number, line in _lines(file, manifest):
                where = f"{printable(manifest.name)}, line {number}"
                rows.add(_row(line, where), where)
    except OSError as error:
        raise DataError(f"{printable(str(manifest))}: {why(error)}") from error
    return rows.listing


def _lines(file: TextIO, manifest: Path) -> Iterator[tuple[int, str]]:
    number = 0
    while line := file.readline(_MAX_LINE):
        number += 1
        if len(line) == _MAX_LINE:
            raise DataError(f"{printable(manifest.name)}, line {number}: longer than {_MAX_LINE:,} characters")
        if not line.isspace():
            yield number, line


def _row(line: str, where: str) -> Row:
    try:
        pairs = json.loads(line, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, or a number of thousands of digits
        raise DataError(f"{where}: not JSON: {printable(str(error))}", hint=_HINT) from error
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs) or not pairs:
        raise DataError(f"{where}: not an object", hint=_HINT)
    check_columns([name for name, _ in pairs], where, _HINT)
    return Row(**{name: _text(name, value, where) for name, value in pairs})


def _text(name: str, value: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    if value is None and name in ("split", "group"):
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and name in ("label", "group"):
        return str(value)
    raise DataError(f"{where}: '{name}' is {printable(json.dumps(value))[:40]}, expected text", hint=_HINT)
