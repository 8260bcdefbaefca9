"""Tells how the boxes of a data set are written, and has the right reader list them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from topwork.data._annotations._coco import add_coco, coco_stem, is_coco
from topwork.data._annotations._coco_files import coco_files, coco_place
from topwork.data._annotations._huggingface import has_boxes, list_object_boxes, list_saved_boxes, saved_has_boxes
from topwork.data._annotations._listing import BoxListing, assembled_boxes
from topwork.data._annotations._places import Images, files_in
from topwork.data._annotations._table import (
    add_table,
    frame_has_boxes,
    is_box_table,
    list_box_frame,
    split_of_table,
)
from topwork.data._annotations._voc import add_voc, has_voc
from topwork.data._annotations._yolo import add_yolo, config_of, has_yolo, is_yolo_config, yolo_config
from topwork.data._boxes import BoxDataset
from topwork.data._huggingface import is_huggingface, is_saved
from topwork.data._layout import split_of, splits_of
from topwork.data._marked import Columns, Form, Forms, places_of
from topwork.data._names import printable
from topwork.data._table import is_table
from topwork.data.formats import IMAGE_SUFFIXES

_UNDERSTOOD = (
    "boxes as COCO JSON, as Pascal VOC XML, as YOLO text files (with data.yaml), as a table with the columns "
    "path,label,xmin,ymin,xmax,ymax (.csv, .tsv, .jsonl, .parquet), and as a Hugging Face data set with objects"
)


def read_boxes(
    data: object, *, classes: Sequence[str] | None = None, columns: Mapping[str, str] | None = None
) -> BoxDataset:
    """Read a data set of boxes; lists what there is, and looks at the header of each image.

    What is wrong with a box is in ``flaws``; an image that cannot be used, or of which no box can, is in ``left_out``.

    Args:
        data: A folder or a file of annotations, a data frame or a Hugging Face data set of boxes, or a ``BoxDataset``,
            which is given back.
        classes: The class names of a saved model, in its order; for evaluation.
        columns: What a table calls ``path``, ``label``, ``xmin`` and so on, as far as it is neither that nor another
            usual name.

    Raises:
        DataError: Nothing there or nothing that is understood, no box that can be used, an image in two splits, a
            class that is not among ``classes``.
    """
    if isinstance(data, BoxDataset):
        return data if classes is None else _relabelled(data, classes)
    return assembled_boxes(_FORMS.listed(data, columns), classes)


def looks_like_boxes(data: object) -> bool:
    """Tell images with boxes from everything else, by names and the beginnings of files alone.

    Args:
        data: Whatever :func:`read_boxes` or :func:`~topwork.data.read` takes. What cannot be read is none.
    """
    return isinstance(data, BoxDataset) or _FORMS.tell(data)


def _form_of_object(data: Any, columns: Columns) -> Form[BoxListing] | None:
    if is_huggingface(data):
        rows = next(iter(data.values()), None) if isinstance(data, Mapping) else data
        return Form(lambda: list_object_boxes(data)) if rows is not None and has_boxes(rows.features or {}) else None
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return Form(lambda: list_box_frame(data, columns)) if columns or frame_has_boxes(data) else None
    return None


def _form_of_file(path: Path, columns: Columns) -> Form[BoxListing] | None:
    if path.suffix.lower() == ".json":
        root, file = coco_place(path)
        return Form(lambda: _list_coco(root, {file: ""}), not is_coco(path))
    if path.suffix.lower() in (".yaml", ".yml") and is_yolo_config(path):
        return Form(lambda: _list_yolo(path.parent, path))
    if is_table(path.name):
        return Form(lambda: _list_tables(path.parent, {path.name: ""}, columns), not is_box_table(path))
    return None


def _form_of_folder(root: Path, columns: Columns) -> Form[BoxListing] | None:
    if is_saved(root):
        return Form(lambda: list_saved_boxes(root)) if saved_has_boxes(root) else None
    files = files_in(root)
    if content := coco_files(root, files):
        return Form(lambda: _list_coco(root, content))
    if annotated := [folder for folder, names in files.items() if has_voc(root / folder, names)]:
        return Form(lambda: _list_voc(root, annotated), _has_class_folders(files))
    if (config := yolo_config(root, files[""])) or has_yolo(root, files):
        return Form(lambda: _list_yolo(root, config), config is None and _has_class_folders(files))
    if tables := _box_tables(root, files):
        return Form(lambda: _list_tables(root, tables, columns))
    return None


def _has_class_folders(files: Mapping[str, Sequence[str]]) -> bool:
    """Tell a folder with several folders of images that are no splits: they may be the classes."""
    holding = [folder for folder, names in files.items() if any(map(_is_image, names))]
    last = [posixpath.basename(folder) for folder in holding]
    return len(holding) > 1 and not splits_of(last) and len({posixpath.dirname(folder) for folder in holding}) == 1


def _is_image(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _box_tables(root: Path, files: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Path of each table of boxes -> the split that its name or its folder's says."""
    return {
        posixpath.join(folder, name): split_of_table(name) or split_of(posixpath.basename(folder))
        for folder, names in files.items()
        for name in names
        if is_table(name) and is_box_table(root / folder / name)
    }


def _list_tables(root: Path, tables: dict[str, str], columns: Columns) -> BoxListing:
    listing = BoxListing(root, printable(str(root / next(iter(tables)) if len(tables) == 1 else root)))
    for table, split in tables.items():
        add_table(listing, root / table, split, Images(root, posixpath.dirname(table), split), columns)
    return listing


def _list_coco(root: Path, files: dict[str, str]) -> BoxListing:
    listing = BoxListing(root, printable(str(root)), sides=True)
    for file, split in files.items():
        add_coco(listing, root / file, split, Images(root, posixpath.dirname(file), coco_stem(file)))
    return listing


def _list_voc(root: Path, annotated: Sequence[str]) -> BoxListing:
    listing = BoxListing(root, printable(str(root)))
    splits = splits_of(posixpath.basename(folder) for folder in annotated)
    for folder in annotated:
        above = root / posixpath.dirname(folder)
        lists = above / "ImageSets" / "Main"
        split = splits.get(posixpath.basename(folder), "")
        add_voc(listing, folder, split, Images(root, folder), lists if lists.is_dir() else None)
    return listing


def _list_yolo(root: Path, config: Path | None) -> BoxListing:
    listing = BoxListing(root, printable(str(root)), sides=True, shares=True)
    add_yolo(listing, config_of(root, config))
    return listing


def _relabelled(dataset: BoxDataset, classes: Sequence[str]) -> BoxDataset:
    places = places_of(classes, dataset.classes)
    return replace(dataset, classes=tuple(classes), labels=places[dataset.labels])


_FORMS = Forms("boxes", _UNDERSTOOD, _form_of_object, _form_of_file, _form_of_folder)
