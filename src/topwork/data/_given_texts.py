"""Texts that are to be predicted: as people hold them in a program, or in a file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from topwork.data._encoding import FileTexts, encoding_of
from topwork.data._folder import TEXTS, files_below
from topwork.data._layout import SplitCells
from topwork.data._names import printable
from topwork.data._table import TABLES, Place, cell_text, plain
from topwork.data._text_rows import SCHEMA, shortened
from topwork.data._text_table import TextTable, told_as_data_error
from topwork.errors import DataError


def given_texts(sources: object) -> Iterator[str]:
    """Texts one after another, whatever holds them: a list, a generator, a column of a data frame, an array.

    A number stands for how it is written; what is missing (None, NaN) is an empty text.

    Raises:
        DataError: It is one text, or a mapping, or nothing that can be gone through; or, once it is asked for, one of
            them is no text.
    """
    if isinstance(sources, Mapping) or hasattr(sources, "columns"):
        hint = "of a data frame, give the column: model.predict(df['text'])"
        raise DataError(f"a {type(sources).__name__} is not a list of texts", hint=hint)
    if isinstance(sources, str | bytes | os.PathLike):
        raise DataError("several texts are expected as a list, not as one text", hint="model.predict([text])")
    if not isinstance(sources, Iterable):
        raise DataError(f"a {type(sources).__name__} is not a list of texts", hint="give a list, each of it a str")
    return (cell_text("text", plain(text), Place("the texts", "row", row), SCHEMA) for row, text in enumerate(sources))


def text_rows(path: str | os.PathLike[str], columns: Mapping[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """The texts of a file or a folder, each with the name of its row; labels are not needed.

    A table (CSV, TSV, JSONL, Parquet) has a column of texts; a row without one gives an empty text. Of a ``.txt`` file
    each line that is not blank is a text; of a folder, each ``.txt`` file anywhere below it.

    Args:
        path: The file or the folder.
        columns: What a table calls its column ``text``, where that is no usual name.

    Raises:
        DataError: It cannot be read, an unknown encoding, no column of texts, no ``.txt`` file.
        MissingExtraError: The package that reads this kind is not installed.
    """
    place = Path(path)
    if place.is_dir():
        yield from _files(place)
    elif place.suffix.lower() == ".txt":
        yield from _lines(place)
    elif place.suffix.lower() in TABLES:
        for where, cells in TextTable(place, columns, ("text",)).rows():
            yield f"{where.table}:{where.number}", cells["text"]
    else:
        kinds = ", ".join((*TABLES, ".txt"))
        told = f"{printable(shortened(str(place)))} is neither a folder nor a file of texts ({kinds})"
        raise DataError(told, hint='a text itself is given with --text "…"')


def table_texts(path: str) -> Iterator[tuple[int, str, str, str]]:
    """The rows of a table of texts (CSV, TSV, JSONL, Parquet): line, text, and label and split where it has them.

    Raises:
        DataError: It cannot be read, an unknown encoding, no column of texts. Names the line.
        MissingExtraError: The package that reads this kind is not installed.
    """
    schema, splits = dataclasses.replace(SCHEMA, required=("text",)), SplitCells()
    for where, cells in TextTable(Path(path), wanted=("text", "label", "split"), schema=schema).rows():
        split = splits.named(cells.get("split", ""), str(where))
        yield where.number, cells["text"], cells.get("label", "").strip(), split


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    files = FileTexts(files_below(str(folder), TEXTS.suffixes))
    found = False
    for path in files_below(str(folder), TEXTS.suffixes):
        try:
            text, _ = files.text(path)
        except DataError as error:
            raise DataError(f"{printable(path)}: {error.message}") from error
        found = True
        yield os.path.relpath(path, folder).replace(os.sep, "/"), text
    if not found:
        raise DataError(
            f"no .txt file in {printable(str(folder))}",
            hint="give a table of texts, a .txt file with a text in each line, or a folder of .txt files",
        )


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    with told_as_data_error(path), encoding_of(path).opened(path, None) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"{path.name}:{number}", line.removesuffix("\n")
