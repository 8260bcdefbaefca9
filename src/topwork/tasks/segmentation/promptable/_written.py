"""Masks of one image on disk: a PNG each, COCO's JSON, and the image with all of them upon it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from topwork._arrays import UInt8Array
from topwork._system import fault_of_place, is_own_picture, write_whole
from topwork.data import printable
from topwork.drawing import class_colours
from topwork.errors import ModelError
from topwork.explain import write_picture
from topwork.tasks.segmentation.promptable._image import PromptableImage
from topwork.tasks.segmentation.promptable._masks import PromptedMask

_SHARE = 0.45  # of a mask's colour in the picture


def written_masks(folder: str | Path, image: PromptableImage, masks: Sequence[PromptedMask]) -> tuple[Path, ...]:
    """Write ``NAME-01.png`` and so on (255 inside), ``NAME.json`` (COCO's run lengths) and ``NAME-masks.png``.

    Masks of an earlier run on an image of this name go where this one has fewer.

    Returns:
        The paths, the picture last.

    Raises:
        ModelError: The folder cannot be written, or an annotation of the user's has the JSON's name.
        ExplainError: Something else of the user's has a picture's name.
    """
    root, stem = Path(folder), Path(image.source).stem or "image"
    height, width = image.size
    fields = {
        "image": {"file_name": printable(image.source), "width": width, "height": height},
        "annotations": [each.to_dict() for each in masks],
    }
    try:
        root.mkdir(parents=True, exist_ok=True)
        told = root / f"{stem}.json"  # beside the image others keep their annotations under this name
        if fault := fault_of_place(told, lambda head: head.startswith(b'{"image": {'), "file of topwork's"):
            raise ModelError(f"{printable(str(told))}: {fault}", hint="choose another folder with -o")
        paths = _places(root, stem, len(masks))
        _remove_earlier(root, stem, told, paths)
        for path, mask in zip(paths, masks, strict=True):
            write_picture(mask.mask.astype(np.uint8) * 255, path)
        write_whole(told, json.dumps(fields).encode())
    except OSError as error:
        raise ModelError(
            f"{printable(str(root))}: cannot be written: {error.strerror or error}",
            hint="choose a writable folder with -o",
        ) from error
    picture = write_picture(drawn(image.pixels, masks), root / f"{stem}-masks.png")
    return (*paths, told, picture)


def _remove_earlier(root: Path, stem: str, told: Path, paths: Sequence[Path]) -> None:
    """Remove masks of the run whose listing lies there, where this one has none: nobody could tell them apart.

    Only what topwork drew is removed, and only under the names that the listing speaks of.
    """
    try:
        count = len(json.loads(told.read_bytes())["annotations"])
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return
    for path in set(_places(root, stem, count)) - set(paths):
        if path.is_file() and not fault_of_place(path, is_own_picture, "picture of topwork's"):
            path.unlink()


def _places(root: Path, stem: str, count: int) -> list[Path]:
    """``NAME-01.png`` and so on, with as many digits as the last needs."""
    digits = max(2, len(str(count)))
    return [root / f"{stem}-{place:0{digits}}.png" for place in range(1, count + 1)]


def drawn(pixels: UInt8Array, masks: Sequence[PromptedMask]) -> UInt8Array:
    """The image with each mask in a colour of its own and its edge, smaller ones on top."""
    found = pixels.astype(np.float32)
    colours = class_colours(len(masks)).astype(np.float32)
    for place in np.argsort([-each.area for each in masks], kind="stable").tolist():
        inside = masks[place].mask
        found[inside] = (1 - _SHARE) * found[inside] + _SHARE * colours[place]
        inner = inside.copy()
        inner[1:] &= inside[:-1]
        inner[:-1] &= inside[1:]
        inner[:, 1:] &= inside[:, :-1]
        inner[:, :-1] &= inside[:, 1:]
        found[inside & ~inner] = colours[place]
    return np.asarray(found.clip(0, 255), np.uint8)
