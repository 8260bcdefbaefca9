"""Images and masks of the same names: in two folders, or beside each other."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from topwork.data._layout import split_of
from topwork.data.formats import IMAGE_SUFFIXES

IMAGE_FOLDERS = (
    "images",
    "image",
    "imgs",
    "img",
    "jpegimages",
    "leftimg8bit",
    "original",
    "raw",
    "x",
    "input",
    "inputs",
)
MASK_FOLDERS = (
    *("masks", "mask", "labels", "label", "annotations", "annotation", "segmentations", "segmentation"),
    *("segmentationclass", "segmentationclassraw", "gt", "groundtruth", "ground_truth", "gtfine", "trimaps", "targets"),
    *("labelimages", "label_images", "seg", "segs", "y", "마스크"),
)
OBJECT_FOLDERS = ("segmentationobject", "instances", "instance", "objects", "instancemasks", "instance_masks")
MASK_SUFFIXES = (*IMAGE_SUFFIXES, ".npy")
_ENDS = re.compile(
    r"(?:[ _.\-]*(?:mask|masks|seg|segmentation|groundtruth|gt|label|labels|labelids|gtfine_labelids|annotation)"
    r"|[ _.\-]+l)$",  # CamVid's; without the dash, "cell" would be the mask of "cel"
    re.I,
)
_IMAGE_ENDS = re.compile(r"[ _.\-]*(?:image|img|leftimg8bit|raw|sat|rgb)$", re.I)


@dataclass(frozen=True)
class Pair:
    """An image and its mask, as paths from the root; ``objects`` where another file tells objects apart."""

    image: str
    mask: str
    split: str = ""
    objects: str = ""


@dataclass(frozen=True)
class Folders:
    """A folder of images, those of masks that go with it, and their split."""

    images: str
    masks: str
    objects: str
    split: str


def folders_of(files: Mapping[str, Sequence[str]]) -> list[Folders]:
    """The folders of images and masks among these; each pair has one parent, or one split's name below either."""
    found = []
    for folder in files:
        if (kind := _kind(folder)) is None or kind[0] != "images" or not _has(files[folder], IMAGE_SUFFIXES):
            continue
        rest, split = kind[1], kind[2]
        same = [
            (other, of[0])
            for other in files
            if (of := _kind(other)) is not None and of[1:] == (rest, split) and of[0] != "images"
        ]
        masks = [other for other, what in same if what == "masks" and _has(files[other], MASK_SUFFIXES)]
        objects = [other for other, what in same if what == "objects" and _has(files[other], MASK_SUFFIXES)]
        if masks or objects:
            found.append(Folders(folder, (masks or [""])[0], (objects or [""])[0], split))
    return found


def _has(names: Iterable[str], suffixes: Iterable[str]) -> bool:
    known = tuple(suffixes)
    return any(name.lower().endswith(known) for name in names)


def _kind(folder: str) -> tuple[str, str, str] | None:
    """Whether a folder is of ``images``, ``masks`` or ``objects``, what else its path says, and its split."""
    parts = [part for part in folder.split("/") if part]
    for at in reversed(range(len(parts))):
        name = parts[at].casefold()
        split = next((found for part in parts if (found := split_of(part)) and part.casefold() not in MASK_FOLDERS), "")
        stem, _, end = name.partition("_")
        if stem in ("train", "val", "test", "training", "validation", "trn", "tst") and end:
            name = end  # train_images beside train_masks
            split = split_of(stem)
        elif "_" in name and split_of(name.rpartition("_")[2]) and name.rpartition("_")[0]:
            name, _, last = name.rpartition("_")
            split = split_of(last)
        for what, known in (("images", IMAGE_FOLDERS), ("masks", MASK_FOLDERS), ("objects", OBJECT_FOLDERS)):
            if name in known:
                rest = "/".join(part for place, part in enumerate(parts) if place != at)
                return what, rest, split
    return None


def pairs_in(folders: Folders, files: Mapping[str, Sequence[str]]) -> tuple[list[Pair], list[tuple[str, str]]]:
    """Images with their masks, and what has no other half: path and why."""
    images = [name for name in files[folders.images] if name.lower().endswith(tuple(IMAGE_SUFFIXES))]
    masks = _by_stem(files.get(folders.masks, ()) if folders.masks else ())
    objects = _by_stem(files.get(folders.objects, ()) if folders.objects else ())
    pairs, rest, used = [], [], set()
    for name in images:
        path = posixpath.join(folders.images, name)
        stem = next((each for each in _stems(name, _IMAGE_ENDS) if each in masks or each in objects), None)
        if stem is None:
            rest.append((path, "an image without a mask"))
            continue
        used.add(stem)
        mask = posixpath.join(folders.masks, masks[stem]) if stem in masks else ""
        told = posixpath.join(folders.objects, objects[stem]) if stem in objects else ""
        pairs.append(Pair(path, mask, folders.split, told))
    where = folders.masks or folders.objects
    alone = ((stem, name) for stem, name in (masks or objects).items() if stem not in used)
    whole = {name for stem, name in (masks or objects).items() if stem in used}
    rest += sorted({(posixpath.join(where, name), "a mask without an image") for _, name in alone if name not in whole})
    return pairs, rest


def _by_stem(names: Iterable[str]) -> dict[str, str]:
    """Stem, and stem without what says that it is a mask -> name; the whole stem wins, and so does PNG over others."""
    known = [name for name in sorted(names) if name.lower().endswith(tuple(MASK_SUFFIXES))]
    found: dict[str, str] = {}
    for name in known:
        found.setdefault(_stems(name, _ENDS)[-1], name)
    order = sorted(known, key=lambda name: name.lower().endswith((".png", ".tif", ".tiff", ".npy")))
    return found | {os.path.splitext(name)[0]: name for name in order}


def _stems(name: str, ends: re.Pattern[str]) -> list[str]:
    stem = os.path.splitext(name)[0]
    short = ends.sub("", stem)
    return [stem, short] if short and short != stem else [stem]


def beside(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Images of one folder with the mask beside each: ``X.png`` and ``X_mask.png``."""
    by_stem = {os.path.splitext(name)[0]: name for name in names if name.lower().endswith(tuple(MASK_SUFFIXES))}
    for stem, name in by_stem.items():
        short = _ENDS.sub("", stem)
        if short != stem and short in by_stem and by_stem[short].lower().endswith(tuple(IMAGE_SUFFIXES)):
            yield by_stem[short], name
