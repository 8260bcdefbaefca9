"""What names in a data folder tell before any image is opened: which are splits, and what topwork itself wrote."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable

from topwork._system import CHECKPOINT, PICTURE_HEAD, is_own_picture
from topwork.data._names import nearest, printable
from topwork.errors import DataError

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "eval": "val",
    "evaluation": "val",
    "test": "test",
    "testing": "test",
}
"""The usual words for a split -> the split. What is called ``eval`` is held out either way."""

_FILLERS = frozenset({"", "set", "data", "dataset", "image", "images", "img", "imgs", "split"})
_NUMBERED = re.compile(r"(.*[^\W\d_])[\s_.\-]+\d+\.\w+")
_CAMERAS = frozenset(
    {"dsc", "dscf", "dscn", "frame", "image", "img", "p", "photo", "picture", "pxl", "scan", "screenshot"}
)
_MASK = re.compile(r"(.+?)[ _.\-](?:mask|seg|segmentation|groundtruth|gt)s?(?:[ _.\-]?\d+)?", re.IGNORECASE)
_IMAGES = frozenset({"images", "image", "imgs", "img", "jpegimages"})
_COMPANIONS = frozenset({"annotations", "attributes", "devkit", "labels", "lists", "masks", "parts", "segmentations"})


def split_of(name: str) -> str:
    """The split that a name means by itself, such as ``Training`` or ``test_set``; empty where it means none.

    >>> split_of("Training"), split_of("test_set"), split_of("seg_train"), split_of("train station")
    ('train', 'test', '', '')
    """
    split, rest = _split_and_rest(name)
    return "" if rest else split


class SplitCells:
    """The splits that the rows of one table name: all of them or none."""

    def __init__(self) -> None:
        self._are_given: bool | None = None

    def named(self, cell: str, where: str) -> str:
        """The split that a row's cell means; empty where the table gives none.

        Raises:
            DataError: It means none, or some rows name a split and others do not.
        """
        name = cell.strip()
        if name and not split_of(name):
            near = nearest(name.casefold(), SPLIT_WORDS)
            raise DataError(f"{where}: split '{printable(cell)}'; nearest: {near}")
        if self._are_given is None:
            self._are_given = bool(name)
        if self._are_given != bool(name):
            raise DataError(
                f"{where}: some rows name a split and others do not", hint="fill in the column or remove it"
            )
        return split_of(name)


def splits_of(names: Iterable[str]) -> dict[str, str]:
    """The names that mean splits -> the split; a word that several of them share, as in ``seg_train``, tells nothing.

    >>> splits_of(["seg_train", "seg_test", "seg_pred"]), splits_of(["steam train", "car"])
    ({'seg_train': 'train', 'seg_test': 'test'}, {})
    """
    told = {name: _split_and_rest(name) for name in names}
    shared = Counter(rest for split, rest in told.values() if split)
    return {name: split for name, (split, rest) in told.items() if split and (not rest or shared[rest] > 1)}


def _split_and_rest(name: str) -> tuple[str, tuple[str, ...]]:
    """The one split that a name's words hold, and its other words."""
    words = [word.removesuffix("set") for word in re.split(r"[\W_]+", name.casefold())]
    found = [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]
    rest = tuple(word for word in words if word not in SPLIT_WORDS and word not in _FILLERS)
    return (found[0], rest) if len(found) == 1 else ("", rest)


def classes_of(names: Iterable[str]) -> dict[str, str]:
    """Name of each file -> its class, where they are classes with numbers, as ``Abyssinian_12.jpg`` and ``cat.3.jpg``.

    Empty where a name has no number at its end, where there is one class, and where a camera wrote the names.
    """
    found = {name: _NUMBERED.fullmatch(name) for name in names}
    labels = {name: match[1] for name, match in found.items() if match}
    counts = Counter(labels.values())
    told = len(labels) == len(found) and len(counts) > 1 and 2 * len(counts) <= len(found)
    return labels if told and not any(label.casefold() in _CAMERAS for label in counts) else {}


def without_companions(folders: list[str]) -> list[str]:
    """The folder of the images alone, where all beside it hold what was written about them, as in CUB and the pets."""
    images = [name for name in folders if name.casefold() in _IMAGES]
    rest = [name for name in folders if name not in images and name.casefold() not in _COMPANIONS]
    return images if len(images) == 1 and not rest else folders


def masks_of(names: Iterable[str]) -> dict[str, str]:
    """The masks among the images of one folder -> the image that each is beside.

    >>> masks_of(["a.jpg", "a_mask.png", "a_mask_1.png", "gas_mask.jpg"])
    {'a_mask.png': 'a.jpg', 'a_mask_1.png': 'a.jpg'}
    """
    by_stem = {os.path.splitext(name)[0]: name for name in sorted(names)}
    told = {name: _MASK.fullmatch(stem) for stem, name in by_stem.items()}
    return {name: by_stem[match[1]] for name, match in told.items() if match and match[1] in by_stem}


def is_own_output(folder: str) -> bool:
    """Tell a model's folder, its checkpoints, and a folder of pictures that ``explain`` drew, by what they hold."""
    drawn = False
    try:
        if os.path.isfile(model := os.path.join(folder, "model.json")):
            with open(model, "rb") as file:
                return b'"topwork"' in file.read()  # among the versions it was made with
        with os.scandir(folder) as entries:
            for entry in entries:
                if CHECKPOINT.fullmatch(entry.name):
                    return True
                if entry.name.startswith(".") or entry.name == "lock":
                    continue
                if not _is_drawn(entry.path):
                    return False
                drawn = True
    except OSError:
        return False
    return drawn


def _is_drawn(path: str) -> bool:
    if not path.endswith(".png"):
        return False
    with open(path, "rb") as file:
        return is_own_picture(file.read(PICTURE_HEAD))
