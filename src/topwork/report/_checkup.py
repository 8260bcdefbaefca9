"""The data doctor's findings with pictures of the images that they are about, and the page that shows them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork.checking import Case, Checkup, Finding
from topwork.data import printable
from topwork.report._page import brief, render
from topwork.report._pictures import Album, Picture, rows_of
from topwork.report._texts import Texts

MOST_CASES = 12  # of a finding, the worst first
MOST_FILES = 4  # of a case: two copies say as much as twenty
MOST_CLASSES = 200  # rows of the table


@dataclass(frozen=True, slots=True)
class ShownCase:
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
class ShownFinding:
    """A finding with the cases that are shown, and how many of those it holds are not."""

    finding: Finding
    cases: tuple[ShownCase, ...]
    more: int


def shown_findings(
    findings: Sequence[Finding], checkup: Checkup, album: Album, *, most: int = MOST_CASES
) -> tuple[ShownFinding, ...]:
    """Lay findings out for a page.

    Args:
        findings: Of the checkup's those that are to be shown.
        checkup: Whose data set the images are of.
        album: Makes their pictures.
        most: Cases of each.
    """
    chosen = [(finding, finding.cases[:most]) for finding in findings]
    rows = rows_of(checkup.dataset, {path for _, cases in chosen for case in cases for path in case.paths[:MOST_FILES]})
    return tuple(
        ShownFinding(finding, tuple(_shown_case(case, album, rows) for case in cases), len(finding.cases) - len(cases))
        for finding, cases in chosen
    )


def _shown_case(case: Case, album: Album, rows: dict[str, int]) -> ShownCase:
    first = case.paths[:MOST_FILES]
    pictures = album.pictures([rows[path] for path in first if path in rows])
    names = tuple(path for path in first if path not in rows)
    return ShownCase(case, pictures, names, len(case.paths) > len(first))


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
    splits = tuple(name for name in ("train", "val", "test") if (checkup.dataset.splits == name).any())
    counts = _counts(checkup, splits)
    rows = [_class_row(name, found) for name, found in zip(checkup.classes, counts, strict=False)]
    return render(
        "checkup.html",
        name=brief(str(checkup.dataset.root)),
        checkup=checkup,
        t=Texts("en"),
        findings=shown_findings(checkup.findings, checkup, Album(checkup.dataset, checkup.unusable)),
        obstacles=tuple(_obstacles(checkup)),
        blocking=checkup.blocking(),
        splits=splits,
        classes=rows[:MOST_CLASSES],
        more_classes=_class_row("", counts[MOST_CLASSES:].sum(axis=0)),
        more_count=max(len(rows) - MOST_CLASSES, 0),
        total=_class_row("all", counts.sum(axis=0)),
        largest=max((row.usable for row in rows), default=0) or 1,
    )


def _obstacles(checkup: Checkup) -> Iterator[str]:
    """Why ``fit`` would stop although no finding blocks: it needs two classes to learn and something to measure."""
    dataset, usable = checkup.dataset, _usable(checkup)
    training = usable & (dataset.splits == "train") if (dataset.splits == "train").any() else usable
    if checkup.classes and len(np.unique(dataset.labels[training])) < 2:
        yield "fewer than two classes have a training image that can be used"
    held_out = dataset.held_out_split
    if held_out and not (usable & (dataset.splits == held_out)).any():
        yield f"no image that is to measure the model ({held_out}) can be used"


def _usable(checkup: Checkup) -> npt.NDArray[np.bool_]:
    """(N,), which images can be decoded."""
    usable = np.ones(len(checkup.dataset), dtype=bool)
    usable[list(checkup.unusable)] = False
    return usable


def _counts(checkup: Checkup, splits: Sequence[str]) -> npt.NDArray[np.intp]:
    """(strata, 2 + splits), of each class's images how many can be used, cannot, and can in each split."""
    dataset, usable = checkup.dataset, _usable(checkup)
    masks = [usable, ~usable, *(usable & (dataset.splits == split) for split in splits)]
    strata = dataset.strata()
    return np.stack([np.bincount(strata[mask], minlength=dataset.n_strata) for mask in masks], axis=1)


def _class_row(name: str, counts: npt.NDArray[np.intp]) -> _ClassRow:
    usable, unusable, *in_splits = counts.tolist()
    return _ClassRow(name, tuple(in_splits), usable, unusable)
