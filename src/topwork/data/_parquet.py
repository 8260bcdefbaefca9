"""Lists the images that a Parquet manifest names: the columns ``path,label[,split][,group]``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from topwork._system import optional
from topwork.data._listing import Listing
from topwork.data._manifest import ManifestRows, Row, check_columns
from topwork.data._names import printable
from topwork.errors import DataError

_BATCH = 4096  # rows
_HINT = (
    "the columns are path,label and, if wanted, split,group; a file that holds the images themselves: "
    'topwork.read(datasets.load_dataset("parquet", data_files=…))'
)


def list_parquet(manifest: Path) -> Listing:
    """List what a Parquet manifest names; as for CSV in every other way.

    Columns are text; ``path`` may be binary, for names that are not UTF-8, and ``label`` and ``group`` whole
    numbers, which are read as their digits. A missing ``split`` or ``group`` is one that is not given.

    Raises:
        DataError: Not a Parquet file, a wrong column or type, or a row that a CSV manifest could not hold.
        MissingExtraError: ``pyarrow`` is not installed.
    """
    arrow = optional("pyarrow", extra="parquet", what="a Parquet manifest")
    parquet = optional("pyarrow.parquet", extra="parquet", what="a Parquet manifest")
    rows = ManifestRows(manifest)
    name = printable(str(manifest))
    try:
        with parquet.ParquetFile(manifest) as file:
            check_columns(file.schema_arrow.names, name, _HINT)
            for field in file.schema_arrow:
                _check_type(arrow.types, field, name)
            for number, row in _rows(file):
                where = f"{printable(manifest.name)}, row {number}"
                rows.add(_checked(row, where), where)
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{name}: not a Parquet file that can be read: {printable(str(error))}") from error
    return rows.listing


def _rows(file: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    for batch in file.iter_batches(batch_size=_BATCH):
        for row in batch.to_pylist():
            number += 1
            yield number, row


def _check_type(types: Any, field: Any, name: str) -> None:
    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    text = types.is_string(kind) or types.is_large_string(kind)
    number = types.is_integer(kind) and field.name in ("label", "group")
    raw = (types.is_binary(kind) or types.is_large_binary(kind)) and field.name == "path"
    if not (text or number or raw or types.is_null(kind)):
        raise DataError(f"{name}: column '{field.name}' is of type {field.type}, expected text", hint=_HINT)


def _checked(row: dict[str, Any], where: str) -> Row:
    for name in ("path", "label"):
        if row[name] is None:
            raise DataError(f"{where}: the {name} is missing")
    return Row(**{name: _text(value) for name, value in row.items()})


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return "" if value is None else str(value)
