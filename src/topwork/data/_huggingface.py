"""Lists a Hugging Face data set: an object of the ``datasets`` package, or a folder that one was saved to."""

from __future__ import annotations

import json
import os
import posixpath
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._system import optional
from topwork.data._layout import split_of
from topwork.data._listing import Listing, label_fault
from topwork.data._names import printable, quoted
from topwork.data._source import MAX_FILE_BYTES, Source, refusal, within
from topwork.errors import DataError, ImageError

_BATCH = 256  # rows; a data set that was shuffled copies that many images at a time to be listed
_TYPES = ("Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")


class _Columns(NamedTuple):
    """The columns of one split, and what the label's numbers are called; empty where it holds the names."""

    image: str
    label: str
    group: str
    names: tuple[str, ...]


class _Cell(NamedTuple):
    """One row without its image's bytes."""

    embedded: bool
    path: str
    label: Any
    group: str


@dataclass(frozen=True, eq=False)
class RowStore:
    """Images in the rows of a Hugging Face data set, read from its memory-mapped files one at a time."""

    splits: tuple[Any, ...]  # each a ``Dataset`` in Arrow format with one column, the image
    split: npt.NDArray[np.int32]  # (N,), which of them holds a row
    rows: npt.NDArray[np.int64]  # (N,), its place there
    root: str  # the folder that the images' paths start from, where they are not embedded

    def source(self, key: int) -> Source:
        """Give one row's image: its bytes, or the path of its file.

        Raises:
            ImageError: It cannot be read, or has more than 512 MiB.
        """
        try:
            image = self.splits[self.split[key]][int(self.rows[key])].column(0)[0].as_py()
        except Exception as error:  # whatever Arrow makes of a damaged file
            raise ImageError(f"the row cannot be read: {printable(str(error))}") from error
        data = image["bytes"]
        if data is None:
            return Path(self.root, image["path"])
        if len(data) > MAX_FILE_BYTES:
            raise ImageError(f"{len(data):,} bytes, more than the {MAX_FILE_BYTES:,} allowed")
        return bytes(data)


def is_huggingface(data: object) -> bool:
    """Tell an object of the ``datasets`` package, without importing that."""
    module = sys.modules.get("datasets")
    return module is not None and isinstance(data, tuple(getattr(module, name) for name in _TYPES))


def is_saved(folder: Path) -> bool:
    """Tell a folder that ``save_to_disk`` has written."""
    one = (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    return one or (folder / "dataset_dict.json").is_file()


def list_saved(folder: Path) -> Listing:
    """List a folder that ``save_to_disk`` has written; nothing that it names may lie outside it.

    Raises:
        DataError: It cannot be loaded, names files elsewhere, or is no data set of labelled images.
        MissingExtraError: ``datasets`` is not installed.
    """
    return _list(load_saved(folder), folder, inside=True)


def load_saved(folder: Path) -> Any:
    """The ``Dataset`` or ``DatasetDict`` of a folder that ``save_to_disk`` has written.

    Raises:
        DataError: It cannot be loaded, or names files elsewhere.
        MissingExtraError: ``datasets`` is not installed.
    """
    module = optional("datasets", extra="datasets", what="a saved Hugging Face data set")
    try:
        _check_inside(folder)
        return module.load_from_disk(str(folder))
    except DataError:
        raise
    except Exception as error:  # the package raises nearly every built-in exception on damaged files
        reason = printable(str(error)) or type(error).__name__
        raise DataError(f"{printable(str(folder))}: the Hugging Face data set cannot be loaded: {reason}") from error


def _check_inside(folder: Path) -> None:
    """Refuse a folder whose own lists of splits and files lead out of it, before anything is opened."""
    index = folder / "dataset_dict.json"
    splits = json.loads(index.read_bytes())["splits"] if index.is_file() else [""]
    real_root = os.path.realpath(folder)
    for split in splits:
        place = folder / split
        _require_within(place / "state.json", real_root)
        _require_within(place / "dataset_info.json", real_root)
        for file in json.loads((place / "state.json").read_bytes())["_data_files"]:
            _require_within(place / file["filename"], real_root)  # an absolute name replaces the place


def _require_within(path: Path, real_root: str) -> None:
    if not within(os.path.realpath(path), real_root):
        raise DataError(f"{printable(real_root)}: '{printable(str(path))}' leads out of the folder")


def list_object(data: object) -> Listing:
    """List a ``Dataset`` or ``DatasetDict``; its paths are the caller's own and may lead anywhere.

    Raises:
        DataError: It streams, or is no data set of labelled images.
    """
    return _list(data, root_of(data), inside=False)


def root_of(data: object) -> Path:
    """What stands for the place of a ``Dataset`` or ``DatasetDict``.

    Raises:
        DataError: It streams.
    """
    name = type(data).__name__
    if name.startswith("Iterable"):
        raise DataError(
            f"a {name} streams: its rows cannot be read by number",
            hint="load it without streaming=True, or datasets.Dataset.from_generator(lambda: iter(rows))",
        )
    return Path(f"<datasets.{name}>")


def _list(data: Any, root: Path, *, inside: bool) -> Listing:
    listing = Listing(root)
    splits: list[Any] = []
    rows: list[npt.NDArray[np.int64]] = []
    for name, split, rows_of in splits_in(data, root, listing.leave_out):
        columns = _columns(rows_of.features, f"{printable(str(root))}{f', split {printable(name)}' if name else ''}")
        for label in columns.names:
            listing.add_class(label, split)
        listing.order = listing.order if listing.order and split != "train" else columns.names
        rows.append(_list_split(listing, rows_of, columns, name, split, inside=inside))
        splits.append(rows_of.select_columns([columns.image]).with_format("arrow"))
    listing.store = RowStore(
        tuple(splits),
        np.repeat(np.arange(len(rows), dtype=np.int32), [len(kept) for kept in rows]),
        np.concatenate([np.zeros(0, np.int64), *rows]),
        str(root) if inside else "",
    )
    return listing


def splits_in(data: Any, root: Path, leave_out: Callable[[str, str], None]) -> Iterator[tuple[str, str, Any]]:
    """Give each split's own name, its split, and its rows; ``leave_out`` hears of what is no split, and why."""
    if not isinstance(data, Mapping):
        yield "", "", data
        return
    splits = [split for name in data if (split := split_of(name))]
    if len(set(splits)) < len(splits):
        raise DataError(f"{printable(str(root))} gives one split twice: {quoted(data)}")
    for name, rows in data.items():
        if split := split_of(name):
            yield name, split, rows
        else:
            leave_out(name, f"a split of {len(rows):,} rows that is not 'train', 'validation' or 'test'")


def _columns(features: Mapping[str, Any], where: str) -> _Columns:
    kinds = {name: type(feature).__name__ for name, feature in features.items()}
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    if not labels or "label" in labels:
        plain = ("string", "large_string", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
        labels = [name for name in ("label",) if name in labels or getattr(features.get(name), "dtype", "") in plain]
    image = _only([name for name, kind in kinds.items() if kind == "Image"], "an Image feature", where, kinds)
    label = _only(labels, "a ClassLabel feature, or a column 'label' of text or whole numbers", where, kinds)
    return _Columns(
        image, label, "group" if "group" in kinds else "", tuple(getattr(features[label], "names", None) or ())
    )


def _only(found: list[str], what: str, where: str, kinds: Mapping[str, str]) -> str:
    if len(found) == 1:
        return found[0]
    has = ", ".join(f"{printable(name)}: {kind}" for name, kind in kinds.items())
    hint = "dataset.remove_columns(…) removes the others" if found else "dataset.cast_column(…) makes one"
    raise DataError(f"{where} needs {what}, and has {len(found)} ({has})", hint=hint)


def _list_split(
    listing: Listing, rows_of: Any, columns: _Columns, name: str, split: str, *, inside: bool
) -> npt.NDArray[np.int64]:
    """Add the rows of one split, and give their places in it."""
    cells = list(_cells(rows_of, columns))
    names = row_names([cell.path for cell in cells], name)
    real_root = os.path.realpath(listing.root)
    kept = []
    for row, (cell, path) in enumerate(zip(cells, names, strict=True)):
        label, fault = label_of(cell.label, columns.names)
        if not cell.embedded:
            fault = fault or path_fault(cell.path, real_root, inside=inside)
        if fault:
            listing.leave_out(path, fault)
            continue
        kept.append(row)
        listing.add(path, label, split, cell.group)
    return np.array(kept, np.int64)


def _cells(rows_of: Any, columns: _Columns) -> Iterator[_Cell]:
    compute = optional("pyarrow.compute", extra="datasets", what="a Hugging Face data set")
    wanted = [column for column in columns[:3] if column]
    for table in rows_of.select_columns(wanted).with_format("arrow").iter(batch_size=_BATCH):
        image = table.column(columns.image)
        embedded = compute.is_valid(compute.struct_field(image, "bytes")).to_pylist()
        paths = compute.struct_field(image, "path").to_pylist()
        labels = table.column(columns.label).to_pylist()
        groups = table.column(columns.group).to_pylist() if columns.group else [None] * len(labels)
        for *cell, group in zip(embedded, paths, labels, groups, strict=True):
            yield _Cell(cell[0], cell[1] or "", cell[2], "" if group is None else str(group))


def row_names(paths: list[str], split: str) -> list[str]:
    """Name the rows after their files where those are known and differ, so that their order does not matter."""
    files = [posixpath.basename(path.replace(os.sep, "/")) for path in paths]
    if not all(files) or len(set(files)) < len(files):
        files = [str(row) for row in range(len(paths))]
    return [f"{split}/{file}" if split else file for file in files]


def label_of(value: Any, names: tuple[str, ...]) -> tuple[str, str]:
    """Give the class name of a label, and why there is none."""
    if value is None or value == -1:  # how the hub's test sets without labels are filled
        return "", "no label"
    if not names:
        return str(value), label_fault(str(value))
    if not 0 <= value < len(names):
        return "", f"label {value} is not one of the {len(names)} classes"
    return names[value], label_fault(names[value])


def path_fault(path: str, real_root: str, *, inside: bool) -> str:
    """Why the file that a row names must not be read; empty where it may be."""
    if not path:
        return "no image"
    if "://" in path:
        return "a URL, not an image; download the images first"
    if not inside:
        return ""
    real = os.path.realpath(os.path.join(real_root, path))
    return refusal(real, real_root) if within(real, real_root) else "its path leaves the data folder"
