"""What the doctor says: a finding, and the cases that show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from topwork.data import Dataset
from topwork.drawing import Outline
from topwork.errors import DataError

Severity = Literal["note", "warning", "blocks"]

MOST_CASES = 1_000
"""Cases that a finding keeps, the worst first; its ``count`` counts all."""

BLOCKING = ("group-in-two-splits", "label-conflicts", "leakage")
"""Names of this room's findings that may block; ``--allow`` takes these."""

SEVERITIES: tuple[Severity, ...] = ("note", "warning", "blocks")
"""The least first."""

_RENAMED = {"group-in-two-parts": "group-in-two-splits"}  # what a finding was called -> what it is called


@dataclass(frozen=True, slots=True)
class Case:
    """One example of a finding.

    Attributes:
        paths: The files it is about, as the data set names them: a page must escape them, a terminal must use
            ``printable``.
        detail: What is the matter with them, in plain words; empty where the finding says it all.
        score: Cases are ranked by it, the largest first; what it measures is said in ``detail``.
        given: The class that the data set gives, where the case is about a label.
        likely: The class that it more likely is; empty where the case is not about a label.
        outlines: What of the first file it is about, where that is less than all of it.
    """

    paths: tuple[str, ...]
    detail: str = ""
    score: float = 0.0
    given: str = ""
    likely: str = ""
    outlines: tuple[Outline, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; labels and boxes only where there are any."""
        fields: dict[str, Any] = {"paths": list(self.paths), "detail": self.detail, "score": round(self.score, 6)}
        labels = {"given": self.given, "likely": self.likely} if self.likely else {}
        boxes = [[round(float(edge), 2) for edge in each.corners] for each in self.outlines]
        return fields | labels | ({"boxes": boxes} if boxes else {})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a data set, or worth knowing.

    Attributes:
        name: What ``--allow`` takes, such as ``exact-duplicates``.
        severity: ``note`` is good to know; ``warning`` may spoil a model; ``blocks`` makes a result a lie, so that
            ``fit`` refuses unless it is allowed by name.
        count: How many (images, pairs, classes: ``what`` says which).
        what: One plain sentence with the numbers.
        advice: What to do about it.
        cases: Examples, the worst first, at most ``MOST_CASES``.
    """

    name: str
    severity: Severity
    count: int
    what: str
    advice: str
    cases: tuple[Case, ...] = ()

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(SEVERITIES)}, not {self.severity!r}")
        if self.count < 1:
            raise ValueError(f"{self.name}: a finding counts at least one, not {self.count}")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {
            "name": self.name,
            "severity": self.severity,
            "count": self.count,
            "what": self.what,
            "advice": self.advice,
            "cases": [case.to_dict() for case in self.cases],
        }


def current_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names of findings as they are now, of names that may be from before they were renamed."""
    return tuple(_RENAMED.get(name, name) for name in names)


def require_blocking(names: Iterable[str], *, known: Sequence[str] = BLOCKING) -> tuple[str, ...]:
    """What a user allows, by the names that findings have now.

    Args:
        names: As given.
        known: Names that may be allowed; a task whose own checks block adds theirs.

    Raises:
        DataError: One is not the name of a finding that may block.
    """
    for name in current_names(names):
        if name not in known:
            raise DataError(f"no finding that stops a fit is called {name!r}", hint=f"there are {', '.join(known)}")
    return current_names(names)


def ranked(cases: Iterable[Case]) -> tuple[Case, ...]:
    """The worst cases first; equal ones by name, so that two runs tell the same."""
    return tuple(sorted(cases, key=lambda case: (-case.score, case.paths)))[:MOST_CASES]


def number(count: int, one: str, many: str = "") -> str:
    """A count with its noun: ``1 image``, ``2,000 images``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def share(count: int, of: int, thing: str = "image") -> str:
    """``12 of 2,002 images``."""
    return f"{count:,} of {number(of, thing)}"


def worst(
    dataset: Dataset, rows: npt.NDArray[np.intp], scores: npt.NDArray[np.floating], describe: Callable[[int], str]
) -> tuple[Case, ...]:
    """Cases of single rows, the largest score first.

    Args:
        dataset: N rows.
        rows: (M,), which of them.
        scores: (M,).
        describe: One row in words.
    """
    chosen = np.argsort(-scores, kind="stable")[:MOST_CASES]
    pairs = zip(rows[chosen].tolist(), scores[chosen].tolist(), strict=True)
    return ranked(Case((dataset.paths[row],), describe(row), float(score)) for row, score in pairs)


def of_groups(
    dataset: Dataset, groups: Sequence[tuple[int, ...]], describe: Callable[[tuple[int, ...]], str]
) -> tuple[Case, ...]:
    """Cases of several rows each, the largest group first; a group shows its first twenty paths."""
    chosen = sorted(groups, key=len, reverse=True)[:MOST_CASES]
    return ranked(
        Case(tuple(dataset.paths[row] for row in rows[:20]), describe(rows), float(len(rows))) for rows in chosen
    )
