"""The worst misses and inventions, for whoever wants to look at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from topwork._arrays import BoolArray, Float64Array, Int64Array
from topwork.metrics._detections import Detections

from ._boxes import Objects, areas, blocks, overlaps, together
from ._kinds import NAMES, NEAR, Faults
from ._matching import Matches, match_at
from ._thresholds import thresholds_of

Corners = tuple[float, float, float, float]


class Miss(NamedTuple):
    """An object that was not found.

    Attributes:
        row: Of the image.
        place: Of the object in the image.
        label: Its class.
        corners: xmin, ymin, xmax, ymax in pixels.
        score: Of the surest detection of its class that overlaps it enough, below the threshold; 0: none.
        called: The class of the surest detection shown there, where it is another; None: nothing was.
    """

    row: int
    place: int
    label: int
    corners: Corners
    score: float
    called: int | None


class Invention(NamedTuple):
    """A detection that is no object, or one that was found already.

    Attributes:
        row: Of the image.
        place: Of the detection in the image.
        label: The class that was said.
        corners: xmin, ymin, xmax, ymax in pixels.
        score: Of the detection.
        kind: Of error, as `ErrorKind` has it: ``class``, ``place``, ``both``, ``double`` or ``background``.
        meant: The place of the object whose class or place is wrong; None: there is none.
    """

    row: int
    place: int
    label: int
    corners: Corners
    score: float
    kind: str
    meant: int | None


def worst_misses(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    n_classes: int,
    thresholds: Sequence[float] | float,
    *,
    most: int = 100,
) -> tuple[Miss, ...]:
    """Objects that were not found at an overlap of 0.5, those with the lowest score first, of equal ones the largest.

    Args:
        truth: N images' objects.
        found: N images' detections, all that were found.
        n_classes: C.
        thresholds: From which score on a detection is shown: of each class, or one for all.
        most: How many to give.

    Raises:
        DataError: What `at_thresholds` refuses.
    """
    matches, shown = _shown(truth, found, n_classes, thresholds)
    missed = matches.counted[0].copy()
    missed[matches.partners[shown & matches.right[0, 0]]] = False
    scores, called = _seen(matches, missed, shown)
    there = matches.truth
    order = np.lexsort((there.places, there.rows, -areas(there.corners), scores))
    return tuple(
        Miss(
            *_box(there.rows, there.places, there.labels, there.corners, place),
            score=float(scores[place]),
            called=int(called[place]) if called[place] >= 0 else None,
        )
        for place in order[missed[order]][:most].tolist()
    )


def worst_inventions(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    n_classes: int,
    thresholds: Sequence[float] | float,
    *,
    most: int = 100,
) -> tuple[Invention, ...]:
    """Detections that are wrong at an overlap of 0.5, the surest first. The arguments are those of `worst_misses`.

    Raises:
        DataError: What `at_thresholds` refuses.
    """
    matches, shown = _shown(truth, found, n_classes, thresholds)
    faults, said = Faults.of(matches), matches.found
    order = np.lexsort((said.places, said.rows, -said.scores))
    wrong = shown & (faults.kinds >= 0)
    return tuple(
        Invention(
            *_box(said.rows, said.places, said.labels, said.corners, place),
            score=float(said.scores[place]),
            kind=NAMES[faults.kinds[place]],
            meant=int(matches.truth.places[faults.meant[place]]) if faults.meant[place] >= 0 else None,
        )
        for place in order[wrong[order]][:most].tolist()
    )


def _shown(
    truth: Sequence[Objects], found: Sequence[Detections], n_classes: int, thresholds: Sequence[float] | float
) -> tuple[Matches, BoolArray]:
    """Matches of all detections, and which (D,) are shown."""
    values = thresholds_of(thresholds, n_classes)
    matches = match_at(truth, found, n_classes, iou=NEAR)
    return matches, matches.found.scores >= values[matches.found.labels]


def _box(
    rows: Int64Array, places: Int64Array, labels: Int64Array, corners: Float64Array, place: int
) -> tuple[int, int, int, Corners]:
    low_x, low_y, high_x, high_y = corners[place].tolist()
    return int(rows[place]), int(places[place]), int(labels[place]), (low_x, low_y, high_x, high_y)


def _seen(matches: Matches, missed: BoolArray, shown: BoolArray) -> tuple[Float64Array, Int64Array]:
    """Of each missed object the best score (B,) of its class there; and the class (B,) that is shown there, or -1."""
    there, said = matches.truth, matches.found
    scores, called = np.zeros(len(missed)), np.full(len(missed), -1)
    for _, objects, mine in together(there, said, missed, np.ones(len(shown), bool)):
        for part in blocks(len(objects), len(mine)):
            own = objects[part]
            near = overlaps(said.corners[mine], there.corners[own], np.zeros(len(own), bool)).T >= NEAR
            same = there.labels[own, None] == said.labels[mine]
            scores[own] = np.where(near & same & ~shown[mine], said.scores[mine], 0).max(axis=1)
            others = np.where(near & ~same & shown[mine], said.scores[mine], -1)
            called[own] = np.where(others.max(axis=1) >= 0, said.labels[mine][others.argmax(axis=1)], -1)
    return scores, called
