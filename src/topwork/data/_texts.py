"""Reads labelled texts, whatever holds them, into a :class:`TextDataset`."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from topwork.data._arrays import as_labels, label_names
from topwork.data._columns import Columns
from topwork.data._dataset import TextDataset
from topwork.data._given_texts import given_texts
from topwork.data._huggingface import is_huggingface, is_saved, load_saved, root_of
from topwork.data._listing import Listing, assembled_as
from topwork.data._names import printable
from topwork.data._source import why
from topwork.data._table import TABLES, frame_cells, frame_rows
from topwork.data._text_folder import list_text_folder
from topwork.data._text_huggingface import list_text_rows
from topwork.data._text_rows import SCHEMA, TextRows
from topwork.data._text_table import list_table
from topwork.errors import DataError

_COMPRESSED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".tgz")
_UNDERSTOOD = (
    "a table with the columns text,label (.csv, .tsv, .jsonl, .parquet, or a data frame), a folder with such a table "
    "for each split (train.csv, test.csv), a folder of class folders with .txt files, a Hugging Face data set (saved "
    "with save_to_disk, or the object), and a pair (texts, labels)"
)


def read_texts(
    data: object,
    *,
    columns: Mapping[str, str] | None = None,
    classes: Sequence[str] | None = None,
    follow_links: bool = False,
) -> TextDataset:
    """Read labelled texts; they go to the disk as they are read, so a million of them need little memory.

    ``data`` is the path of a table ``text,label[,split][,group]`` (CSV, TSV, JSONL or Parquet), of a folder with such a
    table for each split (``train.tsv``, ``dev.tsv``, ``test.tsv``), of a folder of class folders with ``.txt`` files,
    alone or under ``train/``, ``val/`` and ``test/``, or of a folder that a Hugging Face data set was saved to; or such
    a data set itself, a data frame with a table's columns, or a pair ``(texts, labels)``. A data set that was read
    already is given back. Columns are found by their usual names, and in a table of two columns without a line for
    their names by what they hold, where that is certain. Files are UTF-8 or UTF-16, or else CP949 or Windows-1252
    where one of them makes words of the whole file.

    A text is kept as it is, control characters and lone surrogates too; a number stands for how it is written. A text
    that is missing or blank is left out and listed. A row is known by where it stands: ``reviews.csv:17`` is the one
    that ends in line 17, ``good/1.txt`` a file, ``train/3`` a row of a Hugging Face data set, counted from 0.

    Args:
        data: The path, the Hugging Face ``Dataset`` or ``DatasetDict``, the data frame, the pair, or a
            ``TextDataset``.
        columns: What a table calls ``text``, ``label``, ``split`` and ``group``, as far as it is neither that nor
            another usual name.
        classes: The class names of a saved model, in its order; for evaluation. Then these are the classes,
            all names in the data must be among them, and one class is enough. Whole numbers as labels of a pair are
            positions in them.
        follow_links: Whether a folder's links are followed to where they lead; only those to files in it otherwise.

    Raises:
        DataError: Nothing there or nothing that is understood, an unknown encoding, a missing column, a row without a
            label, labels that are sentences, or one for nearly every row where another column has classes, fewer than
            two classes to train on, no training text, a class in ``val`` or ``test`` that is not in ``train`` (or not
            among ``classes``), a group in two splits.
        MissingExtraError: The package that reads this kind is not installed.
    """
    if isinstance(data, TextDataset):
        return data if classes is None else data.relabelled(classes)
    return assembled_as(TextDataset, _listed(data, columns, classes, follow_links), classes)


def _listed(data: Any, columns: Mapping[str, str] | None, classes: Sequence[str] | None, follow_links: bool) -> Listing:
    if isinstance(data, str | os.PathLike):
        return _list_path(Path(data), columns, classes, follow_links)
    if is_huggingface(data):
        return list_text_rows(data, root_of(data), columns, classes)
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return _list_frame(data, columns, classes)
    if isinstance(data, tuple) and len(data) == 2:
        return _list_pair(*data, classes)
    raise DataError(f"not a set of texts: a {type(data).__name__}", hint=f"topwork reads {_UNDERSTOOD}")


def _list_path(
    path: Path, columns: Mapping[str, str] | None, classes: Collection[str] | None, follow_links: bool
) -> Listing:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such folder or file" if missing else why(error)
        raise DataError(f"{printable(str(path))}: {reason}", hint="check the path") from error
    if stat.S_ISDIR(mode):
        if is_saved(path):
            return list_text_rows(load_saved(path), path, columns, classes)
        return list_text_folder(path, columns, classes, follow_links=follow_links)
    if path.suffix.lower() in _COMPRESSED:
        raise DataError(f"{printable(str(path))} is compressed", hint="unpack it")
    if path.suffix.lower() not in TABLES or not stat.S_ISREG(mode):
        raise DataError(
            f"{printable(str(path))} is neither a folder nor a file of a supported kind ({', '.join(TABLES)})",
            hint=f"topwork reads {_UNDERSTOOD}",
        )
    return list_table(path, columns, classes)


def _list_frame(frame: Any, columns: Mapping[str, str] | None, classes: Collection[str] | None) -> Listing:
    found = Columns(columns, "a data frame has the columns text,label and, if wanted, split,group", SCHEMA)
    rows = TextRows(Listing(Path("<data frame>"), table=Path("<data frame>"), what="text"))
    rows.store(rows.of_table(frame_rows(frame_cells(frame, found), SCHEMA), numbered=True))
    if classes is None:
        rows.require_classes(found.called)
    rows.note_unused(found)
    return rows.listing


def _list_pair(texts: Any, labels: Any, classes: Sequence[str] | None) -> Listing:
    names, order = label_names(as_labels(labels), classes)
    rows = TextRows(Listing(Path("<texts>"), order=order, table=Path("<texts>"), what="text"))
    rows.store(_of_pair(rows, texts, names))
    if classes is None:
        rows.require_classes({"text": "texts", "label": "labels"})
    return rows.listing


def _of_pair(rows: TextRows, texts: Any, names: Sequence[str]) -> Iterator[str]:
    count = 0
    for text in given_texts(texts):
        if count < len(names):
            yield from rows.taken(str(count), text, names[count], "")
        count += 1
    if count != len(names):
        raise DataError(f"{count:,} texts, but {len(names):,} labels")
