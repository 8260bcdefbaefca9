"""Reads a data set: lists it, settles its classes, and says what the user should know about it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from topwork.data._dataset import ImageDataset, as_parts
from topwork.data._files import why
from topwork.data._folder import list_folder
from topwork.data._listing import Listing
from topwork.data._manifest import list_csv
from topwork.data._names import nearest, printable, quoted
from topwork.data._notes import evaluation_notes, training_notes
from topwork.errors import DataError

Labels = npt.NDArray[np.int32]

MANIFESTS: dict[str, Callable[[Path], Listing]] = {".csv": list_csv}
"""Suffix -> reader. JSONL and Parquet take their place here."""


def read(path: str | os.PathLike[str], *, classes: Sequence[str] | None = None) -> ImageDataset:
    """Read a labelled data set; lists files and opens no image.

    ``path`` is a folder of class folders, the same under ``train/`` (with ``val/`` and ``test/`` if wanted),
    or a CSV manifest ``path,label[,split][,group]``. Classes come from the training part in sorted order; a
    class without images keeps its place. What is found and not used is in ``left_out``, or counted in
    ``ignored``.

    Args:
        path: The folder or manifest.
        classes: The class names of a saved model, in its order; for evaluation. Then these are the classes,
            all names in the data must be among them, and one class is enough.

    Raises:
        DataError: Nothing there, no class folders, fewer than two classes to train on, no training image, a
            class in ``val`` or ``test`` that is not in ``train`` (or not among ``classes``), a group in two
            parts.
    """
    listing = _list(Path(path), classes)
    names = _training_classes(listing) if classes is None else _saved_classes(listing, classes)
    index = {name: label for label, name in enumerate(names)}
    labels = np.array([index[name] for name in listing.labels], dtype=np.int32)
    dataset = ImageDataset(
        root=listing.root,
        paths=tuple(listing.paths),
        labels=labels,
        classes=names,
        parts=as_parts(listing.parts),
        left_out=tuple(sorted(listing.left_out, key=lambda item: item.path)),
        ignored=listing.ignored,
        notes=_notes(listing, labels, names, saved=classes is not None),
        groups=tuple(listing.groups) if any(listing.groups) else (),
    )
    _check_images(dataset, listing, saved=classes is not None)
    _check_groups(dataset)
    return dataset


def _list(path: Path, classes: Sequence[str] | None) -> Listing:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such folder or manifest" if missing else why(error)
        raise DataError(f"{printable(str(path))}: {reason}", hint="check the path") from error
    if stat.S_ISDIR(mode):
        return list_folder(path, saved_classes=classes)
    reader = MANIFESTS.get(path.suffix.lower())
    if reader is None or not stat.S_ISREG(mode):
        raise DataError(
            f"{printable(str(path))} is neither a folder nor a manifest ({', '.join(MANIFESTS)})",
            hint="give a folder of class folders, or a CSV file with the columns path,label",
        )
    return reader(path)


def _training_classes(listing: Listing) -> tuple[str, ...]:
    """Take the classes of the training part only: a part that is held out never adds one."""
    root = printable(str(listing.root))
    names = listing.found.get(listing.training_part, set())
    if not names:
        raise DataError(f"no training rows in {root}", hint="a manifest needs rows; where it has splits, 'train' rows")
    for part, found in listing.found.items():
        if extra := sorted(found - names):
            raise DataError(
                f"class {quoted(extra[:3])} is in {part} but not in train in {root}; "
                f"nearest: {nearest(extra[0], names)}",
                hint="a model can only know classes it was trained on: rename it, or add training images",
            )
    if len(names) < 2:
        raise DataError(
            f"only one class, {quoted(names)}, in {root}: there is nothing to tell it from",
            hint="add a folder of what the images are to be told from, for example 'other'",
        )
    return tuple(sorted(names))


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
    hint = _left_out_hint(dataset)
    if not len(dataset):
        raise DataError(f"no usable image in {root}", hint=hint)
    if saved:
        return
    training = dataset.select(dataset.parts == listing.training_part).counts()
    if not training.any():
        raise DataError(f"no usable image in the training part of {root}", hint=hint)
    if np.count_nonzero(training) < 2:
        only = dataset.classes[int(np.argmax(training))]
        raise DataError(f"only class '{printable(only)}' has training images in {root}", hint=hint)


def _left_out_hint(dataset: ImageDataset) -> str:
    if not dataset.left_out:
        return "add images: .jpg, .png, .webp, .tif, .bmp or .gif"
    first = dataset.left_out[0]
    return f"{len(dataset.left_out)} left out, the first: {printable(first.path)}: {first.reason}"


def _check_groups(dataset: ImageDataset) -> None:
    """Refuse a group in two parts: the held-out images would be ones the model has all but seen."""
    if not dataset.groups:
        return
    part_of: dict[str, str] = {}
    for group, part in zip(dataset.groups, dataset.parts.tolist(), strict=True):
        if group and part_of.setdefault(group, part) != part:
            raise DataError(
                f"group '{printable(group)}' is in both {part_of[group]} and {part}",
                hint="keep all images of one group in one part",
            )


def _notes(listing: Listing, labels: Labels, names: tuple[str, ...], *, saved: bool) -> tuple[str, ...]:
    if not saved:
        labels = labels[as_parts(listing.parts) == listing.training_part]
    counts: list[int] = np.bincount(labels, minlength=len(names)).tolist()
    return evaluation_notes(names, counts) if saved else training_notes(names, counts)
