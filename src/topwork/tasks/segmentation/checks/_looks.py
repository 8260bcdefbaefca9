"""One look at each image with its mask: does the mask lie on the image, are objects merged, cut, or too small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.checking import Case, Check, Examined, Finding, number, ranked, worst
from topwork.data import Mask, MaskDataset, decode, pieces
from topwork.drawing import Outline
from topwork.errors import TopworkError
from topwork.tasks.segmentation._load import SIZE
from topwork.tasks.segmentation.checks._objects import TINY, Corners, corners_of, cut_pairs, far_apart, tiny
from topwork.tasks.segmentation.checks._shifts import Shift, shift_of, shift_of_all

MOST = 2_000
"""Images that are looked at, spread over the data set."""

_DRAWN = 20  # objects of an image that a case shows
_SOME = 0.05  # share of all objects, above which what is wrong with them is a warning
_MANY_SHIFTED = 0.5  # share of images that tell a shift, above which the set is shifted


@dataclass(frozen=True)
class _Facts:
    """Of one image: how its mask is shifted, how many objects it has, and which kinds of these are in doubt.

    Attributes:
        shift: None where its border is too short to tell.
        objects: How many.
        doubtful: Finding -> how many objects it is about.
        corners: Finding -> the boxes around the first of them.
    """

    shift: Shift | None
    objects: int
    doubtful: dict[str, int]
    corners: dict[str, tuple[Corners, ...]]


def masks_at(size: int) -> Check:
    """The question what is wrong with masks where images are trained at so many pixels a side."""

    def check_masks(examined: Examined) -> Iterator[Finding]:
        """Shifted masks, objects that are merged, cut apart or tiny; decodes each image and its mask."""
        dataset: MaskDataset = examined.dataset
        rows = np.flatnonzero(examined.usable)
        rows = (
            rows[np.unique(np.linspace(0, len(rows) - 1, min(MOST, len(rows))).astype(np.intp))] if len(rows) else rows
        )
        with Executor("masks") as hands:
            looked = hands.map_ordered(
                lambda row: _facts(dataset, row, size), rows.tolist(), in_flight=2 * hands.workers
            )
            found = {row: facts for row, facts in zip(rows.tolist(), looked, strict=True) if facts is not None}
        yield from _shifted(dataset, found)
        yield from _objects(dataset, found, size)

    return check_masks


check_masks = masks_at(SIZE)


def _facts(dataset: MaskDataset, row: int, size: int) -> _Facts | None:
    try:
        mask, pixels = dataset.mask(row), decode(dataset.source(row))
    except TopworkError:  # check_files and the fit say so
        return None
    shift = shift_of(pixels, mask.labels) if pixels.shape[:2] == mask.labels.shape else None
    objects = _objects_of(mask, dataset)
    told = mask.objects is not None
    pairs = cut_pairs(objects) if told else []
    numbers = {
        "merged-objects": far_apart(objects) if told else [],
        "cut-objects": [number for pair in pairs for number in pair],
        "tiny-objects": tiny(objects, size),
    }
    counts = {name: len(each) for name, each in numbers.items()} | {"cut-objects": len(pairs)}
    corners = {name: corners_of(objects, each[:_DRAWN]) for name, each in numbers.items()}
    return _Facts(shift, int((np.bincount(objects.ravel())[1:] > 0).sum()), counts, corners)


def _objects_of(mask: Mask, dataset: MaskDataset) -> npt.NDArray[np.int32]:
    """Objects as they are told apart, or the pieces of each class."""
    if mask.objects is not None:
        return mask.objects
    shown = mask.labels + 1
    shown[mask.labels < dataset.foreground.start] = 0
    return pieces(shown)[0]


def _shifted(dataset: MaskDataset, found: dict[int, _Facts]) -> Iterator[Finding]:
    told = {row: facts.shift for row, facts in found.items() if facts.shift is not None}
    whole = shift_of_all(list(told.values()))
    alone = {row: shift for row, shift in told.items() if shift.is_sure}
    if whole is None and not alone:
        return
    advice = "lay some masks over their images; check how the images were cut, made smaller or aligned"
    if whole is not None:
        down, right = whole
        rows = np.array(list(told), np.intp)
        scores = np.array([told[row].gain for row in rows.tolist()])
        yield Finding(
            "shifted-masks",
            "blocks",
            len(told),
            f"The masks fit their images better {_way(down, right)}, all {number(len(told), 'image')} together.",
            advice,
            worst(dataset, rows, scores, lambda row: _described(told[row])),
        )
        return
    rows = np.array(list(alone), np.intp)
    scores = np.array([alone[row].gain for row in rows.tolist()])
    yield Finding(
        "shifted-masks",
        "blocks" if len(alone) > _MANY_SHIFTED * len(told) else "warning",
        len(alone),
        f"{len(alone):,} of {number(len(told), 'mask')} fit their image better when they are moved.",
        advice,
        worst(dataset, rows, scores, lambda row: _described(alone[row])),
    )


def _described(shift: Shift) -> str:
    return f"edges agree {1 + shift.gain:.2f} times as well {_way(*shift.best)}"


def _way(down: int, right: int) -> str:
    across = f"{number(abs(right), 'pixel')} to the {'right' if right > 0 else 'left'}"
    return f"moved by {across} and {number(abs(down), 'pixel')} {'down' if down > 0 else 'up'}"


_DOUBTS = {
    "merged-objects": (
        "lie in pieces far apart: two objects may have one number",
        "give each object a number of its own",
    ),
    "cut-objects": (
        "touch another along a straight line: one object may have been cut in two",
        "check whether tiles were put together after they were marked, and join the halves",
    ),
    "tiny-objects": (
        f"have fewer than {TINY} pixels in a square of {{size}} × {{size}}",
        "train at a larger size or in tiles, or check that they are no specks",
    ),
}


def _objects(dataset: MaskDataset, found: dict[int, _Facts], size: int) -> Iterator[Finding]:
    total = sum(facts.objects for facts in found.values())
    for name, (what, advice) in _DOUBTS.items():
        shown = {row: facts for row, facts in found.items() if facts.doubtful[name]}
        count = sum(facts.doubtful[name] for facts in shown.values())
        if not count:
            continue
        cases = (
            Case(
                (dataset.paths[row],),
                number(facts.doubtful[name], "object"),
                float(facts.doubtful[name]),
                outlines=tuple(Outline(corners) for corners in facts.corners[name]),
            )
            for row, facts in shown.items()
        )
        yield Finding(
            name,
            "warning" if count > _SOME * total or name == "merged-objects" else "note",
            count,
            f"{count:,} of {number(total, 'object')} {what.format(size=size)}.",
            advice,
            ranked(cases),
        )
