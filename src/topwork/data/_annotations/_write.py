"""Writes a data set of boxes as COCO JSON, Pascal VOC XML, YOLO text files or a table, with its images beside it."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from topwork._system import write_whole, written_whole
from topwork.data._annotations import _written
from topwork.data._boxes import BoxDataset, Boxes
from topwork.data._dataset import Dataset
from topwork.data._names import printable
from topwork.data._source import read_source
from topwork.data.formats import format_of, suffix_of
from topwork.errors import DataError

BoxFormat = Literal["coco", "voc", "yolo", "csv"]
BOX_FORMATS: tuple[BoxFormat, ...] = get_args(BoxFormat)

_SUFFIXES: dict[str, str] = {"coco": ".json", "csv": ".csv"}
"""BoxFormat -> the suffix of a file that holds all of it."""

_UNSAFE = re.compile(r'[\x00-\x20\x7f"*/:<>?\\|\ud800-\udfff]')


@dataclass(frozen=True)
class WrittenBoxes:
    """What :func:`write_boxes` wrote.

    Attributes:
        path: The folder, or the file where the images stay where they are.
        images: How many.
        boxes: How many; those that the format cannot hold are not among them.
        notes: What it cannot say, in plain words.
    """

    path: Path
    images: int
    boxes: int
    notes: tuple[str, ...]


def write_boxes(
    dataset: BoxDataset, out: str | os.PathLike[str], form: BoxFormat, *, copy: bool = False
) -> WrittenBoxes:
    """Write boxes in one of the formats that :func:`read_boxes` reads; it gives them back to within 1e-4 pixels.

    A folder is made, whole or not at all, with the images in it: linked (a second name of the same file, which takes no
    room) where the file system can and they are files, copied otherwise. Where ``out`` ends in ``.json`` (COCO) or
    ``.csv``, that file alone is written, into a folder that holds the images.

    Splits are kept, and so are images without boxes. YOLO's files cannot mark a crowd: such boxes are left out and
    told. The order of classes and a class without boxes come back from COCO and YOLO, groups from a table; what is
    lost is told.

    Args:
        dataset: Images that can be read.
        out: What must not be there yet.
        form: ``coco``, ``voc``, ``yolo`` or ``csv``.
        copy: Whether images are copied rather than linked.

    Raises:
        DataError: Something stands at ``out``, it cannot be written, its suffix is that of another form, the form is
            unknown or cannot hold a class's name, or a file cannot name an image since it lies outside its folder.
        ImageError: An image that is to be copied cannot be read.
    """
    final = Path(out)
    if form not in BOX_FORMATS:
        raise DataError(f"no format '{printable(form)}'", hint=f"formats: {', '.join(BOX_FORMATS)}")
    if final.suffix.lower() in _SUFFIXES.values() and final.suffix.lower() != _SUFFIXES.get(form):
        raise DataError(
            f"{printable(str(final))}: such a file cannot hold {form}",
            hint=f"name a folder, or a file with the suffix {_SUFFIXES[form]}"
            if form in _SUFFIXES
            else "name a folder",
        )
    if os.path.lexists(final):
        raise DataError(f"{printable(str(final))}: it is there already", hint="choose another name")
    kept = _without_crowds(dataset) if form == "yolo" else dataset
    try:
        if final.suffix.lower() == _SUFFIXES.get(form):
            _write_file(kept, final, form)
        else:
            with written_whole(final, replace=False) as folder:
                _write_folder(kept, folder, form, copy=copy)
    except OSError as error:
        what = f"{printable(str(final))}: cannot be written: {error.strerror or error}"
        raise DataError(what, hint="choose a writable folder") from error
    return WrittenBoxes(final, len(kept), len(kept.labels), tuple(_lost(dataset, form)))


def _without_crowds(dataset: BoxDataset) -> BoxDataset:
    boxes = [
        Boxes(each.corners[~each.crowd], each.labels[~each.crowd], each.crowd[~each.crowd])
        for each in dataset.all_boxes()
    ]
    return dataset.with_boxes(boxes)


def _lost(dataset: BoxDataset, form: BoxFormat) -> Iterator[str]:
    """What a format cannot say of this data set."""
    crowds = int(np.count_nonzero(dataset.crowd))
    if form == "yolo" and crowds:
        counted = "1 crowd box was" if crowds == 1 else f"{crowds:,} crowd boxes were"
        yield f"{counted} left out: YOLO's files cannot mark a crowd"
    if form in ("voc", "csv"):
        named = {dataset.classes[label] for label in np.unique(dataset.labels).tolist()}
        if dataset.classes != tuple(sorted(named)):
            yield "this format holds no list of classes: they come back sorted, without those that have no box"
    if form != "csv" and any(dataset.groups):
        yield "this format cannot say groups"


def _write_file(dataset: BoxDataset, final: Path, form: BoxFormat) -> None:
    """One file, whose paths start from its folder."""
    if dataset.store is not None:
        raise DataError(
            f"the images of {printable(str(dataset.root))} are not files: a file cannot name them",
            hint="name a folder to be written",
        )
    start = os.path.relpath(os.path.realpath(dataset.root), os.path.realpath(final.parent)).replace(os.sep, "/")
    names = [posixpath.normpath(posixpath.join(start, path)) for path in dataset.paths]
    if outside := next((name for name in names if name.startswith("..")), ""):
        raise DataError(
            f"{printable(str(final))} cannot name '{printable(outside)}', which lies outside its folder",
            hint="write it to a folder that holds all images, or name a folder to be written",
        )
    if form == "coco" and len(set(dataset.splits.tolist())) > 1:
        raise DataError("one COCO file cannot say splits", hint="name a folder to be written")
    write_whole(final, _written.csv_of(dataset, names) if form == "csv" else _written.coco_of(dataset, names))


def _write_folder(dataset: BoxDataset, folder: Path, form: BoxFormat, *, copy: bool) -> None:
    names = image_names(dataset)
    places = [f"{_IMAGES[form](split)}/{name}" for split, name in zip(dataset.splits.tolist(), names, strict=True)]
    for row, place in enumerate(places):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        put_image(dataset, row, folder / place, copy=copy)
    files = {"coco": _written.coco, "voc": _written.voc, "yolo": _written.yolo, "csv": _written.table}[form]
    for path, content in files(dataset, names, places):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


_IMAGES: dict[str, Callable[[str], str]] = {
    "coco": lambda split: f"images/{split}" if split else "images",
    "voc": lambda split: "JPEGImages",
    "yolo": lambda split: f"images/{split}" if split else "images",
    "csv": lambda split: "images",
}
"""BoxFormat -> the folder of a split's images."""


def put_image(dataset: Dataset, row: int, place: Path, *, copy: bool) -> None:
    """Link or copy an image."""
    if dataset.store is None and not copy:
        try:
            os.link(os.path.realpath(dataset.full_path(row)), place)
            return
        except OSError:  # another file system, or one without links
            pass
    if dataset.store is None:
        shutil.copyfile(dataset.full_path(row), place)
        return
    content = read_source(dataset.source(row))
    if not isinstance(content, bytes):
        raise DataError("images that are pixels cannot be written: there is no file of them")
    place.write_bytes(content)


def image_names(dataset: Dataset) -> list[str]:
    """A file name for each image; no two differ by their suffix or by case alone."""
    taken: set[str] = set()
    names = []
    for row, path in enumerate(dataset.paths):
        folder, file = posixpath.split(path)
        stem, suffix = posixpath.splitext(file)
        if dataset.store is not None and not suffix:
            content = read_source(dataset.source(row))
            suffix = suffix_of(format_of(content)) if isinstance(content, bytes) else ""
        plain, wider = (_UNSAFE.sub("_", each) for each in (stem, f"{folder}_{stem}"))
        choices = iter([plain, wider])
        number, name = 1, next(choices)
        while name.casefold() in taken or not name.strip("."):
            number += 1
            name = next(choices, f"{wider}-{number}")
        taken.add(name.casefold())
        names.append(name + _UNSAFE.sub("_", suffix))
    return names
