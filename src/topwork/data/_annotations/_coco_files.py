"""Which files of a data set are COCO's, whether for their boxes or their outlines, and of which split each is."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from topwork.data._annotations._coco import coco_stem, is_coco
from topwork.data._layout import split_of

_MOST = 100  # files of JSON in a folder that are looked into: more are one for each image


def coco_place(path: Path) -> tuple[Path, str]:
    """The folder that a file of COCO's is of, and its name there: one in ``annotations`` speaks of the folder above."""
    inner = path.parent.name.casefold() in ("annotations", "annotation")
    root = path.parent.parent if inner else path.parent
    return root, path.relative_to(root).as_posix()


def coco_files(
    root: Path, files: Mapping[str, Sequence[str]], wanted: Callable[[Path], bool] = lambda path: True
) -> dict[str, str]:
    """Path of each COCO JSON -> its split, as its name or its folder's says; the training file first.

    Beside files of instances lie captions, keypoints and outlines of stuff, which are passed over.
    """
    contents = {folder: [name for name in names if name.lower().endswith(".json")] for folder, names in files.items()}
    found = [
        posixpath.join(folder, name)
        for folder, names in contents.items()
        for name in (names if len(names) <= _MOST else ())
        if is_coco(root / folder / name) and wanted(root / folder / name)
    ]
    instances = [file for file in found if posixpath.basename(file).startswith("instances_")]
    return coco_splits(instances or found)


def coco_splits(files: Sequence[str]) -> dict[str, str]:
    """Path -> the split that its name or its folder's says; the training file first, whose classes' order counts."""
    order = ("train", "", "val", "test")
    found = {file: split_of(coco_stem(file).rstrip("0123456789")) or split_of(_folder(file)) for file in files}
    return dict(sorted(found.items(), key=lambda each: order.index(each[1])))


def _folder(file: str) -> str:
    return posixpath.basename(posixpath.dirname(file))
