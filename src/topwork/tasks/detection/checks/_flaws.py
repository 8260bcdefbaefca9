"""What the reader could not take as it stood: boxes that it corrected, or left out, each with its picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from topwork.checking import Case, Examined, Finding, ranked
from topwork.data import BoxDataset, BoxFlaw
from topwork.drawing import Outline
from topwork.tasks.detection.checks._cases import boxes_of, corners_of, severity

_TWICE = "repeated-boxes"  # what is left out of these is there all the same

# Kind of flaw -> finding, what it says of the boxes, what to do.
_KINDS = {
    "outside": (
        "outside-boxes",
        "lie outside of their image, or reach beyond it",
        "check whether the images were made smaller, cut or turned after the boxes were drawn",
    ),
    "empty": ("empty-boxes", "have no area", "draw them again, or remove them"),
    "swapped": (
        "swapped-boxes",
        "end before they begin, or have x and y swapped",
        "check the order of the four numbers; formats differ in it",
    ),
    "doubled": (_TWICE, "are there twice", "remove one of each two"),
    "unit": (
        "boxes-in-other-units",
        "are in fractions of the image where others are in pixels, or the other way round",
        "give all boxes of a file in one unit",
    ),
    "number": ("boxes-without-numbers", "are no four numbers", "look at these lines of the annotations"),
    "class": ("boxes-of-unknown-class", "are of a class that is not named", "name the class, or remove the boxes"),
    "mask": ("masks-without-boxes", "are a mask alone", "add boxes to the annotations"),
    "none": ("annotations-without-boxes", "are annotations without a box", "add a box, or remove the annotation"),
}
_OTHER = ("other-box-flaws", "could not be used as they stand", "look at them")


def check_flaws(examined: Examined) -> Iterator[Finding]:
    """Boxes that were corrected or left out when the data were read, by what is wrong with them.

    Where many of all boxes are left out, what is found where they were counts as an invention, so no figure is true.
    """
    dataset: BoxDataset = examined.dataset
    by_kind: dict[tuple[str, str, str], list[BoxFlaw]] = defaultdict(list)
    for flaw in dataset.flaws:
        by_kind[_KINDS.get(flaw.kind, _OTHER)].append(flaw)
    count = len(dataset.labels) + sum(not flaw.used for flaw in dataset.flaws)
    for (name, what, advice), flaws in by_kind.items():
        gone = sum(not flaw.used for flaw in flaws)
        untrue = severity(0 if name == _TWICE else gone, count)
        told = f"{boxes_of(len(flaws), count)} {what}: {len(flaws) - gone:,} corrected, {gone:,} left out."
        yield Finding(name, untrue, len(flaws), told, advice, ranked(_case(flaw) for flaw in flaws))


def _case(flaw: BoxFlaw) -> Case:
    """A flaw with its box as it was given, wherever that is."""
    known = flaw.box is not None and np.isfinite(flaw.box).all()
    corners = np.array(flaw.box).reshape(2, 2) if known else None
    drawn = () if corners is None else (Outline(corners_of(np.sort(corners, axis=0).ravel()), stroke="dashed"),)
    return Case((flaw.path,), flaw.detail, float(not flaw.used), outlines=drawn)
