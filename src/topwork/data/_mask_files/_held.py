"""Masks that are no files of their own: arrays, rows of a Hugging Face data set, pages of a stack."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from topwork.data._arrays import ItemStore
from topwork.data._decode import opened_image, pixels_of
from topwork.data._huggingface import RowStore, path_fault, root_of, row_names, splits_in
from topwork.data._mask_files._listing import MaskListing
from topwork.data._mask_files._places import InStore
from topwork.data._mask_files._raw import Raw, raw_of_array
from topwork.data._names import printable, quoted
from topwork.data._source import Source, content_key, opened
from topwork.errors import DataError

_MASKS = (
    *("annotation", "annotations", "mask", "masks", "label", "labels", "segmentation", "segmentation_mask"),
    *("semantic_mask", "gt", "target", "seg"),
)
_OBJECTS = ("instance_mask", "instances", "instance")


@dataclass(frozen=True)
class Pages:
    """Pictures that may be pages of stacks: the file of each, and its page from 0, or -1 of a file with one."""

    files: tuple[tuple[Path, int], ...]

    def source(self, key: int) -> Source:
        """Give a file, or the pixels of a page.

        Raises:
            ImageError: The page cannot be read.
        """
        path, page = self.files[key]
        if page < 0:
            return path
        with opened(os.fspath(path)) as (file, _), opened_image(file, "TIFF") as image:
            image.seek(page)
            return pixels_of(image)


@dataclass(frozen=True, eq=False)
class HeldMask:
    """A mask that is an array."""

    array: Any

    def load(self) -> Raw:
        """See ``MaskPlace``."""
        array = np.asarray(self.array)
        raw = raw_of_array(array)
        return Raw(raw.values, raw.colours, deep=raw.deep, key=content_key(np.ascontiguousarray(raw.values).tobytes()))


def are_arrays(data: object) -> bool:
    """Tell ``(images, masks)`` from ``(images, labels)``: a mask has a height and a width."""
    if not isinstance(data, tuple) or len(data) != 2:
        return False
    masks = data[1]
    if hasattr(masks, "ndim"):
        return int(masks.ndim) >= 3
    return isinstance(masks, Sequence) and len(masks) > 0 and getattr(masks[0], "ndim", 0) >= 2


def list_arrays(images: Any, masks: Any) -> MaskListing:
    """List images in memory, each with its mask.

    Args:
        images: N, as :func:`~topwork.data.as_source` takes them.
        masks: N, each (H, W), a number a pixel.

    Raises:
        DataError: Lengths differ.
    """
    if len(images) != len(masks):
        raise DataError(f"{len(images)} images, but {len(masks)} masks", hint="give one mask for each image")
    listing = MaskListing(Path("<arrays>"), "the arrays", store=ItemStore([images[row] for row in range(len(images))]))
    for row in range(len(images)):
        listing.add(str(row), HeldMask(masks[row]))
    return listing


def mask_columns(features: Mapping[str, Any]) -> tuple[str, str, bool] | None:
    """The columns of images and masks in a Hugging Face data set, and whether the masks tell objects."""
    images = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    by_name = {name.casefold(): name for name in images}
    mask = next((by_name[name] for name in _MASKS if name in by_name), "")
    objects = next((by_name[name] for name in _OBJECTS if name in by_name), "")
    chosen = mask or objects
    rest = [name for name in images if name not in (mask, objects)]
    if not chosen or not rest:
        return None
    return ("image" if "image" in rest else rest[0]), chosen, not mask


def list_rows(data: Any, root: Path | None = None) -> MaskListing:
    """List a Hugging Face ``Dataset`` or ``DatasetDict`` of images with masks.

    Args:
        data: It.
        root: The folder that it was saved to; no path may lead out of it.

    Raises:
        DataError: It streams, or has no column of images with one of masks.
    """
    inside = root is not None
    root = root_of(data) if root is None else root
    listing = MaskListing(root, printable(str(root)))
    places: list[tuple[int, int, str, str]] = []  # part, row, name, split
    parts: list[tuple[Any, Any]] = []
    for name, split, rows_of in splits_in(data, root, listing.leave_out):
        columns = mask_columns(rows_of.features)
        if columns is None:
            raise DataError(
                f"{listing.name}: no column of images with one of masks", hint=f"there are {quoted(rows_of.features)}"
            )
        image, mask, listing.objects = columns[0], columns[1], columns[2] or None
        arrow = [rows_of.select_columns([column]).with_format("arrow") for column in (image, mask)]
        told = [_cells(each, column) for each, column in zip(arrow, (image, mask), strict=True)]
        names = row_names([path for _, path in told[0]], name)
        for row, cells in enumerate(zip(*told, strict=True)):
            faults = [path_fault(path, os.path.realpath(root), inside=inside) for held, path in cells if not held]
            if fault := next(filter(None, faults), ""):
                listing.leave_out(names[row], fault)
                continue
            places.append((len(parts), row, names[row], split))
        parts.append((arrow[0], arrow[1]))
    stores = [_store([part[side] for part in parts], places, str(root) if inside else "") for side in (0, 1)]
    listing.store = stores[0]
    for key, (_, _, name, split) in enumerate(places):
        listing.add(name, InStore(stores[1], key), split)
    return listing


def _store(parts: Sequence[Any], places: Sequence[tuple[int, int, str, str]], root: str) -> RowStore:
    return RowStore(
        tuple(parts),
        np.array([part for part, *_ in places], np.int32),
        np.array([row for _, row, *_ in places], np.int64),
        root,
    )


def _cells(rows: Any, column: str) -> list[tuple[bool, str]]:
    """Of each row whether it holds its file, and the path."""
    found = []
    for table in rows.iter(batch_size=256):
        images = table.column(column).combine_chunks()
        held, paths = images.field("bytes").is_valid().to_pylist(), images.field("path").to_pylist()
        found += [(embedded, path or "") for embedded, path in zip(held, paths, strict=True)]
    return found


def saved_has_masks(folder: Path) -> bool:
    """Tell by what is written beside it a saved data set of images with masks; loads nothing."""
    index = folder / "dataset_dict.json"
    place = folder / json.loads(index.read_bytes())["splits"][0] if index.is_file() else folder
    features = json.loads((place / "dataset_info.json").read_bytes())["features"]
    images = [name.casefold() for name, feature in features.items() if feature.get("_type") == "Image"]
    return len(images) > 1 and any(name in images for name in (*_MASKS, *_OBJECTS))
