"""What the doctor says: a finding, and the cases that show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["note", "warning", "blocks"]

MOST_CASES = 1_000
"""Cases that a finding keeps, the worst first; its ``count`` counts all."""

BLOCKING = ("group-in-two-splits", "label-conflicts", "leakage")
"""Names of the findings that may block; ``--allow`` takes these."""

_SEVERITIES = ("note", "warning", "blocks")


@dataclass(frozen=True, slots=True)
class Case:
    """One example of a finding.

    Attributes:
        paths: The files it is about, as the data set names them: a page must escape them, a terminal must use
            ``printable``.
        detail: What is the matter with them, in plain words; empty where the finding says it all.
        score: Cases are ranked by it, the largest first; what it measures is said in ``detail``.
        given: The class that the data set gives, where the case is about a label.
        likely: The class that it more likely is, likewise.
    """

    paths: tuple[str, ...]
    detail: str = ""
    score: float = 0.0
    given: str = ""
    likely: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; the labels only where there are any."""
        fields: dict[str, Any] = {"paths": list(self.paths), "detail": self.detail, "score": round(self.score, 6)}
        return fields | ({"given": self.given, "likely": self.likely} if self.likely else {})


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
        if self.severity not in _SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(_SEVERITIES)}, not {self.severity!r}")
        if self.severity == "blocks" and self.name not in BLOCKING:
            raise ValueError(f"{self.name}: a finding that blocks must be one that can be allowed")
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


def ranked(cases: Iterable[Case]) -> tuple[Case, ...]:
    """The worst cases first; equal ones by name, so that two runs tell the same."""
    return tuple(sorted(cases, key=lambda case: (-case.score, case.paths)))[:MOST_CASES]


def number(count: int, one: str, many: str = "") -> str:
    """A count with its noun: ``1 image``, ``2,000 images``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
