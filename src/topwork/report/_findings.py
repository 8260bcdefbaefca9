"""The data doctor's findings with pictures of the images that they are about, as both pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from topwork.checking import Case, Checkup, Finding
from topwork.data import printable
from topwork.report._pictures import Album, Picture, rows_of

MOST_CASES = 12  # of a finding, the worst first
MOST_FILES = 4  # of a case: two copies say as much as twenty


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
