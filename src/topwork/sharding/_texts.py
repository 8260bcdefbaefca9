"""Texts in tables: each file of rows is a shard, which is read from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from topwork.data import printable, table_texts
from topwork.sharding._archives import Archives
from topwork.sharding._sources import Row

TEXT_TABLES = (".csv", ".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Texts(Archives):
    """Tables with a column of texts, and perhaps of classes and splits; a row is known by its file and its line."""

    def _rows(self, name: str, scratch: Path) -> Iterator[Row]:
        path, split = self.files.local(name, scratch), self._split(name)
        for line, text, label, own in table_texts(path):
            yield Row(f"{printable(name)}:{line}", text, label or None, own or split)
