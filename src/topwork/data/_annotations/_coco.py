"""Reads boxes as COCO writes them: JSON with ``images``, ``annotations`` and ``categories``.

Source: the format's own page, cocodataset.org, "Data format". A box is ``x, y, width, height`` in pixels from 0.
"""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from topwork.data._annotations._files import ends_of, json_of
from topwork.data._annotations._listing import BoxListing
from topwork.data._annotations._places import Images
from topwork.data._names import printable, quoted
from topwork.errors import DataError

_HINT = "COCO's JSON is an object with the lists images, annotations and categories"


_KEYS = (b'"categor', b'"supercategor', b'"bbox"', b'"file_name"')
"""What stands at the beginning or the end of COCO's files, and of hardly any others."""


class _Annotation(NamedTuple):
    """What is kept of one annotation while a file is read: a polygon would take a hundred times the memory."""

    image: Any
    category: Any
    box: Any
    crowd: bool
    mask: str
    """``polygon`` where the box is one around it, ``encoded`` where there is nothing else."""
    number: Any


def add_coco(listing: BoxListing, file: Path, split: str, images: Images) -> None:
    """Add the images and boxes of one file.

    Args:
        listing: Takes them.
        file: The JSON.
        split: Of all its images.
        images: Where its images lie.

    Raises:
        DataError: It cannot be read, is no JSON, or is not as COCO's is.
    """
    content = json_of(file, _slim)
    where = printable(str(file))
    if not isinstance(content, dict):
        raise DataError(f"{where}: not an object", hint=_HINT)
    rows = {name: _rows(content, name, where) for name in ("categories", "annotations", "images")}
    names = _categories(rows["categories"], rows["annotations"], listing, where)
    _Reader(listing, split, images, names, file.name).read(rows["images"], rows["annotations"])


def _rows(content: Mapping[str, Any], name: str, where: str) -> list[Any]:
    rows = content.get(name)
    if not isinstance(rows, list):
        what = "is no list" if name in content else "is missing"
        raise DataError(f"{where}: '{name}' {what}", hint=_HINT)
    return rows


def _slim(given: dict[str, Any]) -> Any:
    if "image_id" not in given:
        return given
    box, mask = given.get("bbox"), ""
    segmentation = given.get("segmentation")
    if not box and isinstance(segmentation, list) and segmentation:
        box, mask = _around(segmentation), "polygon"
    elif not box and segmentation:
        mask = "encoded"
    crowd = given.get("iscrowd") in (1, True, "1")
    return _Annotation(given["image_id"], given.get("category_id"), box, crowd, mask, given.get("id"))


def _around(polygons: Sequence[Any]) -> tuple[float, float, float, float] | None:
    """The box around polygons, as COCO writes it; None where they are none."""
    try:
        flat = [polygon if isinstance(polygon, list) else [polygon] for polygon in polygons]
        xs = [float(x) for polygon in flat for x in polygon[::2]]
        ys = [float(y) for polygon in flat for y in polygon[1::2]]
        return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    except (TypeError, ValueError, OverflowError):
        return None


def _key(value: Any) -> Any:
    """An id as it is compared: 7, 7.0 and "7" are one."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _categories(rows: Iterable[Any], annotations: Iterable[Any], listing: BoxListing, where: str) -> dict[Any, str]:
    """Id -> name; the listing's order gets those of the file that are new."""
    found: dict[str, str] = {}
    above: dict[str, str] = {}
    for row in rows:
        if not isinstance(row, dict) or "id" not in row:
            raise DataError(f"{where}: a category has no id", hint=_HINT)
        key, name = _key(row["id"]), str(row.get("name", row["id"]))
        if found.setdefault(key, name) != name:
            raise DataError(f"{where}: the category id {key} is of both {quoted([found[key], name])}")
        above[name] = str(row.get("supercategory"))
    used = {_key(row.category) for row in annotations if isinstance(row, _Annotation)}
    for key, name in list(found.items()):
        below = [other for other in found.values() if other != name and above[other] == name]
        if key not in used and above[name] == "none" and len(below) == len(found) - 1 > 0:  # as Roboflow writes it
            listing.notes.append(f"'{printable(name)}' is the category above the others, not a class: left out")
            del found[key]
    if twice := [name for name, count in Counter(found.values()).items() if count > 1]:
        listing.notes.append(f"several category ids have one name, and are one class: {quoted(twice)}")
    listing.order = tuple(dict.fromkeys((*listing.order, *found.values())))
    return found


class _Reader:
    """Puts the rows of one file into a listing."""

    def __init__(self, listing: BoxListing, split: str, images: Images, names: Mapping[Any, str], name: str) -> None:
        self._listing = listing
        self._split = split
        self._images = images
        self._names = names
        self._name = printable(name)
        self._row_of: dict[str, int] = {}
        self._gone: set[str] = set()  # ids of images that are listed as left out already
        self._strange: Counter[str] = Counter()
        self._numbers: Counter[str] = Counter()

    def read(self, images: Sequence[Any], annotations: Sequence[Any]) -> None:
        """Read all, then list what is known by then."""
        self._read_images(images)
        for annotation in annotations:
            self._read_annotation(annotation)
        for key, count in sorted(self._strange.items()):
            counted = "1 annotation names" if count == 1 else f"{count:,} annotations name"
            self._listing.leave_out(
                f"{self._name}, image_id {printable(key)}", f"{counted} an image that is not listed"
            )
        if twice := sum(count - 1 for count in self._numbers.values()):
            counted = "1 annotation has" if twice == 1 else f"{twice:,} annotations have"
            self._listing.notes.append(f"{self._name}: {counted} an id that came before; all are used")

    def _read_images(self, rows: Sequence[Any]) -> None:
        files: dict[str, set[str]] = {}
        for row in rows:
            if isinstance(row, dict) and isinstance(row.get("file_name"), str):
                files.setdefault(_key(row.get("id")), set()).add(row["file_name"])
        self._images.choose([next(iter(names)) for names in files.values()])
        for row in rows:
            if not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
                self._listing.leave_out(f"{self._name}, images", "an image without a file_name")
                self._gone.update([_key(row["id"])] if isinstance(row, dict) and "id" in row else [])
                continue
            self._read_image(row, _key(row.get("id")), files)

    def _read_image(self, row: Mapping[str, Any], key: str, files: Mapping[str, set[str]]) -> None:
        path, reason = self._images.found(row["file_name"])
        if len(files[key]) > 1:
            reason = f"its id {printable(key)} is that of another image too"
        elif not reason and key not in self._row_of and path in self._listing.row_of:
            self._listing.leave_out(path, "listed more than once; used once")
        elif not reason and key in self._row_of:
            reason = "listed more than once; used once"
        if reason:
            self._listing.leave_out(path, reason)
            self._gone.add(key)
            return
        self._row_of[key] = self._listing.add_image(path, self._split, (_side(row, "height"), _side(row, "width")))

    def _read_annotation(self, given: Any) -> None:
        if not isinstance(given, _Annotation):
            self._strange["none"] += 1
            return
        key, listing = _key(given.image), self._listing
        row = self._row_of.get(key)
        if row is None:
            if key not in self._gone:
                self._strange[key] += 1
            return
        if given.number is not None:
            self._numbers[_key(given.number)] += 1
        name = self._names.get(_key(given.category))
        if name is None:
            listing.exclude(row, "class", f"no category has the id {printable(_key(given.category))}")
        elif given.mask == "encoded":
            listing.exclude(row, "mask", "it is an encoded mask (RLE) without a box, which is not read")
        elif not given.box:
            listing.exclude(row, "none", "the annotation has no box")
        else:
            listing.polygons += given.mask == "polygon"
            listing.add_box(row, name, _corners(given.box), crowd=given.crowd)


def _side(row: Mapping[str, Any], name: str) -> int:
    try:
        return max(0, int(row.get(name, 0)))
    except (TypeError, ValueError, OverflowError):
        return 0


def _corners(box: Any) -> Sequence[Any]:
    try:
        x, y, width, height = map(float, box)
    except (TypeError, ValueError, OverflowError):
        return ()
    return x, y, x + width, y + height


def is_coco(file: Path) -> bool:
    """Tell a JSON of boxes from others by its beginning and its end: whatever comes last names categories."""
    head, tail = ends_of(file)
    lists = any(key in head for key in (b'"images"', b'"annotations"', b'"categories"'))
    return head.startswith(b"{") and lists and any(key in head + tail for key in _KEYS)


def coco_stem(name: str) -> str:
    """What a file's name tells of its split, such as ``train2017`` in ``instances_train2017.json``."""
    stem = posixpath.basename(name).removesuffix(".json")
    for prefix in ("instances_", "_annotations.coco", "annotations_", "bbox_"):
        stem = stem.removeprefix(prefix)
    return os.path.splitext(stem)[0]
