"""What stands in the files of each format; one function a format, from a data set and its images' names to contents."""

from __future__ import annotations

import csv
import io
import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np

from topwork.data._annotations._table import CORNERS
from topwork.data._boxes import BoxDataset
from topwork.data._names import quoted
from topwork.errors import DataError

_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

File = tuple[str, bytes]
"""Path in the folder, and content."""


def coco(dataset: BoxDataset, names: Sequence[str], places: Sequence[str]) -> Iterator[File]:
    """A file for each split, which names images from its folder of images."""
    splits = dataset.splits
    for split in dict.fromkeys(splits.tolist()):
        rows = np.flatnonzero(splits == split)
        content = coco_of(dataset.select(rows), [names[row] for row in rows.tolist()])
        yield f"annotations/instances{f'_{split}' if split else ''}.json", content


def coco_of(dataset: BoxDataset, names: Sequence[str]) -> bytes:
    """One COCO file."""
    images = [
        {"id": place, "file_name": name, "height": height, "width": width}
        for place, (name, (height, width)) in enumerate(zip(names, dataset.sizes.tolist(), strict=True), 1)
    ]
    corners = dataset.corners.astype(np.float64)
    boxes = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
    told = zip(
        dataset.rows_of_boxes.tolist(), dataset.labels.tolist(), boxes.tolist(), dataset.crowd.tolist(), strict=True
    )
    annotations = [
        {
            "id": place,
            "image_id": row + 1,
            "category_id": label + 1,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": int(crowd),
            "segmentation": [],
        }
        for place, (row, label, box, crowd) in enumerate(told, 1)
    ]
    categories = [{"id": place, "name": name} for place, name in enumerate(dataset.classes, 1)]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories}).encode()


def voc(dataset: BoxDataset, names: Sequence[str], places: Sequence[str]) -> Iterator[File]:
    """An XML file for each image, and a list for each split."""
    if strange := [name for name in dataset.classes if _NOT_XML.search(name)]:
        raise DataError(
            f"XML cannot hold the class name {quoted(strange[:1])}", hint="rename it, or write another format"
        )
    stems = [posixpath.splitext(name)[0] for name in names]
    for row, (stem, name) in enumerate(zip(stems, names, strict=True)):
        yield f"Annotations/{stem}.xml", _xml(dataset, row, name)
    splits = dataset.splits.tolist()
    for split in dict.fromkeys(filter(None, splits)):
        lines = [stem for stem, each in zip(stems, splits, strict=True) if each == split]
        yield f"ImageSets/Main/{split}.txt", "".join(f"{line}\n" for line in lines).encode()


def _xml(dataset: BoxDataset, row: int, name: str) -> bytes:
    root = ElementTree.Element("annotation")
    height, width = dataset.sizes[row].tolist()
    _add(root, folder="JPEGImages", filename=name)
    _add(ElementTree.SubElement(root, "size"), width=width, height=height, depth=3)
    boxes = dataset.boxes(row)
    for corners, label, crowd in zip(boxes.corners, boxes.labels.tolist(), boxes.crowd.tolist(), strict=True):
        thing = ElementTree.SubElement(root, "object")
        _add(thing, name=dataset.classes[label], truncated=0, difficult=int(crowd))
        _add(ElementTree.SubElement(thing, "bndbox"), **dict(zip(CORNERS, map(_shortest, corners), strict=True)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode").encode("utf-8", "xmlcharrefreplace")


def _add(element: ElementTree.Element, **texts: Any) -> None:
    for tag, text in texts.items():
        ElementTree.SubElement(element, tag).text = str(text)


def _shortest(value: np.float32) -> str:
    """As many digits as tell this number from all others; whole ones without a point, as most tools expect them."""
    return np.format_float_positional(value, trim="-")


def yolo(dataset: BoxDataset, names: Sequence[str], places: Sequence[str]) -> Iterator[File]:
    """A text file for each image, an empty one too, and ``data.yaml``."""
    height, width = dataset.sizes[dataset.rows_of_boxes].astype(np.float64).T
    xmin, ymin, xmax, ymax = dataset.corners.astype(np.float64).T
    shares = np.stack(
        [(xmin + xmax) / 2 / width, (ymin + ymax) / 2 / height, (xmax - xmin) / width, (ymax - ymin) / height], 1
    )
    lines = [
        " ".join([str(label), *(f"{share:.10g}" for share in box)])
        for label, box in zip(dataset.labels.tolist(), shares.tolist(), strict=True)
    ]
    starts = dataset.starts.tolist()
    for row, place in enumerate(places):
        stem = posixpath.splitext(place.removeprefix("images/"))[0]
        yield f"labels/{stem}.txt", "".join(f"{line}\n" for line in lines[starts[row] : starts[row + 1]]).encode()
    found = [split for split in ("train", "val", "test") if (dataset.splits == split).any()]
    parts = {split: f"images/{split}" for split in found} or {"train": "images", "val": "images"}
    text = [f"{split}: {place}\n" for split, place in parts.items()]
    text += [
        "names:\n",
        *(f"  {label}: {json.dumps(name, ensure_ascii=False)}\n" for label, name in enumerate(dataset.classes)),
    ]
    yield "data.yaml", "".join(text).encode()


def table(dataset: BoxDataset, names: Sequence[str], places: Sequence[str]) -> Iterator[File]:
    """One table."""
    yield "boxes.csv", csv_of(dataset, places)


def csv_of(dataset: BoxDataset, names: Sequence[str]) -> bytes:
    """A row for each box, and one without corners for an image that has none."""
    more = {
        "split": dataset.splits.tolist() if (dataset.splits != "").any() else None,
        "group": dataset.groups or None,
    }
    columns = {name: values for name, values in more.items() if values is not None}
    crowds = bool(dataset.crowd.any())
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["path", "label", *CORNERS, *columns, *(["crowd"] if crowds else [])])
    for row, name in enumerate(names):
        rest, boxes = [values[row] for values in columns.values()], dataset.boxes(row)
        if not len(boxes):
            writer.writerow([name, *[""] * 5, *rest, *([0] if crowds else [])])
        for corners, label, crowd in zip(boxes.corners, boxes.labels.tolist(), boxes.crowd.tolist(), strict=True):
            cells = [name, dataset.classes[label], *map(_shortest, corners), *rest]
            writer.writerow([*cells, *([int(crowd)] if crowds else [])])
    return text.getvalue().encode("utf-8", "surrogateescape")
