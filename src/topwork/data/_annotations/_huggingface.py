"""Reads boxes from a Hugging Face data set: a column of images, and one of objects with ``bbox`` and ``category``.

Source: the documentation of ``datasets``, "Object detection". It does not say what the four numbers are: most sets
have COCO's ``x, y, width, height``, some have corners, so which of them fits the images tells.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from topwork.data._annotations._listing import BoxListing
from topwork.data._huggingface import RowStore, load_saved, path_fault, root_of, row_names, splits_in
from topwork.data._names import printable, quoted
from topwork.errors import DataError

_BATCH = 256  # rows
_OBJECTS = ("objects", "object", "annotations", "annotation", "labels")
_BOXES = ("bbox", "bboxes", "box", "boxes")
_CLASSES = ("category", "categories", "category_id", "label", "labels", "class", "classes", "class_id", "name")
_CROWDS = ("iscrowd", "is_crowd", "crowd")


class _Columns(NamedTuple):
    """The columns of one split; ``objects`` is empty where boxes are columns of their own."""

    image: str
    objects: str
    boxes: str
    category: str
    crowd: str
    names: tuple[str, ...]


def list_object_boxes(data: Any) -> BoxListing:
    """List a ``Dataset`` or ``DatasetDict``.

    Raises:
        DataError: It streams, or is no data set of images with boxes.
    """
    return _list(data, root_of(data), inside=False)


def list_saved_boxes(folder: Path) -> BoxListing:
    """List a folder that ``save_to_disk`` has written.

    Raises:
        DataError: It cannot be loaded, names files elsewhere, or is no data set of images with boxes.
        MissingExtraError: ``datasets`` is not installed.
    """
    return _list(load_saved(folder), folder, inside=True)


def _list(data: Any, root: Path, *, inside: bool) -> BoxListing:
    listing = BoxListing(root, printable(str(root)), either=True)
    parts: list[Any] = []
    rows: list[list[int]] = []
    for name, split, rows_of in splits_in(data, root, listing.leave_out):
        columns = _columns(rows_of.features)
        if columns is None:
            raise DataError(f"{listing.name}: no column of images with one of boxes", hint=_hint(rows_of.features))
        listing.order = tuple(dict.fromkeys((*listing.order, *columns.names)))
        rows.append(_add_split(listing, rows_of, columns, name, split, inside=inside))
        parts.append(rows_of.select_columns([columns.image]).with_format("arrow"))
    listing.store = RowStore(
        tuple(parts),
        np.repeat(np.arange(len(rows), dtype=np.int32), [len(kept) for kept in rows]),
        np.array([row for kept in rows for row in kept], np.int64),
        str(root) if inside else "",
    )
    return listing


def _hint(features: Mapping[str, Any]) -> str:
    return f"an Image, and objects with {_BOXES[0]} and {_CLASSES[0]}; there are {quoted(features)}"


def has_boxes(features: Mapping[str, Any]) -> bool:
    """Tell by its features a data set of images with boxes."""
    return _columns(features) is not None


def _columns(features: Mapping[str, Any]) -> _Columns | None:
    image = next((name for name, feature in features.items() if type(feature).__name__ == "Image"), "")
    objects = next((name for name in _OBJECTS if name in features and _inner(features[name])), "")
    inner = _inner(features[objects]) if objects else dict(features)
    boxes, category, crowd = (
        next((name for name in known if name in inner), "") for known in (_BOXES, _CLASSES, _CROWDS)
    )
    if not image or not boxes or not category:
        return None
    return _Columns(image, objects, boxes, category, crowd, tuple(_innermost(inner[category]) or ()))


def _inner(feature: Any) -> dict[str, Any]:
    """The columns of objects, which are a list of records or a record of lists; empty where they are neither."""
    feature = getattr(feature, "feature", feature)
    feature = feature[0] if isinstance(feature, list) and feature else feature
    return dict(feature) if isinstance(feature, Mapping) else {}


def _innermost(feature: Any) -> Sequence[str] | None:
    """The names of a ClassLabel, whatever lists it is in."""
    while hasattr(feature, "feature") or (isinstance(feature, list) and feature):
        feature = feature[0] if isinstance(feature, list) else feature.feature
    return getattr(feature, "names", None)


def _add_split(
    listing: BoxListing, rows_of: Any, columns: _Columns, name: str, split: str, *, inside: bool
) -> list[int]:
    """Add the rows of one split, and give their places in it."""
    names = row_names([path for _, path in _images(rows_of, columns.image)], name)
    real_root = os.path.realpath(listing.root)
    wanted = [columns.objects] if columns.objects else [columns.boxes, columns.category]
    wanted += [side for side in ("width", "height") if side in rows_of.features]
    rows = rows_of.select_columns(wanted).with_format("arrow")
    told = (row for table in rows.iter(batch_size=_BATCH) for row in table.to_pylist())
    kept = []
    for place, ((embedded, path), row) in enumerate(zip(_images(rows_of, columns.image), told, strict=True)):
        if not embedded and (fault := path_fault(path, real_root, inside=inside)):
            listing.leave_out(names[place], fault)
            continue
        kept.append(place)
        size = (_side(row.get("height")), _side(row.get("width")))
        _add_objects(listing, listing.add_image(names[place], split, size), row, columns)
    return kept


def _images(rows_of: Any, column: str) -> Iterator[tuple[bool, str]]:
    """Of each row's image whether the row holds it, and its path."""
    for table in rows_of.select_columns([column]).with_format("arrow").iter(batch_size=_BATCH):
        images = table.column(column).combine_chunks()
        held = images.field("bytes").is_valid().to_pylist()
        for embedded, path in zip(held, images.field("path").to_pylist(), strict=True):
            yield embedded, path or ""


def _side(value: Any) -> int:
    return value if isinstance(value, int) and 0 < value < 2**31 else 0


def _add_objects(listing: BoxListing, row: int, cells: Mapping[str, Any], columns: _Columns) -> None:
    objects = cells[columns.objects] if columns.objects else cells
    if isinstance(objects, Mapping):  # a record of lists
        given = [objects.get(name) or [] for name in (columns.boxes, columns.category)]
        crowd = objects.get(columns.crowd) or [False] * len(given[0])
        if len(given[0]) != len(given[1]):
            counts = f"{len(given[0])} boxes and {len(given[1])} classes"
            listing.exclude(row, "none", f"it has {counts}, so which is whose cannot be told")
            return
        found = list(zip(*given, crowd, strict=False))
    else:
        found = [
            (each.get(columns.boxes), each.get(columns.category), each.get(columns.crowd)) for each in objects or ()
        ]
    for box, label, is_crowd in found:
        _add_object(listing, row, box, label, columns.names, crowd=bool(is_crowd))


def _add_object(listing: BoxListing, row: int, box: Any, label: Any, names: tuple[str, ...], *, crowd: bool) -> None:
    if names and not (isinstance(label, int) and 0 <= label < len(names)):
        listing.exclude(row, "class", f"no class has the id {printable(str(label))}")
    elif label is None:
        listing.exclude(row, "class", "it has no class")
    elif not box:
        listing.exclude(row, "none", "the annotation has no box")
    else:
        listing.add_box(row, names[label] if names else str(label), box, crowd=crowd)


def saved_has_boxes(folder: Path) -> bool:
    """Tell by what is written beside it a saved data set of images with boxes; loads nothing."""
    index = folder / "dataset_dict.json"
    place = folder / json.loads(index.read_bytes())["splits"][0] if index.is_file() else folder
    text = json.dumps(json.loads((place / "dataset_info.json").read_bytes())["features"])
    quotes = [f'"{name}"' for name in _BOXES]
    return '"Image"' in text and any(name in text for name in quotes)
