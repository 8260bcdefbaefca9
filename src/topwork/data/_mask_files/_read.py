"""Tells how the masks of a data set are kept, and has the right reader list them."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from topwork.data._annotations._coco import is_coco
from topwork.data._annotations._places import files_in
from topwork.data._huggingface import is_huggingface, is_saved, load_saved
from topwork.data._mask_files._coco import add_coco_masks, coco_has_outlines, coco_splits
from topwork.data._mask_files._folders import (
    has_a_folder_each,
    has_beside,
    has_pairs,
    layers_in,
    list_a_folder_each,
    list_beside,
    list_layers,
    list_pairs,
)
from topwork.data._mask_files._held import (
    are_arrays,
    list_arrays,
    list_rows,
    mask_columns,
    saved_has_masks,
)
from topwork.data._mask_files._listing import MaskListing, assembled_masks
from topwork.data._mask_files._store import Reordered
from topwork.data._mask_files._table import has_masks, is_mask_table, list_mask_frame, list_mask_table
from topwork.data._masks import MaskDataset
from topwork.data._names import printable, quoted
from topwork.data._source import why
from topwork.data._table import is_table
from topwork.errors import DataError, TopworkError

_MOST = 100  # files of JSON in a folder that are looked into
_UNDERSTOOD = (
    "images/ and masks/ with files of the same names (PNG or TIFF of indices, of colours with a legend, of 16-bit "
    "labels of objects, .npy), X_mask.png beside X.png, a folder of masks for each class or image, COCO JSON with "
    "polygons or RLE, a table with the columns path,mask, and a Hugging Face data set with two images a row"
)


def read_masks(
    data: object, *, classes: Sequence[str] | None = None, columns: Mapping[str, str] | None = None
) -> MaskDataset:
    """Read a data set of images with masks; decodes each mask once, and looks at the header of each image.

    What is wrong with a mask is in ``flaws``; an image that cannot be used, or whose mask cannot, is in ``left_out``.

    Args:
        data: A folder, a file of annotations, a table, a Hugging Face data set, a pair ``(images, masks)`` of arrays,
            or a ``MaskDataset``, which is given back.
        classes: The class names of a saved model, in its order; for evaluation.
        columns: What a table calls ``path``, ``mask``, ``objects``, ``split`` and ``group``, as far as it is neither
            that nor another usual name.

    Raises:
        DataError: Nothing there or nothing that is understood, no mask that can be used, an image in two splits, a
            class that is not among ``classes``.
    """
    if isinstance(data, MaskDataset):
        return data if classes is None else _relabelled(data, classes)
    form = _form_of(data, columns)
    if form is None:
        shown = printable(str(data)) if isinstance(data, str | os.PathLike) else f"a {type(data).__name__}"
        raise DataError(f"no masks in {shown}", hint=f"topwork reads {_UNDERSTOOD}")
    return assembled_masks(form.listed(), classes)


def looks_like_masks(data: object) -> bool:
    """Tell images with masks from everything else, by names and the beginnings of files alone.

    Args:
        data: Whatever :func:`read_masks` or :func:`~topwork.data.read` takes. What cannot be read is none.
    """
    if isinstance(data, MaskDataset):
        return True
    try:
        form = _form_of(data, None)
        return form is not None and not form.is_doubtful
    except (OSError, ValueError, TopworkError):  # the reader that is chosen will tell
        return False


@dataclass(frozen=True)
class _Form:
    """What lists masks that are kept in one way; ``is_doubtful`` where the data may be meant otherwise."""

    listed: Callable[[], MaskListing]
    is_doubtful: bool = False


def _form_of(data: Any, columns: Mapping[str, str] | None) -> _Form | None:
    if not isinstance(data, str | os.PathLike):
        return _form_of_object(data, columns)
    path = Path(data)
    try:
        is_folder = path.is_dir()
        if not is_folder:
            os.stat(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{printable(str(path))}: {why(error)}", hint="check the path") from error
    return _form_of_folder(path) if is_folder else _form_of_file(path, columns)


def _form_of_object(data: Any, columns: Mapping[str, str] | None) -> _Form | None:
    if is_huggingface(data):
        rows = next(iter(data.values()), None) if isinstance(data, Mapping) else data
        return _Form(lambda: list_rows(data)) if rows is not None and mask_columns(rows.features or {}) else None
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return _Form(lambda: list_mask_frame(data, columns)) if columns or has_masks(data.columns) else None
    return _Form(lambda: list_arrays(*data)) if are_arrays(data) else None


def _form_of_file(path: Path, columns: Mapping[str, str] | None) -> _Form | None:
    if path.suffix.lower() == ".json" and is_coco(path) and coco_has_outlines(path):
        inner = path.parent.name.casefold() in ("annotations", "annotation")
        root = path.parent.parent if inner else path.parent
        return _Form(lambda: _list_coco(root, [path.relative_to(root).as_posix()]), True)
    if is_table(path.name):
        return _Form(lambda: list_mask_table(path, columns), not is_mask_table(path))
    return None


def _form_of_folder(root: Path) -> _Form | None:
    if is_saved(root):
        return _Form(lambda: list_rows(load_saved(root), root)) if saved_has_masks(root) else None
    files = files_in(root)
    if tables := [name for name in files[""] if is_table(name) and is_mask_table(root / name)]:
        return _Form(lambda: list_mask_table(root / tables[0]))
    if (above := has_a_folder_each(root)) is not None:
        return _Form(lambda: list_a_folder_each(root, above))
    if has_pairs(files):
        return _Form(lambda: list_pairs(root, files))
    if layers_in(files):
        return _Form(lambda: list_layers(root, files))
    if content := _coco_files(root, files):
        return _Form(lambda: _list_coco(root, content), True)  # most of COCO's files are of boxes too
    if has_beside(files):
        return _Form(lambda: list_beside(root, files))
    return None


def _coco_files(root: Path, files: Mapping[str, Sequence[str]]) -> list[str]:
    found = [
        posixpath.join(folder, name)
        for folder, names in files.items()
        for name in [name for name in names if name.lower().endswith(".json")][:_MOST]
        if is_coco(root / folder / name) and coco_has_outlines(root / folder / name)
    ]
    return [file for file in found if posixpath.basename(file).startswith("instances_")] or found


def _list_coco(root: Path, files: Sequence[str]) -> MaskListing:
    listing = MaskListing(root, printable(str(root)))
    add_coco_masks(listing, coco_splits(files))
    return listing


def _relabelled(dataset: MaskDataset, classes: Sequence[str]) -> MaskDataset:
    if sorted(classes) != sorted(dataset.classes):
        raise DataError(f"classes {quoted(classes)} are not {quoted(dataset.classes)} in another order")
    if tuple(classes) == dataset.classes:
        return dataset
    places = np.array([list(classes).index(name) for name in dataset.classes], np.int32)
    if dataset.has_background and places[0]:
        raise DataError("the background comes first among the classes")
    order = np.argsort(places)
    pixels = dataset.pixels[:, [*order.tolist(), len(classes)]]
    return replace(dataset, classes=tuple(classes), pixels=pixels, masks=Reordered(dataset.masks, places))
