"""The data doctor's findings as a page, each with pictures of the images that it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork.checking import Checkup
from topwork.report._findings import shown_findings
from topwork.report._page import brief, render
from topwork.report._pictures import Album
from topwork.report._texts import Texts

MOST_CLASSES = 200  # rows of the table


@dataclass(frozen=True, slots=True)
class _ClassRow:
    """A row of the table of classes: usable images in each split, in all, and those that cannot be used."""

    name: str
    splits: tuple[int, ...]
    usable: int
    unusable: int


def checkup_page(checkup: Checkup) -> str:
    """Show what the data doctor found as one HTML page, with pictures of what it found it in.

    The page needs nothing else: pictures and style lie in it, it has no scripts and makes no requests. It holds the
    first twelve cases of each finding and stays below 5 MB. Images are read again from where the data set has them.

    Args:
        checkup: What ``check`` or ``vet`` gave.

    Returns:
        The page; ``write_page`` writes it. The same checkup gives the same page.

    Example:
        >>> write_page(checkup_page(check(read("photos"))), "photos.html")  # doctest: +SKIP
    """
    rows, total = _class_rows(checkup)
    return render(
        "checkup.html",
        name=brief(str(checkup.dataset.root)),
        checkup=checkup,
        t=Texts("en"),
        findings=shown_findings(checkup.findings, checkup, Album(checkup.dataset, checkup.unusable)),
        obstacles=tuple(_obstacles(checkup)),
        blocking=checkup.blocking(),
        splits=_splits(checkup),
        classes=rows[:MOST_CLASSES],
        more_classes=_sum("", rows[MOST_CLASSES:]),
        more_count=max(len(rows) - MOST_CLASSES, 0),
        total=total,
        largest=max((row.usable for row in rows), default=0) or 1,
    )


def _obstacles(checkup: Checkup) -> Iterator[str]:
    """Why ``fit`` would stop although no finding blocks: it needs two classes to learn and something to measure."""
    dataset, usable = checkup.dataset, _usable(checkup)
    training = usable & (dataset.splits == "train") if (dataset.splits == "train").any() else usable
    if len(np.unique(dataset.labels[training])) < 2:
        yield "fewer than two classes have a training image that can be used"
    held_out = dataset.held_out_split
    if held_out and not (usable & (dataset.splits == held_out)).any():
        yield f"no image that is to measure the model ({held_out}) can be used"


def _usable(checkup: Checkup) -> npt.NDArray[np.bool_]:
    """(N,), which images can be decoded."""
    usable = np.ones(len(checkup.dataset), dtype=bool)
    usable[list(checkup.unusable)] = False
    return usable


def _splits(checkup: Checkup) -> tuple[str, ...]:
    """The parts that the data set has; none where it is not split."""
    return tuple(name for name in ("train", "val", "test") if (checkup.dataset.splits == name).any())


def _class_rows(checkup: Checkup) -> tuple[list[_ClassRow], _ClassRow]:
    """A row for each class in order, and their sum."""
    dataset, usable = checkup.dataset, _usable(checkup)
    masks = [usable, ~usable, *(usable & (dataset.splits == split) for split in _splits(checkup))]
    counts = [np.bincount(dataset.labels[mask], minlength=len(dataset.classes)).tolist() for mask in masks]
    rows = [
        _ClassRow(name, tuple(in_parts), good, bad)
        for name, good, bad, *in_parts in zip(dataset.classes, *counts, strict=True)
    ]
    return rows, _sum("all", rows)


def _sum(name: str, rows: Sequence[_ClassRow]) -> _ClassRow:
    splits = tuple(sum(column) for column in zip(*(row.splits for row in rows), strict=True))
    return _ClassRow(name, splits, sum(row.usable for row in rows), sum(row.unusable for row in rows))
