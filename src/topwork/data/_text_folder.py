"""Lists the texts of a folder: tables that are a split each, or class folders with a file for each text."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from topwork.data._dataset import SPLITS
from topwork.data._encoding import FileTexts
from topwork.data._folder import TEXTS, list_folder
from topwork.data._layout import splits_of
from topwork.data._listing import Listing, look_into
from topwork.data._names import printable, quoted
from topwork.data._source import refusal
from topwork.data._table import is_table
from topwork.data._text_rows import TextRows
from topwork.data._text_table import TextTable, list_table
from topwork.errors import DataError

_SHARD = re.compile(r"-\d+-of-\d+$")
_ABOUT = re.compile(r"(readme|licen[cs]e|changelog|citation|copying)\b|.*\.(md|rst|bib)$", re.IGNORECASE)
"""Files that are about the data, and no part of them."""


def list_text_folder(
    root: Path,
    asked: Mapping[str, str] | None = None,
    classes: Collection[str] | None = None,
    *,
    follow_links: bool = False,
) -> Listing:
    """List the texts of a folder.

    Tables whose names mean splits, as ``train.tsv`` and ``test.tsv``, are the data, whatever lies beside them; so is a
    table that lies there alone, and what a folder that lies there alone holds. Else each folder is a class, as
    :func:`list_folder` has it, and each ``.txt`` file in it a text.

    Args:
        root: The folder.
        asked: Column of a table -> what it is called here; the others are found by their usual names.
        classes: Those of a saved model; then there need not be a training split.
        follow_links: Whether links are followed to where they lead; only those to files in the folder otherwise.

    Raises:
        DataError: What :func:`list_folder` and reading a table raise, several tables that are no splits.
    """
    follow = follow_links
    if splits := split_tables(root, follow_links=follow):
        return _list_splits(root, splits, asked, classes)
    folders, files = look_into(root, follow_links=follow)
    tables = _tables(root, files, follow)
    if len(folders) == 1 and not tables and split_tables(inner := root / next(iter(folders)), follow_links=follow):
        return list_text_folder(inner, asked, classes, follow_links=follow)
    if folders or not tables:
        return _list_files(root, classes, follow)
    if len(tables) > 1:
        raise DataError(
            f"{printable(str(root))} holds the tables {quoted(tables[:5])}: which of them is it?",
            hint="give one of them, or call them train.csv and test.csv if they are splits",
        )
    return list_table(root / tables[0], asked, classes)


def split_tables(root: Path, *, follow_links: bool = False) -> dict[str, str]:
    """The tables of a folder that are a split by their name, such as ``train.tsv`` -> the split; training first."""
    names = _tables(root, look_into(root)[1], follow_links)
    stems = {name: _SHARD.sub("", Path(name).stem) for name in names}
    told = splits_of(stems.values())
    splits = {name: told[stem] for name, stem in stems.items() if stem in told}
    return dict(sorted(splits.items(), key=lambda item: (SPLITS.index(item[1]), item[0])))


def _tables(root: Path, files: Collection[str], follow_links: bool) -> list[str]:
    """The tables among the files of a folder that may be read."""
    return sorted(name for name in files if is_table(name) and (follow_links or not _refusal(root, name)))


def _list_splits(
    root: Path, splits: Mapping[str, str], asked: Mapping[str, str] | None, classes: Collection[str] | None
) -> Listing:
    if classes is None and "train" not in splits.values():
        raise DataError(
            f"{printable(str(root))} has {quoted(splits)} but no 'train'",
            hint="call the file of the training texts train.csv, or give one file alone",
        )
    whole: dict[str, str] = {}
    for name, split in splits.items():
        if whole.setdefault(split, _whole(name)) != _whole(name):
            raise DataError(f"{printable(str(root))} gives one split twice: {quoted(splits)}")
    rows = TextRows(_beside(root, splits))
    wanted = ("text", "label", "group")  # the split is told by the file
    first, *others = splits
    tables = [TextTable(root / first, asked, wanted)]
    tables += [TextTable(root / name, asked, wanted, like=tables[0]) for name in others]
    rows.store(text for table in tables for text in table.texts(rows, splits[table.path.name]))
    if classes is None:
        tables[0].require_classes(rows)
    return rows.listing


def _refusal(root: Path, name: str) -> str:
    """Why a file of a folder is not read; empty where it is."""
    return refusal(os.path.join(root, name), os.path.realpath(root))


def _beside(root: Path, splits: Collection[str]) -> Listing:
    """An empty listing, but for what lies beside the tables that are read."""
    listing = Listing(root, table=root, what="text")
    folders, files = look_into(root)
    for name in sorted(folders):
        listing.leave_out(name, "a folder beside tables of texts")
    for name in sorted(set(files).difference(splits)):
        if _ABOUT.match(name):
            listing.ignored += 1
        else:
            listing.leave_out(name, _refusal(root, name) or "a file beside 'train' that is not 'val' or 'test'")
    return listing


def _whole(name: str) -> str:
    """What the pieces of one table have in common."""
    path = Path(name)
    return _SHARD.sub("", path.stem) + path.suffix


def _list_files(root: Path, classes: Collection[str] | None, follow_links: bool) -> Listing:
    listing = list_folder(root, saved_classes=classes, follow_links=follow_links, files=TEXTS)
    found = list(zip(listing.paths, listing.labels, listing.splits, strict=True))
    listing.paths, listing.labels, listing.splits, listing.groups = [], [], [], []
    rows = TextRows(listing)
    files = FileTexts(os.path.join(root, path) for path, _, _ in found)
    rows.store(text for path, label, split in found for text in _of_file(rows, files, path, label, split))
    for title, count in sorted(rows.encodings.items()):
        listing.notes.append(f"{count:,} texts are read as {title}" if count > 1 else f"1 text is read as {title}")
    return listing


def _of_file(rows: TextRows, files: FileTexts, path: str, label: str, split: str) -> Iterator[str]:
    try:
        text, title = files.text(os.path.join(rows.listing.root, path))
    except DataError as error:
        rows.listing.leave_out(path, error.message)
        return
    rows.encodings.update([title] if title else [])
    yield from rows.taken(path, text, label, split)
