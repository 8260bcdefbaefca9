"""Lists images and masks as they lie in folders: one mask an image, one for each class, or one for each object."""

from __future__ import annotations

import itertools
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from topwork.data._layout import split_of
from topwork.data._listing import look_into
from topwork.data._mask_files._held import Pages
from topwork.data._mask_files._index import Index, index_of
from topwork.data._mask_files._legend import legend_in
from topwork.data._mask_files._listing import MaskListing
from topwork.data._mask_files._pairs import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    MASK_SUFFIXES,
    Pair,
    beside,
    folders_of,
    pairs_in,
)
from topwork.data._mask_files._places import Layers, place_of
from topwork.data._mask_files._raw import pages_of
from topwork.data._mask_files._told import BACKGROUND, Legend, is_background
from topwork.data._names import printable
from topwork.data._source import refusal
from topwork.data.formats import IMAGE_SUFFIXES
from topwork.errors import DataError

Files = Mapping[str, Sequence[str]]
_GLANCE = 20  # folders by which it is told that each is of one image


def has_pairs(files: Files) -> bool:
    """Tell folders of images and masks."""
    return bool(folders_of(files))


def list_pairs(root: Path, files: Files) -> MaskListing:
    """List images and masks of the same names in two folders."""
    found = folders_of(files)
    listing = _listing(root, files, [each.masks for each in found])
    pairs = []
    for folders in found:
        here, rest = pairs_in(folders, files)
        pairs += here
        for path, reason in rest:
            listing.leave_out(path, reason)
    listing.objects = True if all(not pair.mask for pair in pairs) else None
    return _with_pairs(listing, pairs, _splits(root, files))


def has_beside(files: Files) -> bool:
    """Tell folders in which half of the images, at least, have a mask beside them."""
    for names in files.values():
        pairs = list(beside(names))
        images = sum(name.lower().endswith(tuple(IMAGE_SUFFIXES)) for name in names)
        if pairs and 4 * len(pairs) >= images:
            return True
    return False


def list_beside(root: Path, files: Files) -> MaskListing:
    """List images with ``X_mask.png`` beside ``X.png``."""
    listing = _listing(root, files, list(files))
    pairs = []
    for folder, names in files.items():
        here = list(beside(names))
        split = next((split for part in folder.split("/") if (split := split_of(part))), "")
        pairs += [Pair(posixpath.join(folder, image), posixpath.join(folder, mask), split) for image, mask in here]
        used = {name for pair in here for name in pair}
        for name in sorted(names) if here else ():
            if name not in used and name.lower().endswith(tuple(IMAGE_SUFFIXES)):
                listing.leave_out(posixpath.join(folder, name), "an image without a mask")
    return _with_pairs(listing, sorted(pairs, key=lambda pair: pair.image), _splits(root, files))


def _listing(root: Path, files: Files, folders: Sequence[str]) -> MaskListing:
    listing = MaskListing(root, printable(str(root)))
    listing.legend, name = legend_in(root, files, [*folders, *(posixpath.dirname(folder) for folder in folders)])
    if name:
        listing.notes.append(f"the classes are those of {printable(name)}")
    return listing


def _splits(root: Path, files: Files) -> Index | None:
    """What says the images' splits: a table, or the lists of Pascal VOC."""
    if index := index_of(root, files.get("", ())):
        return index
    for folder, names in files.items():
        if not f"/{folder}".endswith("ImageSets/Segmentation"):
            continue
        index = Index(folder)
        for name in ("train.txt", "val.txt", "test.txt"):
            for stem in (root / folder / name).read_text("utf-8", "replace").split() if name in names else ():
                index.rows.setdefault(stem, (split_of(name[:-4]), ""))
        return index if index.rows else None
    return None


def _with_pairs(listing: MaskListing, pairs: Sequence[Pair], index: Index | None) -> MaskListing:
    real_root, files = os.path.realpath(listing.root), list[tuple[Path, int]]()
    for pair in pairs:
        split, group = index.of(pair.image) if index else (pair.split, "")
        paths = {each: listing.root / each for each in (pair.image, pair.mask, pair.objects) if each}
        if reason := next((why for path in paths.values() if (why := refusal(str(path), real_root))), ""):
            listing.leave_out(pair.image, reason)
            continue
        mask, objects = paths.get(pair.mask), paths.get(pair.objects)
        pages = pages_of(paths[pair.image])
        of_mask = {pages_of(path) for path in (mask, objects) if path is not None} if pages > 1 else {1}
        if of_mask not in ({1}, {pages}):
            listing.leave_out(pair.image, f"a stack of {pages:,} pages, its mask has {max(of_mask):,}")
            continue
        of_pages = pages > 1 and of_mask == {pages}
        if pages > 1 and not of_pages:
            listing.notes.append(
                f"{printable(pair.image)}: a stack with one mask, which is taken to be of its first page"
            )
        for page in range(pages) if of_pages else (-1,):
            before = len(listing.paths)
            name = f"{pair.image}#{page + 1}" if of_pages else pair.image
            listing.add(name, place_of(mask, objects, page), split, group or (pair.image if of_pages else ""))
            files += [(paths[pair.image], page)] * (len(listing.paths) - before)
    if any(page >= 0 for _, page in files):
        listing.store = Pages(tuple(files))
        listing.notes.append("stacks are read page by page; the pages of one are a group")
    if index:
        listing.notes += index.notes
    return listing


def layers_in(files: Files) -> dict[str, list[str]]:
    """Folder of images -> the folders of masks that go with it, one for each class or each image."""
    found: dict[str, list[str]] = {}
    for folder, names in files.items():
        above, _, last = folder.rpartition("/")
        if last.casefold() not in IMAGE_FOLDERS or not _images(names):
            continue
        below = [
            other
            for other in files
            if (inner := other.removeprefix(f"{above}/" if above else "")).partition("/")[0].casefold() in MASK_FOLDERS
            and inner.count("/") == 1
            and (not above or other.startswith(f"{above}/"))
            and _images(files[other])
        ]
        if below:
            found[folder] = below
    return found


def _images(names: Sequence[str]) -> list[str]:
    return [name for name in names if name.lower().endswith(tuple(MASK_SUFFIXES))]


def list_layers(root: Path, files: Files) -> MaskListing:
    """List images with ``masks/CLASS/X.png`` for each class, or with ``masks/X/*.png`` for each object."""
    found = layers_in(files)
    index = _splits(root, files)
    last = {posixpath.basename(folder) for folders in found.values() for folder in folders}
    stems = {os.path.splitext(name)[0] for folder in found for name in files[folder]}
    if last and len(last & stems) * 2 > len(last):
        listing = _listing(root, {}, ())
        listing.objects = True
        for folder, below in found.items():
            of = {posixpath.basename(each): each for each in below}
            for name in files[folder]:
                masks = of.get(os.path.splitext(name)[0], "")
                _add_objects(listing, posixpath.join(folder, name), masks, files.get(masks, ()), index)
            for called in sorted(of.keys() - {os.path.splitext(name)[0] for name in files[folder]}):
                listing.leave_out(of[called], "a mask without an image")
        return listing
    listing = _listing(root, files, ())
    told = [name for name in (listing.legend.names if listing.legend else ()) if name in last]
    classes = [BACKGROUND, *(name for name in [*told, *sorted(last - set(told))] if not is_background(name))]
    listing.legend = Legend(tuple(classes), tuple(range(len(classes))))
    listing.objects = False
    for folder, below in found.items():
        layers = _by_stem(below, files, classes)
        for name in files[folder]:
            image = posixpath.join(folder, name)
            of_image = layers.pop(os.path.splitext(name)[0], ())
            split, group = index.of(image) if index else (_split_in(image), "")
            if of_image:
                paths, numbers = zip(*of_image, strict=True)
                listing.add(image, Layers(tuple(root / path for path in paths), numbers), split, group)
            else:
                listing.leave_out(image, "an image without a mask")
        for path, _ in itertools.chain(*layers.values()):
            listing.leave_out(path, "a mask without an image")
    return listing


def _by_stem(below: Sequence[str], files: Files, classes: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """Stem -> the masks of that name in the folders of classes, each with its class."""
    found: dict[str, list[tuple[str, int]]] = {}
    for folder in below:
        called = posixpath.basename(folder)
        number = 0 if is_background(called) else classes.index(called)
        for name in _images(files[folder]):
            found.setdefault(os.path.splitext(name)[0], []).append((posixpath.join(folder, name), number))
    return found


def _split_in(path: str) -> str:
    return next((split for part in path.split("/")[:-1] if (split := split_of(part))), "")


def _add_objects(listing: MaskListing, image: str, folder: str, names: Sequence[str], index: Index | None) -> None:
    split, group = index.of(image) if index else (_split_in(image), "")
    paths = tuple(listing.root / folder / name for name in sorted(_images(names)))
    if paths:
        listing.add(image, Layers(paths, tuple(range(1, len(paths) + 1))), split, group)
    else:
        listing.leave_out(image, "an image without a mask")


def has_a_folder_each(root: Path) -> str | None:
    """The folder whose folders each hold one image in ``images/`` and its objects in ``masks/``; None where none is."""
    for above in ("", *sorted(look_into(root)[0])):
        inner = sorted(look_into(root / above)[0])[:_GLANCE]
        if inner and all(_one_of(root / above / name) is not None for name in inner):
            return above
    return None


def _one_of(folder: Path) -> tuple[str, list[str]] | None:
    """The image of such a folder, and its masks; None where it is none."""
    if not {"images", "masks"} <= look_into(folder)[0]:
        return None
    images, masks = _images(look_into(folder / "images")[1]), _images(look_into(folder / "masks")[1])
    stems = {os.path.splitext(name)[0] for name in images}
    alike = {os.path.splitext(name)[0] for name in masks} & stems
    return (images[0], masks) if len(images) == 1 and masks and not alike else None


def list_a_folder_each(root: Path, above: str) -> MaskListing:
    """List ``NAME/images/NAME.png`` with ``NAME/masks/*.png``, a mask for each object."""
    listing = MaskListing(root, printable(str(root)), objects=True)
    index = index_of(root, look_into(root)[1])
    parts = [(above, "")]
    beside_it = [(name, split_of(name)) for name in sorted(look_into(root)[0]) if split_of(name)]
    for part, split in beside_it if above and split_of(above) else parts:
        for path, folder, masks in _each(root, part):
            before = len(listing.paths)
            _add_objects(listing, path, folder, masks, index)
            if len(listing.paths) > before and index is None:
                listing.splits[-1] = split
    if not listing.paths:
        raise DataError(f"no image with a mask in {listing.name}")
    return listing


def _each(root: Path, above: str) -> Iterator[tuple[str, str, list[str]]]:
    for name in sorted(look_into(root / above)[0]):
        found = _one_of(root / above / name)
        folder = posixpath.join(above, name)
        if found is not None:
            yield posixpath.join(folder, "images", found[0]), posixpath.join(folder, "masks"), found[1]
