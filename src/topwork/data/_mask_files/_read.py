"""Tells how the masks of a data set are kept, and has the right reader list them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from topwork.data._annotations._coco import is_coco
from topwork.data._annotations._coco_files import coco_files, coco_place, coco_splits
from topwork.data._annotations._places import files_in
from topwork.data._huggingface import is_huggingface, is_saved, load_saved
from topwork.data._marked import Columns, Form, Forms, places_of
from topwork.data._mask_files._coco import add_coco_masks, coco_has_outlines
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
from topwork.data._names import printable
from topwork.data._table import is_table
from topwork.errors import DataError

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
    return assembled_masks(_FORMS.listed(data, columns), classes)


def looks_like_masks(data: object) -> bool:
    """Tell images with masks from everything else, by names and the beginnings of files alone.

    Args:
        data: Whatever :func:`read_masks` or :func:`~topwork.data.read` takes. What cannot be read is none.
    """
    return isinstance(data, MaskDataset) or _FORMS.tell(data)


def _form_of_object(data: Any, columns: Columns) -> Form[MaskListing] | None:
    if is_huggingface(data):
        rows = next(iter(data.values()), None) if isinstance(data, Mapping) else data
        return Form(lambda: list_rows(data)) if rows is not None and mask_columns(rows.features or {}) else None
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return Form(lambda: list_mask_frame(data, columns)) if columns or has_masks(data.columns) else None
    return Form(lambda: list_arrays(*data)) if are_arrays(data) else None


def _form_of_file(path: Path, columns: Columns) -> Form[MaskListing] | None:
    if path.suffix.lower() == ".json" and is_coco(path) and coco_has_outlines(path):
        root, file = coco_place(path)
        return Form(lambda: _list_coco(root, coco_splits([file])), True)
    if is_table(path.name):
        return Form(lambda: list_mask_table(path, columns), not is_mask_table(path))
    return None


def _form_of_folder(root: Path, columns: Columns) -> Form[MaskListing] | None:
    if is_saved(root):
        return Form(lambda: list_rows(load_saved(root), root)) if saved_has_masks(root) else None
    files = files_in(root)
    if tables := [name for name in files[""] if is_table(name) and is_mask_table(root / name)]:
        return Form(lambda: list_mask_table(root / tables[0]))
    if (above := has_a_folder_each(root)) is not None:
        return Form(lambda: list_a_folder_each(root, above))
    if has_pairs(files):
        return Form(lambda: list_pairs(root, files))
    if layers_in(files):
        return Form(lambda: list_layers(root, files))
    if content := coco_files(root, files, coco_has_outlines):
        return Form(lambda: _list_coco(root, content), True)  # most of COCO's files are of boxes too
    if has_beside(files):
        return Form(lambda: list_beside(root, files))
    return None


def _list_coco(root: Path, files: dict[str, str]) -> MaskListing:
    listing = MaskListing(root, printable(str(root)))
    add_coco_masks(listing, files)
    return listing


def _relabelled(dataset: MaskDataset, classes: Sequence[str]) -> MaskDataset:
    places = places_of(classes, dataset.classes)
    if tuple(classes) == dataset.classes:
        return dataset
    if dataset.has_background and places[0]:
        raise DataError("the background comes first among the classes")
    order = np.argsort(places)
    pixels = dataset.pixels[:, [*order.tolist(), len(classes)]]
    return replace(dataset, classes=tuple(classes), pixels=pixels, masks=Reordered(dataset.masks, places))


_FORMS = Forms("masks", _UNDERSTOOD, _form_of_object, _form_of_file, _form_of_folder)
