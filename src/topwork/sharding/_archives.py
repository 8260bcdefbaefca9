"""Images in files that hold many: tar files, Parquet files and Arrow files. Each file is a shard."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from topwork._system import optional
from topwork.data import MAX_FILE_BYTES, printable, split_in, split_of, tar_images
from topwork.errors import DataError
from topwork.sharding._files import Files
from topwork.sharding._sources import Piece, Row, changed, hash_of

TARS = (".tar",)
TABLES = (".parquet", ".arrow")

_BATCH = 64  # rows of a table that are read at once
_IMAGES = ("image", "img", "jpg", "jpeg", "png", "webp", "bytes", "content")
"""What a column of images may be called, the surest first."""


@dataclass(frozen=True)
class Archives:
    """Files that hold many images each."""

    files: Files

    def pieces(self, size: int) -> Iterator[Piece]:
        """A file is a piece, however many images are in it."""
        for name, size in self.files.sizes().items():
            yield Piece(hash_of([name, str(size)]), {"file": name, "bytes": size}, None)

    def first(self, scratch: Path) -> Iterator[Row]:
        """As promised in ``Images``."""
        for name in self.files.sizes():
            yield from self._rows(name, scratch)

    def rows(self, piece: Piece, scratch: Path) -> Iterator[Row]:
        """The images of one file."""
        name = piece.where["file"]
        if self.files.size(name) != piece.where["bytes"]:
            raise changed(f"{self.files.name}/{name}")
        return self._rows(name, scratch)

    def _rows(self, name: str, scratch: Path) -> Iterator[Row]:
        path = self.files.local(name, scratch)
        read = _tar_rows if name.lower().endswith(TARS) else _table_rows
        return read(path, printable(name), self._split(name))

    @staticmethod
    def _split(name: str) -> str | None:
        """What a file's name tells of its rows."""
        split = split_of(name.split("/")[0]) if "/" in name else ""
        return split or split_in(name.rpartition("/")[2]) or None


def _tar_rows(path: str, name: str, split: str | None) -> Iterator[Row]:
    for member, source, label, fault in tar_images(path):
        called = f"{name}/{printable(member)}" if member else name
        yield Row(called, b"" if source is None else source, label or None, split, fault)


def _table_rows(path: str, name: str, split: str | None) -> Iterator[Row]:
    """Rows of a Parquet file or of an Arrow stream, as ``datasets`` writes it."""
    schema, batches = _opened(path, name)
    image = _image_column(schema, name)
    label = "label" if "label" in schema.names else None
    names = _class_names(schema.metadata or {}, label)
    place = 0
    for batch in batches([image, *([label] if label else [])]):
        pictures = batch.column(image).to_pylist()
        labels = batch.column(label).to_pylist() if label else [None] * len(pictures)
        for picture, told in zip(pictures, labels, strict=True):
            content = picture.get("bytes") if isinstance(picture, dict) else picture
            yield _row(f"{name}/{place}", content, _label(told, names), split)
            place += 1


def _row(called: str, content: bytes | None, label: str | None, split: str | None) -> Row:
    if not content:
        return Row(called, b"", label, split, "the row holds no image")
    if len(content) > MAX_FILE_BYTES:
        return Row(called, b"", label, split, f"{len(content):,} bytes, more than the {MAX_FILE_BYTES:,} allowed")
    return Row(called, content, label, split)


def _opened(path: str, name: str) -> tuple[Any, Any]:
    """The schema of a file, and what gives batches of some of its columns."""
    arrow = optional("pyarrow", extra="parquet", what="a source of Parquet files")
    try:
        if not name.lower().endswith(".arrow"):
            parquet = optional("pyarrow.parquet", extra="parquet", what="a source of Parquet files")
            file = parquet.ParquetFile(path)
            return file.schema_arrow, partial(_parquet_batches, file, name)
        stream = arrow.ipc.open_stream(arrow.memory_map(path))
        return stream.schema, partial(_arrow_batches, stream, name)
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise _damaged(name, error) from error


def _parquet_batches(file: Any, name: str, columns: list[str]) -> Iterator[Any]:
    with file:
        yield from _read(file.iter_batches(batch_size=_BATCH, columns=columns), name)


def _arrow_batches(stream: Any, name: str, columns: list[str]) -> Iterator[Any]:
    for batch in _read(stream, name):
        for start in range(0, batch.num_rows, _BATCH):
            yield batch.select(columns).slice(start, _BATCH)


def _read(batches: Any, name: str) -> Iterator[Any]:
    arrow = optional("pyarrow", extra="parquet", what="a source of Parquet files")
    try:
        yield from batches
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> DataError:
    return DataError(f"{name}: cannot be read: {printable(str(error))}", hint="make the file anew, or leave it out")


def _image_column(schema: Any, name: str) -> str:
    """The column of images: bytes, or a struct with bytes as ``datasets`` has it."""
    found = [field.name for field in schema if _holds_bytes(field.type)]
    named = [each for each in _IMAGES if each in found]
    if named or len(found) == 1:
        return (named or found)[0]
    raise DataError(
        f"{name} needs a column of images as bytes, and has the columns {', '.join(map(printable, schema.names))}",
        hint="call the column of images image",
    )


def _holds_bytes(kind: Any) -> bool:
    types = optional("pyarrow.types", extra="parquet", what="a source of Parquet files")
    if types.is_struct(kind):
        return any(kind.field(place).name == "bytes" for place in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _class_names(metadata: Mapping[bytes, bytes], label: str | None) -> list[str]:
    """What the numbers of a label mean, where ``datasets`` has written that."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label]["names"]
        return [str(each) for each in names]
    except (KeyError, TypeError, ValueError):
        return []


def _label(told: Any, names: list[str]) -> str | None:
    if told is None:
        return None
    if isinstance(told, int) and names:
        return names[told] if 0 <= told < len(names) else None
    return str(told)
