"""Boxes of a data set as the cases of a finding: the picture with the boxes in question drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from topwork.checking import MOST_CASES, Case, Finding, Severity, number, ranked
from topwork.data import BoxDataset
from topwork.drawing import Outline, Stroke

UNTRUE = 0.05
"""Share of all boxes that may be wrong in themselves. Above it no detector can be right on several in a hundred, and
what is measured is how wrong the boxes are."""

Places = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]


def outline(dataset: BoxDataset, box: int, stroke: Stroke = "solid") -> Outline:
    """One box of the data set, with its class beside it."""
    label = int(dataset.labels[box])
    return Outline(corners_of(dataset.corners[box]), label, dataset.classes[label], stroke)


def corners_of(box: npt.ArrayLike) -> tuple[float, float, float, float]:
    """Four numbers as an outline has them."""
    left, top, right, bottom = np.asarray(box, np.float64).tolist()
    return left, top, right, bottom


def sides_of(corners: npt.NDArray[np.floating]) -> Doubles:
    """(B, 2), width and height of each box."""
    return np.asarray(corners[:, 2:] - corners[:, :2], np.float64)


def cases_of(
    dataset: BoxDataset, groups: Sequence[Sequence[int]], scores: Doubles, describe: Callable[[int], str]
) -> tuple[Case, ...]:
    """Cases of some boxes of one image each, the largest score first.

    Args:
        dataset: What they are of.
        groups: Boxes of the data set, of each case.
        scores: One of each case.
        describe: A case in words, by its place among the groups.
    """
    rows = dataset.rows_of_boxes
    chosen = np.argsort(-scores, kind="stable")[:MOST_CASES].tolist()
    return ranked(
        Case(
            (dataset.paths[int(rows[groups[place][0]])],),
            describe(place),
            float(scores[place]),
            outlines=tuple(outline(dataset, box) for box in groups[place]),
        )
        for place in chosen
    )


def found(
    dataset: BoxDataset,
    name: str,
    severity: Severity,
    groups: Sequence[Sequence[int]],
    scores: Doubles,
    what: str,
    advice: str,
    describe: Callable[[int], str],
) -> Iterator[Finding]:
    """A finding on these boxes, or pairs of them, where there are any."""
    if len(groups):
        yield Finding(name, severity, len(groups), what, advice, cases_of(dataset, groups, scores, describe))


def boxes_of(count: int, of: int) -> str:
    """``12 of 2,002 boxes``."""
    return f"{count:,} of {number(of, 'box', 'boxes')}"


def severity(count: int, of: int) -> Severity:
    """Of so many boxes that are wrong in themselves, or images with such."""
    return "blocks" if count > UNTRUE * of else "warning"
