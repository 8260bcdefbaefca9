"""What annotations tell, as columns, and the data set that is made of it: the common ground of their readers."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.data._annotations._checks import Images, checked
from topwork.data._boxes import BoxDataset, BoxFlaw
from topwork.data._dataset import LeftOut, as_splits
from topwork.data._image_size import Header, header_of
from topwork.data._listing import check_groups, class_texts, some_of
from topwork.data._marked import MarkedListing
from topwork.data._names import not_known, printable, quoted
from topwork.data._source import try_source
from topwork.errors import DataError

_AT_ONCE = 64  # headers that a thread reads one after another


@dataclass
class BoxListing(MarkedListing):
    """The images and boxes that annotations name; a million boxes are 50 MB.

    ``order`` is the classes' order where the data declare one, with those that have no box. ``sides`` says that a box
    was given as a corner and its sides, so that a negative side is no exchange of corners; ``shares`` that numbers are
    shares of the image; ``either`` that it is not known whether they are corners, or a corner and sides. ``nameless``
    holds the labels that are no class, and why.
    """

    sides: bool = False
    shares: bool = False
    either: bool = False
    order: tuple[str, ...] = ()
    flaws: list[BoxFlaw] = field(default_factory=list)
    polygons: int = 0
    told: array[int] = field(default_factory=lambda: array("q"))
    rows: array[int] = field(default_factory=lambda: array("q"))
    labels: array[int] = field(default_factory=lambda: array("q"))
    corners: array[float] = field(default_factory=lambda: array("d"))
    crowd: bytearray = field(default_factory=bytearray)
    names: dict[str, int] = field(default_factory=dict)
    nameless: dict[int, str] = field(default_factory=dict)
    excluded: Counter[int] = field(default_factory=Counter)

    def add_image(self, path: str, split: str, size: tuple[int, int] = (0, 0), group: str = "") -> int:
        """Add an image, or find it where it was added, and give its row.

        Args:
            path: Its name.
            split: One of ``SPLITS``.
            size: Height and width that the annotation tells, 0 where it tells none.
            group: What must stay together with it.

        Raises:
            DataError: It was added to another split.
        """
        row = self.row_of.setdefault(path, len(self.paths))
        if row == len(self.paths):
            self.paths.append(path)
            self.splits.append(split)
            self.groups.append(group)
            self.told.extend(size)
        elif self.splits[row] != split:
            raise DataError(
                f"'{printable(path)}' is in both {self.splits[row] or 'no split'} and {split or 'no split'}",
                hint="keep each image in one split",
            )
        return row

    def add_box(self, row: int, name: str, corners: Sequence[Any], *, crowd: bool = False) -> None:
        """Add a box of an image; ``corners`` are ``xmin, ymin, xmax, ymax``, and may be anything."""
        try:
            xmin, ymin, xmax, ymax = map(float, corners)
        except (TypeError, ValueError, OverflowError):
            self.exclude(row, "number", "its corners are not four numbers")
            return
        self.rows.append(row)
        self.labels.append(self.names.setdefault(name, len(self.names)))
        self.corners.extend((xmin, ymin, xmax, ymax))
        self.crowd.append(crowd)

    def exclude(self, row: int, kind: str, detail: str) -> None:
        """List a box that has no corners or no class."""
        self.excluded[row] += 1
        self.flaws.append(BoxFlaw(self.paths[row], kind, detail))


def assembled_boxes(listing: BoxListing, classes: Sequence[str] | None = None) -> BoxDataset:
    """Check what a reader found, look at each image's header, and make the data set of it.

    Raises:
        DataError: There is no image or no box that can be used, or a class that a saved model does not know.
    """
    if not listing.paths:
        raise DataError(f"no image with annotations in {listing.name}", hint=_first_left_out(listing))
    names, notes = _classes(listing, classes)
    images, reasons = _images(listing)
    found = checked(images, listing)
    lost = {row: reason for row, reason in enumerate(reasons) if reason} | found.lost
    kept = np.array([row for row in range(len(listing.paths)) if row not in lost], np.intp)
    listing.left_out += [LeftOut(listing.paths[row], reason) for row, reason in lost.items()]
    of_kept = ~np.isin(found.rows, list(lost))
    if not of_kept.any():
        raise DataError(f"no box in {listing.name} can be used", hint=_first_left_out(listing, found.flaws))
    dataset = BoxDataset(
        root=listing.root,
        paths=tuple(listing.paths),
        splits=as_splits(listing.splits),
        left_out=tuple(sorted(listing.left_out, key=lambda item: item.path)),
        ignored=listing.ignored,
        notes=(*listing.notes, *notes, *found.notes, *_notes(listing, found.flaws)),
        groups=tuple(listing.groups) if any(listing.groups) else (),
        store=listing.store,
        keys=listing.sources().keys,
        corners=found.corners[of_kept],
        labels=found.labels[of_kept],
        crowd=found.crowd[of_kept],
        counts=np.bincount(found.rows[of_kept], minlength=len(listing.paths)).astype(np.int32),
        sizes=images.shown,
        classes=names,
        flaws=tuple(found.flaws),
    )
    check_groups(dataset, dataset.thing)
    return _told_of(dataset if len(kept) == len(dataset) else _selected(dataset, kept))


def _selected(dataset: BoxDataset, kept: npt.NDArray[np.intp]) -> BoxDataset:
    """The rows that stay, with the flaws of all: what is wrong with an image's boxes may be why it is left out."""
    return replace(dataset.select(kept), flaws=dataset.flaws)


def _first_left_out(listing: BoxListing, flaws: Sequence[BoxFlaw] = ()) -> str:
    lost = [(flaw.path, flaw.detail) for flaw in flaws if not flaw.used]
    if not (lost := lost or [(item.path, item.reason) for item in listing.left_out]):
        missing = "name a box" if listing.paths else "name the images that lie beside them"
        return f"check that the annotations {missing}"
    path, reason = lost[0]
    return f"{len(lost):,} left out, the first: {printable(path)}: {reason}"


def _images(listing: BoxListing) -> tuple[Images, list[str]]:
    """What the headers of all images say, and why one cannot be used, which is empty where it can."""
    sources = listing.sources().sources()
    with Executor("headers") as hands:
        found = list(
            hands.map_ordered(
                lambda row: try_source(sources, row, header_of),
                range(len(sources)),
                in_flight=16 * _AT_ONCE * hands.workers,
                chunk=_AT_ONCE,
            )
        )
    headers = [head if isinstance(head, Header) else Header(1, 1) for head in found]
    images = Images(
        np.array([(head.height, head.width) for head in headers], np.int32),
        np.array([head.shown for head in headers], np.int32),
        np.array([head.orientation for head in headers], np.int64),
        np.array(listing.told, np.int64).reshape(-1, 2),
    )
    return images, ["" if isinstance(head, Header) else head for head in found]


def _classes(listing: BoxListing, classes: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
    """The classes, and what there is to note; the listing's labels become places among them, -1 and less for none."""
    named = [name for name, label in listing.names.items() if label not in listing.nameless]
    told, notes = class_texts({*listing.order, *named}.difference(classes or ()), listing.name)
    seen = [told.get(name, name) for name in named]
    declared = [told.get(name, name) for name in listing.order]
    if empty := [name for name in (*seen, *declared) if not name.strip() or "\0" in name]:
        raise DataError(f"{listing.name}: a class name is empty or holds a NUL: {quoted(empty[:1])}")
    if classes is not None and (unknown := sorted(set(seen).difference(classes))):
        raise DataError(
            not_known(unknown, classes),
            hint="rename it in the annotations to the model's name for it, or leave its boxes out",
        )
    names = tuple(classes or dict.fromkeys((*declared, *sorted(set(seen).difference(declared)))))
    places = -1 - np.arange(len(listing.names))
    for name, text in zip(named, seen, strict=True):
        places[listing.names[name]] = names.index(text)
    listing.labels = array("q", places[np.array(listing.labels, np.int64)].tolist())
    return names, notes


def _notes(listing: BoxListing, flaws: Sequence[BoxFlaw]) -> Iterator[str]:
    if listing.polygons:
        few = "1 box is that around a polygon, which came without a box"
        many = f"{listing.polygons:,} boxes are those around polygons, which came without a box"
        yield few if listing.polygons == 1 else many
    counts = Counter((flaw.kind, flaw.used) for flaw in flaws)
    for (kind, used), count in sorted(counts.items()):
        counted = "1 box was" if count == 1 else f"{count:,} boxes were"
        yield f"{counted} {'corrected' if used else 'left out'}: {_KINDS[kind]}"


_KINDS = {
    "class": "of a class without a name",
    "doubled": "the same twice in one image",
    "empty": "without area",
    "mask": "an encoded mask alone",
    "none": "an annotation without a box",
    "number": "corners that are no numbers",
    "outside": "outside its image",
    "swapped": "corners in the wrong order",
    "unit": "in another unit than the others",
}
"""What the kinds of flaws are called in a note."""


def _told_of(dataset: BoxDataset) -> BoxDataset:
    """With a note on classes that no training box shows."""
    training = dataset.split("train") if (dataset.splits != "").any() else dataset
    if (dataset.splits != "").any() and not len(training):
        return dataset
    missing = [name for name, count in zip(dataset.classes, training.class_counts(), strict=True) if not count]
    if not missing:
        return dataset
    learnt = "it cannot be learnt" if len(missing) == 1 else "they cannot be learnt"
    note = f"no training box of {some_of(missing)}: {learnt}"
    return replace(dataset, notes=(*dataset.notes, note))
