"""Writes a data set of masks as PNG of indices (and of objects), or as COCO JSON with run lengths."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from topwork._system import written_whole
from topwork.data._annotations._write import image_names, put_image
from topwork.data._mask_files._rle import rle_of
from topwork.data._masks import UNLABELLED, Mask, MaskDataset
from topwork.data._names import printable
from topwork.errors import DataError

MaskFormat = Literal["png", "coco"]
MASK_FORMATS: tuple[MaskFormat, ...] = get_args(MaskFormat)

_VOID = 255


@dataclass(frozen=True)
class WrittenMasks:
    """What :func:`write_masks` wrote.

    Attributes:
        path: The folder.
        images: How many.
        objects: How many; 0 where they are not told apart.
        notes: What the format cannot say, in plain words.
    """

    path: Path
    images: int
    objects: int
    notes: tuple[str, ...]


def write_masks(
    dataset: MaskDataset, out: str | os.PathLike[str], form: MaskFormat = "png", *, copy: bool = False
) -> WrittenMasks:
    """Write masks in a format that :func:`read_masks` reads; it gives back the same labels and objects.

    A folder is made, whole or not at all, with the images in it, linked where the file system can. ``png``: ``masks/``
    of class indices (255 is unlabelled), ``instances/`` of 16 bits where objects are told apart, ``legend.csv``, and
    ``set.csv`` with splits and groups. ``coco``: a file for each split; where objects are not told apart, all
    that is of a class in an image is one, and what is unlabelled is a crowd.

    Args:
        dataset: Images that are files, or bytes.
        out: What must not be there yet.
        form: ``png`` or ``coco``.
        copy: Whether images are copied rather than linked.

    Raises:
        DataError: Something stands at ``out``, it cannot be written, the form is unknown, there are more classes or
            objects than it can hold, or a mask cannot be read.
        ImageError: An image that is to be copied cannot be read.
    """
    final = Path(out)
    if form not in MASK_FORMATS:
        raise DataError(f"no format '{printable(form)}'", hint=f"formats: {', '.join(MASK_FORMATS)}")
    if os.path.lexists(final):
        raise DataError(f"{printable(str(final))}: it is there already", hint="choose another name")
    if len(dataset.classes) > _VOID:
        raise DataError(f"{len(dataset.classes):,} classes, more than the {_VOID} that such a mask can hold")
    try:
        with written_whole(final, replace=False) as folder:
            names = image_names(dataset)
            (folder / "images").mkdir()
            for row, name in enumerate(names):
                put_image(dataset, row, folder / "images" / name, copy=copy)
            (_write_png if form == "png" else _write_coco)(dataset, folder, names)
    except OSError as error:
        what = f"{printable(str(final))}: cannot be written: {error.strerror or error}"
        raise DataError(what, hint="choose a writable folder") from error
    lost = form == "coco" and any(dataset.groups)
    told = int(dataset.objects.sum()) if dataset.tells_objects else 0
    return WrittenMasks(final, len(dataset), told, ("this format cannot say groups",) if lost else ())


def _table(rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _write_png(dataset: MaskDataset, folder: Path, names: list[str]) -> None:
    told = dataset.tells_objects
    rows: list[list[Any]] = [["path", "mask", *(["objects"] if told else []), "split", "group"]]
    for row, name in enumerate(names):
        mask, stem = dataset.mask(row), os.path.splitext(name)[0]
        labels = np.where(mask.labels == UNLABELLED, _VOID, mask.labels).astype(np.uint8)
        _save(folder / "masks" / f"{stem}.png", labels)
        places = [f"masks/{stem}.png"]
        if told and mask.objects is not None:
            if int(mask.objects.max()) >= 2**16:
                raise DataError(f"{printable(name)}: more objects than 16 bits can number")
            _save(folder / "instances" / f"{stem}.png", mask.objects.astype(np.uint16))
            places.append(f"instances/{stem}.png")
        group = dataset.groups[row] if dataset.groups else ""
        rows.append([f"images/{name}", *places, str(dataset.splits[row]), group])
    (folder / "set.csv").write_bytes(_table(rows))
    (folder / "legend.csv").write_bytes(_table([["value", "name"], *map(list, enumerate(dataset.classes))]))


def _save(path: Path, pixels: npt.NDArray[Any]) -> None:
    import PIL.Image

    path.parent.mkdir(exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)


def _write_coco(dataset: MaskDataset, folder: Path, names: list[str]) -> None:
    (folder / "annotations").mkdir()
    categories = [{"id": place + 1, "name": dataset.classes[place]} for place in dataset.foreground]
    for split in dict.fromkeys(dataset.splits.tolist()):
        images, annotations = [], list[dict[str, Any]]()
        for row in np.flatnonzero(dataset.splits == split).tolist():
            height, width = dataset.sizes[row].tolist()
            images.append({"id": row + 1, "file_name": names[row], "height": height, "width": width})
            for label, outline, crowd in _outlines(dataset, dataset.mask(row)):
                rows, columns = np.nonzero(outline)
                left, top = int(columns.min()), int(rows.min())
                box = [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": row + 1,
                        "category_id": label + 1,
                        "segmentation": rle_of(outline),
                        "area": len(rows),
                        "bbox": box,
                        "iscrowd": int(crowd),
                    }
                )
        content = {"images": images, "annotations": annotations, "categories": categories}
        name = f"instances{f'_{split}' if split else ''}.json"
        (folder / "annotations" / name).write_text(json.dumps(content), "utf-8")


def _outlines(dataset: MaskDataset, mask: Mask) -> list[tuple[int, npt.NDArray[np.bool_], bool]]:
    """The class of each object, its pixels, and whether it is a region of which nothing is told."""
    found = []
    for label in dataset.foreground:
        of_class = mask.labels == label
        if mask.objects is None:
            parts = [of_class] if of_class.any() else []
        else:
            numbers = np.unique(mask.objects[of_class])
            parts = [of_class & (mask.objects == number) for number in numbers.tolist()]
        found += [(label, part, False) for part in parts]
    unknown = mask.labels == UNLABELLED
    if unknown.any() and len(dataset.foreground):
        found.append((dataset.foreground.start, unknown, True))
    return found
