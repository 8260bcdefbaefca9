"""Reads masks as COCO writes them: ``segmentation`` is polygons, or run lengths, compressed or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from topwork.data._annotations._coco import coco_stem
from topwork.data._annotations._files import ends_of, json_of
from topwork.data._annotations._places import Images
from topwork.data._image_size import image_size
from topwork.data._mask_files._listing import MaskListing
from topwork.data._mask_files._raw import Raw
from topwork.data._mask_files._rle import Plane, filled, mask_of_rle
from topwork.data._mask_files._told import BACKGROUND, Legend, is_background
from topwork.data._masks import MaskFlaw
from topwork.data._names import printable
from topwork.data._source import content_key
from topwork.data.formats import check_size
from topwork.errors import DataError, ImageError

_HINT = "COCO's JSON is an object with the lists images, annotations and categories"
_UNKNOWN = -1  # the value of pixels of which nothing is told


class _Shape(NamedTuple):
    """What is kept of one annotation: polygons as arrays, run lengths as they are."""

    image: str
    category: str
    polygons: tuple[Any, ...]
    rle: Mapping[str, Any] | None
    box: tuple[float, ...]
    crowd: bool


@dataclass(frozen=True)
class Shapes:
    """The outlines of one image's objects, drawn when they are asked for: the larger first, so the smaller stay seen.

    Attributes:
        image: The image's file.
        size: Height and width that the annotations are of; 0 where they do not say.
        shapes: Each with the number of its class.
    """

    image: Path
    size: tuple[int, int]
    shapes: tuple[tuple[int, _Shape], ...]

    def load(self) -> Raw:
        """See ``MaskPlace``."""
        height, width = self.size if min(self.size) > 0 else image_size(self.image)
        check_size(width, height)
        drawn = [_drawn(shape, height, width) for _, shape in self.shapes]
        areas = [int(np.count_nonzero(part)) for _, part, _ in drawn]
        values, objects = np.zeros((height, width), np.int32), np.zeros((height, width), np.int32)
        for place in sorted(range(len(drawn)), key=lambda place: -areas[place]):
            window, part, known = drawn[place]
            number, shape = self.shapes[place]
            is_object = known and not shape.crowd and number != _UNKNOWN
            values[window][part] = number if is_object else _UNKNOWN
            objects[window][part] = place + 1 if is_object else 0
        flaws = [flaw for _, shape in self.shapes if (flaw := _flaw(shape))]
        left = np.bincount(objects.ravel(), minlength=len(drawn) + 1)[1:]
        hidden = sum(2 * seen < area for seen, area in zip(left.tolist(), areas, strict=True) if seen)
        if hidden:
            some = "1 object lies" if hidden == 1 else f"{hidden:,} objects lie"
            flaws.append(("overlap", f"{some} for the most part under others, which have the pixels"))
        return Raw(values, deep=True, objects=objects, flaws=tuple(flaws), key=content_key(repr(self.shapes).encode()))


_Window = tuple[slice, slice]


def _drawn(shape: _Shape, height: int, width: int) -> tuple[_Window, Plane, bool]:
    """Where an annotation lies, its pixels there, and whether they are its outline; of one without, those of its box.

    Only the part around it is kept: an image may have thousands of them.
    """
    if shape.rle is not None:
        return *_of_rle(shape.rle, height, width), True
    if shape.polygons:
        points = np.concatenate([np.asarray(each, np.float64).reshape(-1, 2) for each in shape.polygons])
        first, last = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
        (left, top), (right, bottom) = (
            np.clip(each, 0, (width, height)).astype(int).tolist() for each in (first, last)
        )
        moved = [np.asarray(each, np.float64).reshape(-1, 2) - (left, top) for each in shape.polygons]
        return (slice(top, bottom), slice(left, right)), filled(moved, bottom - top, right - left), True
    if len(shape.box) != 4:
        return (slice(0), slice(0)), np.zeros((0, 0), bool), False
    x, y, wide, high = shape.box
    left, top, right, bottom = np.clip(np.rint([x, y, x + wide, y + high]), 0, [width, height] * 2).astype(int).tolist()
    part = np.ones((max(0, bottom - top), max(0, right - left)), bool)
    return (slice(top, top + part.shape[0]), slice(left, left + part.shape[1])), part, False


def _of_rle(rle: Mapping[str, Any], height: int, width: int) -> tuple[_Window, Plane]:
    size: Any = rle.get("size")
    if not _are_numbers(size) or len(size) != 2:
        raise ImageError("its run lengths are not COCO's: size and counts")
    if size != [height, width]:  # before anything is made of that size
        raise ImageError(f"its run lengths are of {size[1]} × {size[0]} pixels, not {width} × {height}")
    try:
        mask = mask_of_rle(rle)
    except DataError as error:
        raise ImageError(error.message) from error
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return (slice(0), slice(0)), np.zeros((0, 0), bool)
    window = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    return window, mask[window].copy()


def _flaw(shape: _Shape) -> tuple[str, str] | None:
    if shape.rle is None and not shape.polygons:
        return "none", "an annotation has no outline: the pixels of its box are unlabelled"
    return None


def add_coco_masks(listing: MaskListing, files: Mapping[str, str]) -> None:
    """Add the images and outlines of files of one folder.

    Args:
        listing: Takes them.
        files: Path of each -> its split.

    Raises:
        DataError: One cannot be read, is no JSON, or is not as COCO's is.
    """
    contents = {file: _content(listing.root / file) for file in files}
    names: dict[str, dict[str, str]] = {
        file: {_key(row.get("id")): str(row.get("name", row.get("id"))) for row in content["categories"]}
        for file, content in contents.items()
    }
    order = tuple(dict.fromkeys(name for each in names.values() for name in each.values()))
    classes = [BACKGROUND, *(name for name in order if not is_background(name))]
    listing.legend = Legend((*classes, "void"), (*range(len(classes)), _UNKNOWN))
    for file, split in files.items():
        numbers = {key: 0 if is_background(name) else classes.index(name) for key, name in names[file].items()}
        _add(listing, contents[file], file, split, numbers)


def _content(file: Path) -> dict[str, list[Any]]:
    content = json_of(file, _slim)
    if not isinstance(content, dict):
        raise DataError(f"{printable(str(file))}: not an object", hint=_HINT)
    for name in ("categories", "annotations", "images"):
        if not isinstance(content.get(name), list):
            what = "is no list" if name in content else "is missing"
            raise DataError(f"{printable(str(file))}: '{name}' {what}", hint=_HINT)
        if name != "annotations" and not all(isinstance(row, dict) for row in content[name]):
            raise DataError(f"{printable(str(file))}: '{name}' holds what is no object", hint=_HINT)
    return content


def _key(value: Any) -> str:
    """An id as it is compared: 7, 7.0 and "7" are one."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _slim(given: dict[str, Any]) -> Any:
    if "image_id" not in given:
        return given
    outline = given.get("segmentation")
    polygons = _polygons(outline) if isinstance(outline, list) else ()
    rle = outline if isinstance(outline, dict) else None
    box = given.get("bbox")
    numbers = tuple(float(side) for side in box or ()) if _are_numbers(box) else ()
    crowd = given.get("iscrowd") in (1, True, "1")
    return _Shape(_key(given["image_id"]), _key(given.get("category_id")), polygons, rle, numbers, crowd)


def _are_numbers(given: Any) -> bool:
    return isinstance(given, list) and all(
        isinstance(each, int | float) and abs(each) < 2**31 and each == each for each in given
    )


def _polygons(outline: Sequence[Any]) -> tuple[Any, ...]:
    """Those of three corners at least."""
    parts = [outline] if outline and not isinstance(outline[0], list) else outline
    return tuple(tuple(part) for part in parts if _are_numbers(part) and len(part) >= 6 and len(part) % 2 == 0)


def _add(
    listing: MaskListing, content: Mapping[str, list[Any]], file: str, split: str, numbers: Mapping[str, int]
) -> None:
    images = Images(listing.root, file.rpartition("/")[0], coco_stem(file))
    rows = [row for row in content["images"] if isinstance(row.get("file_name"), str)]
    images.choose([row["file_name"] for row in rows])
    ids = Counter(_key(row.get("id")) for row in rows)
    shapes: dict[str, list[tuple[int, _Shape]]] = {}
    for shape in content["annotations"]:
        if isinstance(shape, _Shape):
            shapes.setdefault(shape.image, []).append((numbers.get(shape.category, _UNKNOWN), shape))
    for row in rows:
        key = _key(row.get("id"))
        path, reason = images.found(row["file_name"])
        if ids[key] > 1:
            reason = f"its id {printable(key)} is that of another image too"
        if reason:
            listing.leave_out(path, reason)
            continue
        if any(number == _UNKNOWN for number, _ in shapes.get(key, ())):
            detail = "an annotation is of a category that is not listed: its pixels are unlabelled"
            listing.flaws.append(MaskFlaw(path, "class", detail, used=True))
        size = (_side(row, "height"), _side(row, "width"))
        listing.add(path, Shapes(listing.root / path, size, tuple(shapes.get(key, ()))), split)
    for key in sorted(shapes.keys() - ids.keys()):
        listing.leave_out(f"{printable(file)}, image_id {printable(key)}", "annotations of an image that is not listed")


def _side(row: Mapping[str, Any], name: str) -> int:
    side = row.get(name, 0)
    return int(side) if isinstance(side, int | float) and 0 < side < 2**31 else 0


def coco_has_outlines(file: Path) -> bool:
    """Tell by its beginning and end a file of COCO with outlines."""
    head, tail = ends_of(file)
    return b'"segmentation"' in head + tail
