"""What a reader of masks found, and the data set that is made of it: the common ground of all readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from topwork.data._dataset import as_splits
from topwork.data._listing import check_groups, class_texts, some_of
from topwork.data._marked import MarkedListing
from topwork.data._mask_files._look import Look, Unusable, look_at_all
from topwork.data._mask_files._meaning import Counted, Meaning, counted
from topwork.data._mask_files._places import MaskPlace
from topwork.data._mask_files._store import MaskFiles
from topwork.data._mask_files._told import Legend, told
from topwork.data._masks import UNLABELLED, MaskDataset, MaskFlaw
from topwork.data._names import not_known, printable, quoted
from topwork.data._source import content_key
from topwork.errors import DataError


@dataclass
class MaskListing(MarkedListing):
    """The images and masks that a reader found.

    ``legend`` is what the data say of values; ``objects`` whether they are said to be objects, None where nothing is
    said.
    """

    legend: Legend | None = None
    objects: bool | None = None
    places: list[MaskPlace] = field(default_factory=list)
    flaws: list[MaskFlaw] = field(default_factory=list)

    def add(self, path: str, place: MaskPlace, split: str = "", group: str = "") -> None:
        """Add an image with its mask; one that is there already is listed."""
        if path in self.row_of:
            self.flaws.append(MaskFlaw(path, "twice", "the image is listed twice, with two masks; the first is used"))
            return
        self.row_of[path] = len(self.paths)
        self.paths.append(path)
        self.splits.append(split)
        self.groups.append(group)
        self.places.append(place)


def assembled_masks(listing: MaskListing, classes: Sequence[str] | None = None) -> MaskDataset:
    """Look at every mask, tell what they mean, and make the data set of it.

    Raises:
        DataError: There is no image with a mask that can be used, or a class that a saved model does not know.
    """
    if not listing.paths:
        raise DataError(f"no image with a mask in {listing.name}", hint=_first_left_out(listing))
    looks = list(look_at_all(listing.sources().sources(), listing.places))
    usable = [look for look in looks if isinstance(look, Look)]
    if not usable:
        _list_unusable(listing, looks)
        raise DataError(f"no mask in {listing.name} can be used", hint=_first_left_out(listing))
    meaning = told(usable, _known(listing, usable, classes), listing.objects)
    meaning = _named_as_text(meaning, listing)
    meaning = meaning if classes is None else _in_order(meaning, classes)
    listing.notes += meaning.notes
    found = [counted(meaning, look) if isinstance(look, Look) else look for look in looks]
    found = [_recounted(listing, meaning, row, each, looks[row]) for row, each in enumerate(found)]
    _list_unusable(listing, found)
    kept = np.array([row for row, each in enumerate(found) if isinstance(each, Counted)], np.intp)
    if not len(kept):
        raise DataError(f"no mask in {listing.name} can be used", hint=_first_left_out(listing))
    for row in kept.tolist():
        each = found[row]
        assert isinstance(each, Counted)
        listing.flaws += [MaskFlaw(listing.paths[row], *flaw) for flaw in each.flaws]
    dataset = _dataset(listing, meaning, looks, found, kept)
    check_groups(dataset, dataset.thing)
    return _told_of(dataset)


def _known(listing: MaskListing, looks: Sequence[Look], classes: Sequence[str] | None) -> Legend | None:
    """The legend, or a saved model's classes by their places where the data name none."""
    if listing.legend is not None or classes is None or any(look.colours for look in looks):
        return listing.legend
    plain = told(looks, None, listing.objects)
    return None if set(plain.classes) <= set(classes) else Legend(tuple(classes))


def _recounted(
    listing: MaskListing, meaning: Meaning, row: int, each: Counted | Unusable, look: Look | Unusable
) -> Counted | Unusable:
    """What a count says in the end: of masks with too many colours to keep, from the mask; no label, no use."""
    if isinstance(each, Unusable) or isinstance(look, Unusable):
        return each
    if not look.whole:
        labels = meaning.mask(listing.places[row].load()).labels
        pixels = np.bincount(np.where(labels == UNLABELLED, len(meaning.classes), labels).ravel())
        pixels = np.pad(pixels, (0, len(meaning.classes) + 1 - len(pixels))).astype(np.int64)
        each = replace(each, pixels=pixels)
    if not each.pixels[:-1].any():
        return Unusable("unlabelled", each.flaws[-1][1] if each.flaws else "no pixel of it is labelled")
    return each


def _list_unusable(listing: MaskListing, found: Sequence[object]) -> None:
    """An image that cannot be decoded is left out; one whose mask is of no use is so too, and the mask is a flaw."""
    for row, each in enumerate(found):
        if isinstance(each, Unusable):
            path = listing.paths[row]
            listing.leave_out(path, f"its mask cannot be used: {each.reason}" if each.kind else each.reason)
            if each.kind:
                listing.flaws.append(MaskFlaw(path, each.kind, each.reason))


def _dataset(
    listing: MaskListing,
    meaning: Meaning,
    looks: Sequence[Look | Unusable],
    found: Sequence[Counted | Unusable],
    kept: npt.NDArray[np.intp],
) -> MaskDataset:
    rows = kept.tolist()
    seen = [look for row in rows if isinstance(look := looks[row], Look)]
    counts = [each for row in rows if isinstance(each := found[row], Counted)]
    store = MaskFiles(
        tuple(listing.places[row] for row in rows),
        tuple(listing.paths[row] for row in rows),
        np.array([look.turn for look in seen], np.uint8),
        np.array([look.shown for look in seen], np.int32),
        _bytes_of([look.key for look in seen]),
        meaning,
    )
    return MaskDataset(
        root=listing.root,
        paths=store.paths,
        splits=as_splits(listing.splits[row] for row in rows),
        left_out=tuple(sorted(listing.left_out, key=lambda item: item.path)),
        ignored=listing.ignored,
        notes=(*listing.notes, *_notes(listing, seen)),
        groups=tuple(listing.groups[row] for row in rows) if any(listing.groups) else (),
        store=listing.store,
        keys=kept.astype(np.int64) if listing.store is not None else np.zeros(0, np.int64),
        masks=store,
        mask_keys=np.arange(len(rows)),
        pixels=np.array([each.pixels for each in counts], np.int64),
        objects=np.array([each.objects for each in counts], np.int32),
        digests=_bytes_of([content_key(look.content + meaning.stamp) for look in seen]),
        sizes=store.sizes,
        classes=meaning.classes,
        has_background=meaning.has_background,
        flaws=tuple(listing.flaws),
    )


def _bytes_of(keys: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(b"".join(key.ljust(16, b"\0") for key in keys), np.uint8).reshape(-1, 16)


def _first_left_out(listing: MaskListing) -> str:
    if not listing.left_out:
        return "check that each mask is called as its image is: images/a.png and masks/a.png"
    first = listing.left_out[0]
    return f"{len(listing.left_out):,} left out, the first: {printable(first.path)}: {first.reason}"


def _named_as_text(meaning: Meaning, listing: MaskListing) -> Meaning:
    """With class names as text, and none that is empty."""
    texts, notes = class_texts(set(meaning.classes), listing.name)
    listing.notes += notes
    names = tuple(texts.get(name, name) for name in meaning.classes)
    if empty := [name for name in names if not name.strip() or "\0" in name]:
        raise DataError(f"{listing.name}: a class name is empty or holds a NUL: {quoted(empty[:1])}")
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(f"{listing.name}: two classes have one name: {quoted(twice)}", hint="name each once")
    return replace(meaning, classes=names)


def _in_order(meaning: Meaning, classes: Sequence[str]) -> Meaning:
    """The same meaning with a saved model's classes in their order.

    Raises:
        DataError: A class is not among them.
    """
    known = tuple(classes)
    if meaning.kind == "objects" and len(known) == 2 and meaning.classes[1] not in known:
        return replace(meaning, classes=known, object_class=1)
    if unknown := [name for name in meaning.classes if name not in known]:
        raise DataError(
            not_known(unknown, known),
            hint="give the masks' classes the model's names in classes.txt, beside the images",
        )
    places = np.array([known.index(name) for name in meaning.classes], np.int32)
    moved = np.where(meaning.places == UNLABELLED, UNLABELLED, places[meaning.places]) if len(meaning.places) else None
    return replace(
        meaning,
        classes=known,
        places=meaning.places if moved is None else moved.astype(np.int32),
        object_class=int(places[min(meaning.object_class, len(places) - 1)]),
        has_background=meaning.has_background and bool(places[0] == 0),
    )


_KINDS = {
    "blurred": "colours between those of the classes",
    "class": "annotations of a class that is not named",
    "index": "values that no class has",
    "none": "annotations without an outline",
    "overlap": "pixels of two at once",
    "pieces": "objects in several pieces",
    "size": "another size than their image",
    "turned": "turned against their image",
    "twice": "the image has another mask",
    "unlabelled": "nothing that is labelled",
    "unreadable": "files that cannot be read",
}
"""What the kinds of flaws are called in a note."""


def _notes(listing: MaskListing, looks: Sequence[Look]) -> Iterator[str]:
    if count := sum(look.silent for look in looks):
        few = "1 image is turned by EXIF; its mask is"
        counted_images = few if count == 1 else f"{count:,} images are turned by EXIF; their masks are"
        yield f"{counted_images} taken to be of the image as shown"
    masks = {(flaw.used, flaw.kind, flaw.path) for flaw in listing.flaws}
    for (used, kind), count in sorted(Counter(each[:2] for each in masks).items()):
        some = "1 mask was" if count == 1 else f"{count:,} masks were"
        yield f"{some} {'corrected' if used else 'left out'}: {_KINDS.get(kind, kind)}"


def _told_of(dataset: MaskDataset) -> MaskDataset:
    """With a note on classes that no training mask shows."""
    training = dataset.split("train") if (dataset.splits != "").any() else dataset
    if (dataset.splits != "").any() and not len(training):
        return dataset
    counts = training.class_counts()
    missing = [name for name, count in zip(dataset.classes, counts, strict=True) if not count]
    if not missing:
        return dataset
    learnt = "it cannot be learnt" if len(missing) == 1 else "they cannot be learnt"
    return replace(dataset, notes=(*dataset.notes, f"no training mask shows {some_of(missing)}: {learnt}"))
