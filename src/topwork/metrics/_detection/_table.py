"""Which class is taken for which, what is missed, and what is invented: a table with background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import PlainSerializer, PlainValidator, ValidationInfo

from topwork._arrays import BoolArray, Int64Array, IntpArray
from topwork.metrics._detections import Detections
from topwork.metrics._evaluation import cells_of, from_cells
from topwork.metrics._values import Saved

from ._boxes import Found, Objects, Truth, blocks, checked, overlaps, together
from ._thresholds import thresholds_of


def _with_background(cells: Any, others: ValidationInfo) -> Int64Array:
    return from_cells(cells, others, more=1)


@dataclass(frozen=True, eq=False)
class ClassTable(Saved):
    """Objects by what they were called, from each class's threshold on.

    Attributes:
        classes: Class names, in index order.
        iou: The overlap from which on a detection is of an object.
        counts: (C + 1, C + 1) int64; rows are the true class, columns what was said. The last row is background, of
            which objects were invented; in the last column are objects that were missed.
    """

    classes: tuple[str, ...]
    iou: float
    counts: Annotated[Int64Array, PlainValidator(_with_background), PlainSerializer(cells_of)]

    _what = "table of classes"

    def __post_init__(self) -> None:
        size = len(self.classes) + 1
        if self.counts.shape != (size, size) or self.counts[-1, -1]:
            raise ValueError(f"counts must be ({size}, {size}), and none of background called so")


def class_table(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    classes: Sequence[str],
    thresholds: Sequence[float] | float,
    *,
    iou: float = 0.5,
) -> ClassTable:
    """Pair what is there with what is shown, and count the pairs by class.

    In each image the pairs that overlap enough are taken one after another, those of one class first, then those that
    overlap most; each object and each detection once (as supervision's ``ConfusionMatrix`` does). So a right detection
    is in its place whatever else overlaps it. Objects in crowds are not counted, nor what is left over there.

    Args:
        truth: N images' objects.
        found: N images' detections.
        classes: C names.
        thresholds: From which score on a detection is shown: of each class, or one for all.
        iou: From which overlap on a detection is of an object.

    Raises:
        DataError: What `at_thresholds` refuses.
    """
    there, said = checked(truth, found, len(classes))
    said = said.at(said.scores >= thresholds_of(thresholds, len(classes))[said.labels])
    objects, detections = _pairs(there, said, iou)
    row, column = np.full(len(said.rows), len(classes)), np.full(len(there.rows), len(classes))
    row[detections], column[objects] = there.labels[objects], said.labels[detections]
    counts = np.zeros((len(classes) + 1,) * 2, np.int64)
    np.add.at(counts, (there.labels[~there.crowd], column[~there.crowd]), 1)
    invented = (row == len(classes)) & ~_in_crowds(there, said, iou)
    np.add.at(counts, (row[invented], said.labels[invented]), 1)
    return ClassTable(tuple(classes), iou, counts)


def _pairs(there: Truth, said: Found, iou: float) -> tuple[IntpArray, IntpArray]:
    """Places of the objects and detections that are paired."""
    taken, used, pairs = np.zeros(len(there.rows), bool), np.zeros(len(said.rows), bool), []
    for _, objects, mine in together(there, said, ~there.crowd, np.ones(len(said.rows), bool)):
        for first, second in _ordered(there, said, objects, mine, iou):
            if not (taken[first] or used[second]):
                taken[first] = used[second] = True
                pairs.append((first, second))
    found = np.array(pairs, np.intp).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _ordered(there: Truth, said: Found, objects: IntpArray, mine: IntpArray, iou: float) -> list[tuple[int, int]]:
    """Pairs of one image that overlap enough, in the order in which they are taken; of equal ones the surer first."""
    parts = []
    for part in blocks(len(mine), len(objects)):
        near = overlaps(said.corners[mine[part]], there.corners[objects], np.zeros(len(objects), bool))
        rows, columns = np.nonzero(near >= iou)
        parts.append((objects[columns], mine[part][rows], near[rows, columns]))
    first, second, near = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.lexsort((-said.scores[second], -near, there.labels[first] != said.labels[second]))
    return list(zip(first[order].tolist(), second[order].tolist(), strict=True))


def _in_crowds(there: Truth, said: Found, iou: float) -> BoolArray:
    """(D,) detections in a crowd of their class."""
    inside = np.zeros(len(said.rows), bool)
    for _, crowds, mine in together(there, said, there.crowd, ~inside):
        for part in blocks(len(mine), len(crowds)):
            near = overlaps(said.corners[mine[part]], there.corners[crowds], np.ones(len(crowds), bool))
            same = said.labels[mine[part], None] == there.labels[crowds]
            inside[mine[part]] = ((near >= iou) & same).any(axis=1)
    return inside
