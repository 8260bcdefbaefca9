"""A data set of pixels that are in memory already, or in a memory-mapped file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.data._dataset import ImageDataset
from topwork.data._given import as_source
from topwork.data._layout import SPLIT_WORDS, split_of
from topwork.data._listing import Listing, assembled, label_fault
from topwork.data._names import nearest, printable, quoted
from topwork.data._source import Pixels, Source
from topwork.errors import DataError, ImageError

_SHAPE_HINT = (
    "floats from 0 to 1: (images * 255).astype('uint8'); channels first: images.transpose(0, 2, 3, 1); "
    "one grey channel: images[..., 0]"
)


@dataclass(frozen=True, eq=False)
class ArrayStore:
    """Images of one array; uint8 ``(N, H, W, 3)``, or ``(N, H, W)`` where they are grey."""

    images: Pixels

    def source(self, key: int) -> Pixels:
        """Give the pixels of one row, uint8 ``(H, W, 3)``."""
        try:
            image: Pixels = self.images[key]
        except IndexError as error:
            raise ImageError(f"no image {key}: the array has {len(self.images)}") from error
        return np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image


@dataclass(frozen=True, eq=False)
class ItemStore:
    """Images as people hold them, one by one; see :func:`~topwork.data.as_source`."""

    images: Sequence[object]

    def source(self, key: int) -> Source:
        """Give one row's image."""
        return as_source(self.images[key])


def from_arrays(
    images: npt.ArrayLike | Sequence[object],
    labels: npt.ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
) -> ImageDataset:
    """Make a data set of pixels; the array is not copied, so it may be one of ``np.load(…, mmap_mode="r")``.

    A row is known by its position, from ``"0"`` on, so a split depends on the order of the rows here.

    Args:
        images: Shape ``(N, H, W, 3)``, RGB, or ``(N, H, W)``, grey; uint8. It is not to be changed afterwards. Or a
            list of N images as :func:`~topwork.data.as_source` takes them.
        labels: Shape ``(N,)`` or ``(N, 1)``: class names, truths, or whole numbers, which are positions in ``classes``
            where those are given and class names by their digits where not.
        classes: C class names in order. One class with images is then enough, so that a saved model can be
            evaluated on it; to train on, two are needed all the same.
        splits: N names, ``"train"``, ``"val"`` or ``"test"``; none where None.
        groups: N names of groups whose rows stay together; ``""`` is none.

    Raises:
        DataError: Another type or shape, lengths that differ, a label or a split that is not known, one class.

    Example:
        >>> images = np.zeros((4, 8, 8, 3), np.uint8)
        >>> from_arrays(images, [0, 1, 1, 0], classes=["cat", "dog"]).counts().tolist()
        [2, 2]
    """
    held: Any = images
    pixels = held if isinstance(held, list | tuple) else _checked_images(held)
    names, order = label_names(as_labels(labels), classes)
    store = _item_store(pixels) if isinstance(pixels, list | tuple) else ArrayStore(pixels)
    listing = Listing(Path("<arrays>"), order=order, store=store, table=Path("<arrays>") if classes is None else None)
    lengths = {len(names), *(len(column) for column in (splits, groups) if column is not None)}
    if lengths != {len(pixels)}:
        raise DataError(f"{len(pixels)} images, but {sorted(lengths)} labels, splits or groups")
    for row, name in enumerate(names):
        split = _split_name(splits[row]) if splits is not None else ""
        listing.add(str(row), name, split, str(groups[row]) if groups is not None else "")
    for split in listing.found if classes is not None else ():
        listing.found[split].update(classes or ())
    trainable = len({name for name, split in zip(names, listing.splits, strict=True) if split in ("", "train")}) > 1
    return assembled(listing, None if classes is None or trainable else classes)


def _checked_images(images: npt.ArrayLike) -> Pixels:
    pixels = np.asarray(images)
    shaped = pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] == 3)
    if pixels.dtype != np.uint8 or not shaped or 0 in pixels.shape[1:]:
        raise DataError(
            f"images must be uint8 (N, H, W, 3) or (N, H, W), not {pixels.dtype} {pixels.shape}", hint=_SHAPE_HINT
        )
    view = pixels.view()
    view.flags.writeable = False
    return view


def _item_store(images: Sequence[object]) -> ItemStore:
    """Open files are read now: each row is asked for more than once."""
    return ItemStore([as_source(image) if hasattr(image, "read") else image for image in images])


def as_labels(labels: npt.ArrayLike) -> npt.NDArray[Any]:
    """Labels of any usual kind (a column of a data frame, Keras's (N, 1), truths) as whole numbers or text, shape (N,).

    Raises:
        DataError: One is missing, or is neither.
    """
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    values: list[Any] = array.tolist() if array.ndim == 1 else []
    if array.dtype.kind == "O" and values:
        gone = [row for row, value in enumerate(values) if value is None or value != value]
        if gone:
            raise DataError(f"the label of row {gone[0]} is missing", hint="leave out the rows without a label")
        if all(isinstance(value, str) for value in values):
            return np.array(values, np.str_)
        if all(isinstance(value, int | np.integer) for value in values):
            array = np.array(values)
    if array.dtype.kind == "f" and all(map(float.is_integer, values)):
        return array.astype(np.int64)
    return array.astype(np.str_) if array.dtype.kind == "b" else array


def label_names(labels: npt.NDArray[Any], classes: Sequence[str] | None) -> tuple[list[str], tuple[str, ...]]:
    """Give each row's class name, and the order of the classes where there is one."""
    if labels.ndim != 1 or (labels.size and labels.dtype.kind not in "iuU"):
        raise DataError(f"labels must be whole numbers or text of shape (N,), not {labels.dtype} {labels.shape}")
    known = tuple(classes or ())
    if labels.dtype.kind == "U":
        names: list[str] = labels.tolist()
        if unknown := sorted(set(names).difference(known)) if classes is not None else []:
            raise DataError(f"label {quoted(unknown[:3])} is not a class; nearest: {nearest(unknown[0], known)}")
    elif classes is None:
        names = [str(label) for label in labels.tolist()]
        known = tuple(str(label) for label in np.unique(labels).tolist())
    else:
        if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < len(known):
            raise DataError(f"labels run from {labels.min()} to {labels.max()}, but there are {len(known)} classes")
        names = [known[label] for label in labels.tolist()]
    for name in set(names) | set(known):
        if fault := label_fault(name):
            raise DataError(f"class '{printable(name)}': {fault}")
    return names, known


def _split_name(name: str) -> str:
    if not split_of(name):
        raise DataError(f"split '{printable(name)}'; nearest: {nearest(name.casefold(), SPLIT_WORDS)}")
    return split_of(name)
