"""What a reader found, and the data set made of it with what the user should know: the common ground of all readers."""

from __future__ import annotations

import math
import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from topwork._text import article
from topwork.data._dataset import Dataset, ImageDataset, LabelledDataset, LeftOut, as_splits
from topwork.data._names import decoded, nearest, not_known, printable, quoted
from topwork.data._source import LINKS, ImageStore
from topwork.errors import DataError

Labels = npt.NDArray[np.int32]
Kind = TypeVar("Kind", bound=LabelledDataset)

_SYSTEM_NAMES = frozenset({"__macosx", "desktop.ini", "ehthumbs.db", "thumbs.db"})

MASK = "looks like the mask of the image beside it"
"""Why a file such as ``1_mask.png`` beside ``1.jpg`` is left out."""

_QUANTITIES = 10
"""So many different numbers as labels may be a quantity; fewer are classes."""

IMBALANCE = 10
"""The largest class may hold this many times the smallest one's rows before a note says so."""

_ADD = {"image": "add images: .jpg, .png, .webp, .tif, .bmp or .gif", "text": "add texts"}


@dataclass
class Listing:
    """The rows found, as columns (a million rows as objects would take three times the memory).

    ``found`` holds the class names seen in each split, those of empty class folders too. ``order`` is the
    classes' order where the data declare one; they are sorted otherwise. ``store`` knows the image of the first
    row as 0, of the second as 1, and so on; without one, the images are files below ``root``. ``table`` is given where
    labels are cells of one; folders' names are classes whatever they look like. ``what`` is what a row is,
    for messages: ``image`` or ``text``.
    """

    root: Path
    paths: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    found: dict[str, set[str]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    ignored: int = 0
    order: tuple[str, ...] = ()
    store: ImageStore | None = None
    notes: list[str] = field(default_factory=list)
    table: Path | None = None
    what: str = "image"

    @property
    def name(self) -> str:
        """What was read, for messages."""
        return printable(str(self.table or self.root))

    @property
    def training_split(self) -> str:
        """The split that classes are read from: the whole, or ``train`` where there are splits."""
        return "train" if any(self.found) else ""

    def add_class(self, label: str, split: str) -> None:
        """Note that a class was seen in a split, with rows or without."""
        self.found.setdefault(split, set()).add(label)

    def add(self, path: str, label: str, split: str, group: str = "") -> None:
        """Add one row."""
        self.add_class(label, split)
        self.paths.append(path)
        self.labels.append(label)
        self.splits.append(split)
        self.groups.append(group)

    def leave_out(self, path: str, reason: str) -> None:
        """List a file or folder that is not used."""
        self.left_out.append(LeftOut(path, reason))


def is_system(name: str) -> bool:
    """Tell hidden files and those that operating systems strew about."""
    return name.startswith(".") or name.casefold() in _SYSTEM_NAMES


def look_into(folder: Path, *, follow_links: bool = False) -> tuple[set[str], list[str]]:
    """Names of the folders, and of all else, in a folder, without hidden ones; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            kinds = {e.name: e.is_dir(follow_symlinks=follow_links) for e in entries if not is_system(e.name)}
    except OSError:  # the reader that is chosen will tell
        return set(), []
    folders = {name for name, is_folder in kinds.items() if is_folder}
    return folders, [name for name in kinds if name not in folders]


def label_fault(label: str) -> str:
    """Say why a text cannot be a class name; empty where it can."""
    if not label.strip():
        return "the label is empty"
    return "the label contains a NUL character" if "\0" in label else ""


def assembled(listing: Listing, classes: Sequence[str] | None = None, *, identities: bool = False) -> ImageDataset:
    """The data set of images that a reader found; see :func:`assembled_as`."""
    return assembled_as(ImageDataset, listing, classes, identities=identities)


def assembled_as(
    kind: type[Kind], listing: Listing, classes: Sequence[str] | None = None, *, identities: bool = False
) -> Kind:
    """Check what a reader found and make the data set of it, with the classes of a saved model where there is one.

    Raises:
        DataError: As :func:`~topwork.data.read` says.
    """
    _read_names(listing, classes or ())
    if classes is None and listing.table:
        _require_one_class_each(listing)
    names = _training_classes(listing, identities) if classes is None else _saved_classes(listing, classes)
    index = {name: label for label, name in enumerate(names)}
    labels = np.array([index[name] for name in listing.labels], dtype=np.int32)
    dataset = kind(
        root=listing.root,
        paths=tuple(listing.paths),
        labels=labels,
        classes=names,
        splits=as_splits(listing.splits),
        left_out=tuple(sorted(listing.left_out, key=lambda item: item.path)),
        ignored=listing.ignored,
        notes=(
            *listing.notes,
            *_left_out_notes(listing),
            *(
                _evaluation_notes(names, labels, listing.what)
                if classes is not None
                else ()
                if identities
                else _training_notes(listing, names, labels)
            ),
        ),
        groups=tuple(listing.groups) if any(listing.groups) else (),
        store=listing.store,
        keys=np.arange(0 if listing.store is None else len(listing.paths)),
    )
    _check_rows(dataset, listing, saved=classes is not None)
    check_groups(dataset, listing.what)
    return dataset


def _read_names(listing: Listing, known: Sequence[str]) -> None:
    """Class names as text, see :func:`class_texts`."""
    told, notes = class_texts(set().union(listing.order, *listing.found.values()).difference(known), listing.name)
    listing.notes += notes
    if told:
        listing.labels = [told.get(name, name) for name in listing.labels]
        listing.order = tuple(dict.fromkeys(told.get(name, name) for name in listing.order))
        listing.found = {split: {told.get(name, name) for name in found} for split, found in listing.found.items()}


def class_texts(names: Collection[str], where: str) -> tuple[dict[str, str], list[str]]:
    """Class names as text: in their own encoding where that can be told, and without white space around them.

    Args:
        names: As ``os.fsdecode`` carries them.
        where: What they were read from.

    Returns:
        Those that change -> their text, and what there is to note.

    Raises:
        DataError: It cannot be told which encoding they are in.
    """
    try:
        texts, encoding = decoded(names)
    except UnicodeError as error:
        raise DataError(
            f"a class name in {where} is not UTF-8: {error}",
            hint="convert it to UTF-8: folders with convmv -r -f ENCODING -t UTF-8 --notest DATA, "
            "a manifest with iconv -f ENCODING -t UTF-8 FILE",
        ) from error
    notes = [f"class names are read as {encoding}: {some_of(sorted(texts.values()))}"] if texts else []
    told = {name: texts.get(name, name).strip() or name for name in names}
    told = {name: text for name, text in told.items() if name != text}
    if trimmed := sorted(text for name, text in told.items() if name not in texts or texts[name] != text):
        notes.append(f"white space around class names is left out: {some_of(trimmed)}")
    return told, notes


def _require_one_class_each(listing: Listing) -> None:
    """Refuse labels that are several each, or quantities: both would train, and answer another question.

    Raises:
        DataError: They are; says which.
    """
    names, root = sorted(set(listing.labels)), listing.name
    for separator in ",;|":
        parts = {name: {part.strip() for part in name.split(separator)} for name in names}
        several = [name for name in names if len(parts[name]) > 1]
        uses = Counter(part for found in parts.values() for part in found)
        often = 2 * len(several) >= len(names) and any(uses[part] > 1 for name in several for part in parts[name])
        if often or any(parts[name] <= parts.keys() for name in several):
            raise DataError(
                f"{root}: labels such as {quoted(several[:2])} name several classes for {article(listing.what)}",
                hint=f"several labels per {listing.what} are not supported yet: keep one for each, or write "
                f"each combination as one name without '{separator}'",
            )
    values = [number for number in map(_number, names) if number is not None]
    if len(values) < max(len(names), _QUANTITIES):
        return
    whole = all(map(float.is_integer, values))
    gaps = not whole or max(values) - min(values) + 1 > 2 * len(values)
    if gaps and len(listing.labels) < 10 * len(values):
        raise DataError(
            f"{root}: the labels look like measurements ({len(values)} numbers from {min(values):g} to "
            f"{max(values):g}); predicting a number is regression, which topwork cannot do yet",
            hint="for classes, write ranges such as 'under 30' and '30 to 60' as labels",
        )


def is_number(name: str) -> bool:
    """Tell a label that is a number."""
    return _number(name) is not None


def _number(name: str) -> float | None:
    try:
        value = float(name)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _training_classes(listing: Listing, identities: bool) -> tuple[str, ...]:
    """Take the classes of the training split only: a split that is held out never adds one, unless it may."""
    root = listing.name
    names = listing.found.get(listing.training_split, set())
    if not names:
        none = f"it has no rows at all: each {listing.what} needs one"
        other = "where there are splits, one must be 'train'" if any(listing.found.values()) else none
        hint = _left_out_hint(listing.left_out) or other
        raise DataError(f"no training rows in {root}", hint=hint)
    for split, found in listing.found.items():
        if identities:
            names = names | found
        elif extra := sorted(found - names):
            raise DataError(
                f"class {quoted(extra[:3])} is in {split} but not in train in {root}; "
                f"nearest: {nearest(extra[0], names)}",
                hint=f"a model can only know classes it was trained on: rename it, or add training {listing.what}s",
            )
    if len(names) < 2 and identities:
        raise DataError(
            f"only one identity in {root}: it can be compared with nobody",
            hint="add identities, four or more of them with two images",
        )
    if len(names) < 2:
        raise DataError(
            f"only one class, {quoted(names)}, in {root}: at least two classes are needed",
            hint=f"add {listing.what}s that do not belong to it, for example 'other'",
        )
    return tuple(name for name in listing.order if name in names) or tuple(sorted(names))


def _saved_classes(listing: Listing, classes: Sequence[str]) -> tuple[str, ...]:
    for found in listing.found.values():
        if unknown := sorted(found.difference(classes)):
            raise DataError(
                not_known(unknown, classes),
                hint="rename the folder to the model's name for it, or leave it out",
            )
    return tuple(classes)


def _check_rows(dataset: LabelledDataset, listing: Listing, *, saved: bool) -> None:
    root = listing.name
    hint = _left_out_hint(dataset.left_out) or _ADD[listing.what]
    if not len(dataset):
        raise DataError(f"no usable {listing.what} in {root}", hint=hint)
    if saved:
        return
    training = dataset.select(dataset.splits == listing.training_split).counts()
    if not training.any():
        raise DataError(f"no usable {listing.what} in the training split of {root}", hint=hint)
    if np.count_nonzero(training) < 2:
        only = dataset.classes[int(np.argmax(training))]
        if set(dataset.classes) == {"images", "masks"}:
            hint = "if these are images and their masks, put a mask of the same name into masks/ for each image"
        elif not dataset.left_out:
            hint = f"add {listing.what}s of another class"
        raise DataError(f"only class '{printable(only)}' has training {listing.what}s in {root}", hint=hint)


def _left_out_hint(left_out: Sequence[LeftOut]) -> str:
    if not left_out:
        return ""
    return f"{len(left_out)} left out, the first: {printable(left_out[0].path)}: {left_out[0].reason}"


def check_groups(dataset: Dataset, what: str) -> None:
    """Refuse a group in two splits: the held-out rows would be ones the model has all but seen."""
    if not dataset.groups:
        return
    split_of: dict[str, str] = {}
    for group, split in zip(dataset.groups, dataset.splits.tolist(), strict=True):
        if group and split_of.setdefault(group, split) != split:
            raise DataError(
                f"group '{printable(group)}' is in both {split_of[group]} and {split}",
                hint=f"keep all {what}s of one group in one split",
            )


def _training_notes(listing: Listing, classes: Sequence[str], labels: Labels) -> Iterator[str]:
    """Note empty classes, classes of one training row, imbalance, and names that are hard to tell apart."""
    labels = labels[as_splits(listing.splits) == listing.training_split]
    counts: list[int] = np.bincount(labels, minlength=len(classes)).tolist()
    filled = sorted((count, name) for name, count in zip(classes, counts, strict=True) if count)
    if empty := [name for name, count in zip(classes, counts, strict=True) if count == 0]:
        yield f"no training {listing.what} of {some_of(empty)}: it stays a class, but the model cannot learn it"
    if single := [name for name, count in zip(classes, counts, strict=True) if count == 1]:
        yield f"only one training {listing.what} of {some_of(single)}: nothing can be held out to measure it"
    if filled and filled[-1][0] > IMBALANCE * filled[0][0]:
        (fewest, rare), (most, common) = filled[0], filled[-1]
        yield (
            f"imbalanced: '{printable(common)}' has {most:,} training {listing.what}s, "
            f"'{printable(rare)}' has {fewest:,} "
            f"({most / fewest:,.0f}:1)"
        )
    alike: dict[str | float, list[str]] = {}
    for name in classes:
        alike.setdefault(_essence(name), []).append(name)
    for essence, names in alike.items():
        if len(names) > 1:
            how = "are the same number" if isinstance(essence, float) else "differ only by case or Unicode form"
            yield f"class names {_spelt(names)} {how}: one class, or {'two' if len(names) == 2 else len(names)}?"


def _left_out_notes(listing: Listing) -> Iterator[str]:
    if count := sum(item.reason in LINKS for item in listing.left_out):
        yield f"links are not followed ({count:,}); --follow-links (in Python follow_links=True) follows them"
    if masks := [item.path for item in listing.left_out if item.reason == MASK]:
        yield f"masks beside images are left out ({len(masks):,}), such as '{printable(masks[0])}'"


def _essence(name: str) -> str | float:
    """What names that a person may take for one have in common: letters of whatever case and width, or the number."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    try:
        return float(text)
    except ValueError:
        return text


def _evaluation_notes(classes: Sequence[str], labels: Labels, what: str) -> Iterator[str]:
    """Note the classes that an evaluation on these rows cannot speak of."""
    counts = np.bincount(labels, minlength=len(classes))
    if missing := [name for name, count in zip(classes, counts, strict=True) if count == 0]:
        them = "it" if len(missing) == 1 else "them"
        yield f"no {what} of {some_of(missing)}: there is nothing to measure for {them}"


def _spelt(names: Sequence[str]) -> str:
    """Show names; where they look the same (two Unicode forms), as code points."""
    if len({unicodedata.normalize("NFC", name) for name in names}) == len(names):
        return quoted(names)
    return ", ".join(ascii(name) for name in names)


def some_of(names: Sequence[str]) -> str:
    """Show at most five names, so that a note on a thousand classes stays one line."""
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ("class " if len(names) == 1 else f"{len(names):,} classes: ") + quoted(names[:5]) + more
