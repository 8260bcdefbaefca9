"""Tells how the masks of a data set are kept, and has the right reader list them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from topwork.data._annotations._places import files_in
from topwork.data._mask_files._index import index_of
from topwork.data._mask_files._listing import MaskListing, assembled_masks
from topwork.data._mask_files._pairs import folders_of, pairs_in
from topwork.data._mask_files._places import OneFile, TwoFiles
from topwork.data._mask_files._store import Reordered
from topwork.data._masks import MaskDataset
from topwork.data._names import printable, quoted
from topwork.data._source import why
from topwork.errors import DataError, TopworkError

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
        return None
    path = Path(data)
    try:
        is_folder = path.is_dir()
        if not is_folder:
            os.stat(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{printable(str(path))}: {why(error)}", hint="check the path") from error
    return _form_of_folder(path) if is_folder else None


def _form_of_folder(root: Path) -> _Form | None:
    files = files_in(root)
    if folders_of(files):
        return _Form(lambda: _list_folders(root, files))
    return None


def _list_folders(root: Path, files: dict[str, list[str]]) -> MaskListing:
    listing = MaskListing(root, printable(str(root)))
    index = index_of(root, files[""])
    for folders in folders_of(files):
        pairs, rest = pairs_in(folders, files)
        for path, reason in rest:
            listing.leave_out(path, reason)
        for pair in pairs:
            split, group = index.of(pair.image) if index else (pair.split, "")
            mask, objects = (OneFile(root / each) if each else None for each in (pair.mask, pair.objects))
            listing.objects = True if mask is None else listing.objects
            place = TwoFiles(mask, objects) if mask and objects else mask or objects
            assert place is not None
            listing.add(pair.image, place, split, group)
    if index:
        listing.notes += index.notes
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
