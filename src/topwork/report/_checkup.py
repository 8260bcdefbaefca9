"""The data doctor's findings as a page, each with pictures of the images that it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork.checking import Case, Checkup, Finding
from topwork.data import printable
from topwork.report._page import brief, render
from topwork.report._pictures import Album, Picture, rows_of

MOST_CASES = 12  # of a finding, the worst first
MOST_FILES = 4  # of a case: two copies say as much as twenty
MOST_CLASSES = 200  # rows of the table

_MEANING = (
    ("blocks", "a model's figures would be untrue, so fit stops"),
    ("warning", "may spoil a model"),
    ("note", "good to know"),
)


@dataclass(frozen=True, slots=True)
class _ShownCase:
    """A case with its pictures.

    Attributes:
        case: As the doctor gave it.
        pictures: Of its files that are in the data set, the first ones.
        names: Of its files that are not: they were left out when it was read.
        more: Whether it has files that are not shown.
    """

    case: Case
    pictures: tuple[Picture, ...]
    names: tuple[str, ...]
    more: bool

    @property
    def suspected(self) -> bool:
        """Whether it is about the label of one image; such a score is the probability that the label is wrong."""
        return len(self.case.paths) == 1 and bool(self.case.likely)

    @property
    def detail(self) -> str:
        """What the case says and the pictures do not: given and likely label, or a stand-in's reason, are there."""
        told = self.suspected or any(self.case.detail == printable(picture.reason) for picture in self.pictures)
        return "" if told else self.case.detail


@dataclass(frozen=True, slots=True)
class _ShownFinding:
    """A finding with the cases that are shown, and how many of those it holds are not."""

    finding: Finding
    cases: tuple[_ShownCase, ...]
    more: int


@dataclass(frozen=True, slots=True)
class _ClassRow:
    """A row of the table of classes: usable images in each part, in all, and those that cannot be used."""

    name: str
    parts: tuple[int, ...]
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
        findings=_shown(checkup),
        obstacles=tuple(_obstacles(checkup)),
        blocking=checkup.blocking(),
        meaning=_MEANING,
        parts=_parts(checkup),
        classes=rows[:MOST_CLASSES],
        more_classes=_sum("", rows[MOST_CLASSES:]),
        more_count=max(len(rows) - MOST_CLASSES, 0),
        total=total,
        largest=max((row.usable for row in rows), default=0) or 1,
    )


def _shown(checkup: Checkup) -> tuple[_ShownFinding, ...]:
    chosen = [(finding, finding.cases[:MOST_CASES]) for finding in checkup.findings]
    rows = rows_of(checkup.dataset, {path for _, cases in chosen for case in cases for path in case.paths[:MOST_FILES]})
    album = Album(checkup.dataset, checkup.unusable)
    return tuple(
        _ShownFinding(finding, tuple(_shown_case(case, album, rows) for case in cases), len(finding.cases) - len(cases))
        for finding, cases in chosen
    )


def _shown_case(case: Case, album: Album, rows: dict[str, int]) -> _ShownCase:
    first = case.paths[:MOST_FILES]
    pictures = tuple(album.picture(rows[path]) for path in first if path in rows)
    names = tuple(path for path in first if path not in rows)
    return _ShownCase(case, pictures, names, len(case.paths) > len(first))


def _obstacles(checkup: Checkup) -> Iterator[str]:
    """Why ``fit`` would stop although no finding blocks: it needs two classes to learn and something to measure."""
    dataset, usable = checkup.dataset, _usable(checkup)
    training = usable & (dataset.parts == "train") if (dataset.parts == "train").any() else usable
    if len(np.unique(dataset.labels[training])) < 2:
        yield "fewer than two classes have a training image that can be used"
    held_out = dataset.held_out_part
    if held_out and not (usable & (dataset.parts == held_out)).any():
        yield f"no image that is to measure the model ({held_out}) can be used"


def _usable(checkup: Checkup) -> npt.NDArray[np.bool_]:
    """(N,), which images can be decoded."""
    usable = np.ones(len(checkup.dataset), dtype=bool)
    usable[list(checkup.unusable)] = False
    return usable


def _parts(checkup: Checkup) -> tuple[str, ...]:
    """The parts that the data set has; none where it is not split."""
    return tuple(name for name in ("train", "val", "test") if (checkup.dataset.parts == name).any())


def _class_rows(checkup: Checkup) -> tuple[list[_ClassRow], _ClassRow]:
    """A row for each class in order, and their sum."""
    dataset, usable = checkup.dataset, _usable(checkup)
    masks = [usable, ~usable, *(usable & (dataset.parts == part) for part in _parts(checkup))]
    counts = [np.bincount(dataset.labels[mask], minlength=len(dataset.classes)).tolist() for mask in masks]
    rows = [
        _ClassRow(name, tuple(in_parts), good, bad)
        for name, good, bad, *in_parts in zip(dataset.classes, *counts, strict=True)
    ]
    return rows, _sum("all", rows)


def _sum(name: str, rows: Sequence[_ClassRow]) -> _ClassRow:
    parts = tuple(sum(column) for column in zip(*(row.parts for row in rows), strict=True))
    return _ClassRow(name, parts, sum(row.usable for row in rows), sum(row.unusable for row in rows))
