"""Tells texts from images by a glance at the data: which task is meant where nobody says it."""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from topwork._system import optional
from topwork.data._columns import is_called
from topwork.data._dataset import Dataset, TextDataset
from topwork.data._folder import IMAGES, TEXTS
from topwork.data._huggingface import is_huggingface, is_saved
from topwork.data._layout import classes_of
from topwork.data._listing import is_system, look_into
from topwork.data._manifest import SCHEMA as IMAGE_SCHEMA
from topwork.data._table import column_names, is_table, open_names
from topwork.data._text_folder import split_tables
from topwork.data._text_huggingface import kinds_of
from topwork.data._text_rows import SCHEMA
from topwork.data._text_table import first_rows, places_told
from topwork.errors import TopworkError

_GLANCE = 2**18  # characters of a file
_ENTRIES = 2000  # below a folder
_OF_EACH = 20  # right in a folder
_ITEMS = 20  # of a list


def looks_like_texts(data: object) -> bool:
    """Tell labelled texts from images and everything else, by names and first lines alone.

    Texts are a table with a column of texts and none of paths or images, or such a table for each split; class folders
    with ``.txt`` files and no image; a Hugging Face data set with a column of texts and no image; a data frame with
    such columns; and a pair whose first is a list of texts that are no names of images. What cannot be read is none.

    Args:
        data: Whatever :func:`~topwork.data.read_texts` or :func:`~topwork.data.read` takes.
    """
    try:
        return _told(data)
    except (OSError, ValueError, TopworkError):  # the reader that is chosen will tell
        return False


def _told(data: Any) -> bool:
    if isinstance(data, Dataset):
        return isinstance(data, TextDataset)
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        return _folder(path) if path.is_dir() else is_table(path.name) and path.is_file() and _table(path)
    if is_huggingface(data):
        rows = next(iter(data.values()), None) if isinstance(data, Mapping) else data
        return rows is not None and bool(rows.features) and _features(kinds_of(rows.features))
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return _named([str(name) for name in data.columns])
    if isinstance(data, tuple) and len(data) == 2 and hasattr(data[0], "__len__"):
        return not isinstance(data[0], str) and getattr(data[0], "ndim", 1) == 1 and _items(data[0])
    return False


def _folder(root: Path) -> bool:
    if is_saved(root):
        return _saved(root)
    folders, files = look_into(root)
    tables = [*split_tables(root), *sorted(filter(is_table, files))]
    if tables and (not folders or split_tables(root)):
        return _table(root / tables[0])
    if len(folders) == 1 and not tables and split_tables(inner := root / next(iter(folders))):
        return _folder(inner)
    suffixes = {os.path.splitext(name)[1].lower() for name in (_below(root) if folders else files)}
    if not folders and not classes_of(files):
        return False
    return suffixes.isdisjoint((*IMAGES.suffixes, ".tar")) and not suffixes.isdisjoint(TEXTS.suffixes)


def _below(root: Path) -> Iterator[str]:
    """Files in the folders of a folder, some of each."""
    names = (
        name
        for here, _, files in os.walk(root)
        for name in itertools.islice(files, _OF_EACH)
        if not is_system(name) and here != os.fspath(root)
    )
    return itertools.islice(names, _ENTRIES)


def _saved(root: Path) -> bool:
    index = root / "dataset_dict.json"
    place = root / json.loads(index.read_bytes())["splits"][0] if index.is_file() else root
    features = json.loads((place / "dataset_info.json").read_bytes())["features"]
    kinds = {name: each["_type"] for name, each in features.items()}
    return _features({name: features[name]["dtype"] if kind == "Value" else kind for name, kind in kinds.items()})


def _features(kinds: Mapping[str, str]) -> bool:
    """Tell by the features of a data set, name -> kind."""
    if "Image" in kinds.values():
        return False
    texts = [name for name, kind in kinds.items() if kind in ("string", "large_string")]
    labels = [name for name in kinds if kinds[name] == "ClassLabel" or is_called(name, "label", SCHEMA)]
    only = len(set(texts).difference(labels)) == 1 and bool(labels)
    return _named(texts) or (only and not any(is_called(name, "path", IMAGE_SCHEMA) for name in texts))


def _table(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        parquet = optional("pyarrow.parquet", extra="parquet", what="a Parquet manifest")
        return _named(parquet.read_schema(path).names)
    with open_names(path, "") as file:
        start = file.read(_GLANCE)
    whole = len(start) < _GLANCE
    if suffix == ".jsonl":
        row = json.loads(start.lstrip().partition("\n")[0])
        return isinstance(row, dict) and _named(list(row))
    # A row that the glance cuts off is not looked at.
    rows = first_rows(io.StringIO(start if whole else start.rpartition("\n")[0], newline=""), suffix)
    if rows and _named(column_names(rows[0])):
        return True
    places = places_told(rows)
    return places is not None and _items([row[places["text"]] for row in rows])


def _named(names: Sequence[str]) -> bool:
    """Tell by the names of columns."""
    texts, paths = (
        [name for name in names if is_called(name, column, schema)]
        for column, schema in (("text", SCHEMA), ("path", IMAGE_SCHEMA))
    )
    return bool(texts) and not paths


def _items(values: Iterable[Any]) -> bool:
    """Tell by the first of a list: texts, and no paths of images."""
    first = [value for value in itertools.islice(values, _ITEMS) if value is not None and value == value]
    texts = [value for value in first if isinstance(value, str)]
    suffixes = [os.path.splitext(text)[1].lower() for text in texts]
    return bool(texts) and len(texts) == len(first) and not any(suffix in IMAGES.suffixes for suffix in suffixes)
