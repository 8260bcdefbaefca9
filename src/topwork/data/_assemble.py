"""From what a reader found to a data set: settles the classes, and says what the user should know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from topwork.data._dataset import ImageDataset, LeftOut, as_splits
from topwork.data._listing import Listing
from topwork.data._names import nearest, printable, quoted
from topwork.data._notes import evaluation_notes, training_notes
from topwork.errors import DataError

Labels = npt.NDArray[np.int32]


def assembled(listing: Listing, classes: Sequence[str] | None = None) -> ImageDataset:
    """Check what a reader found and make the data set of it.

    Args:
        listing: What was found.
        classes: The class names of a saved model, in its order, where there is one.

    Raises:
        DataError: As :func:`~topwork.data.read` says.
    """
    names = _training_classes(listing) if classes is None else _saved_classes(listing, classes)
    index = {name: label for label, name in enumerate(names)}
    labels = np.array([index[name] for name in listing.labels], dtype=np.int32)
    dataset = ImageDataset(
        root=listing.root,
        paths=tuple(listing.paths),
        labels=labels,
        classes=names,
        splits=as_splits(listing.splits),
        left_out=tuple(sorted(listing.left_out, key=lambda item: item.path)),
        ignored=listing.ignored,
        notes=_notes(listing, labels, names, saved=classes is not None),
        groups=tuple(listing.groups) if any(listing.groups) else (),
        store=listing.store,
        keys=np.arange(0 if listing.store is None else len(listing.paths)),
    )
    _check_images(dataset, listing, saved=classes is not None)
    _check_groups(dataset)
    return dataset


def _training_classes(listing: Listing) -> tuple[str, ...]:
    """Take the classes of the training split only: a split that is held out never adds one."""
    root = printable(str(listing.root))
    names = listing.found.get(listing.training_split, set())
    if not names:
        hint = _left_out_hint(listing.left_out) or "where there are splits, one must be 'train'"
        raise DataError(f"no training rows in {root}", hint=hint)
    for split, found in listing.found.items():
        if extra := sorted(found - names):
            raise DataError(
                f"class {quoted(extra[:3])} is in {split} but not in train in {root}; "
                f"nearest: {nearest(extra[0], names)}",
                hint="a model can only know classes it was trained on: rename it, or add training images",
            )
    if len(names) < 2:
        raise DataError(
            f"only one class, {quoted(names)}, in {root}: there is nothing to tell it from",
            hint="add a folder of what the images are to be told from, for example 'other'",
        )
    return tuple(name for name in listing.order if name in names) or tuple(sorted(names))


def _saved_classes(listing: Listing, classes: Sequence[str]) -> tuple[str, ...]:
    for found in listing.found.values():
        if unknown := sorted(found.difference(classes)):
            raise DataError(
                f"class {quoted(unknown[:3])} is not one that the model knows; nearest: {nearest(unknown[0], classes)}",
                hint="rename the folder to the model's name for it, or leave it out",
            )
    return tuple(classes)


def _check_images(dataset: ImageDataset, listing: Listing, *, saved: bool) -> None:
    root = printable(str(listing.root))
    hint = _left_out_hint(dataset.left_out) or "add images: .jpg, .png, .webp, .tif, .bmp or .gif"
    if not len(dataset):
        raise DataError(f"no usable image in {root}", hint=hint)
    if saved:
        return
    training = dataset.select(dataset.splits == listing.training_split).counts()
    if not training.any():
        raise DataError(f"no usable image in the training split of {root}", hint=hint)
    if np.count_nonzero(training) < 2:
        only = dataset.classes[int(np.argmax(training))]
        raise DataError(f"only class '{printable(only)}' has training images in {root}", hint=hint)


def _left_out_hint(left_out: Sequence[LeftOut]) -> str:
    if not left_out:
        return ""
    return f"{len(left_out)} left out, the first: {printable(left_out[0].path)}: {left_out[0].reason}"


def _check_groups(dataset: ImageDataset) -> None:
    """Refuse a group in two splits: the held-out images would be ones the model has all but seen."""
    if not dataset.groups:
        return
    split_of: dict[str, str] = {}
    for group, split in zip(dataset.groups, dataset.splits.tolist(), strict=True):
        if group and split_of.setdefault(group, split) != split:
            raise DataError(
                f"group '{printable(group)}' is in both {split_of[group]} and {split}",
                hint="keep all images of one group in one split",
            )


def _notes(listing: Listing, labels: Labels, names: tuple[str, ...], *, saved: bool) -> tuple[str, ...]:
    if not saved:
        labels = labels[as_splits(listing.splits) == listing.training_split]
    counts: list[int] = np.bincount(labels, minlength=len(names)).tolist()
    return evaluation_notes(names, counts) if saved else training_notes(names, counts)
