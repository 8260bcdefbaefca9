"""What images and the model make of each other, on its page: findings, features, robustness, ideal images."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from topwork.errors import ExplainError
from topwork.explain import Explanation, space_of
from topwork.report._charts import CurveChart, curve_chart
from topwork.report._explained import numbers_of
from topwork.report._findings import ShownFinding, shown_findings
from topwork.report._page import brief, isolated, percent
from topwork.report._pictures import Album
from topwork.report._space import SpaceMap, space_map
from topwork.report._subject import Computed, Subject

MOST_POINTS = 300  # of each map; the images behind them take 1 MB at most
MOST_CASES = 6  # of a finding
MOST_RESULTS = 40  # of a kind
_MOST_STEPS = 50  # of a curve
_WITH_A_SECTION = ("corruptions", "robustness", "ideal")
_ROOM_OF_FINDINGS = 500_000  # characters of their pictures

Share = Annotated[float, Field(ge=0, le=1)]
Numbers = TypeVar("Numbers", bound=BaseModel)


@dataclass(frozen=True)
class Space:
    """The feature space: its maps, and how many images there are in all."""

    map: SpaceMap
    images: int


class _Corruptions(BaseModel):
    """The numbers of ``explain.CorruptionAccuracy``."""

    images: int
    clean: Share
    mean: Share
    accuracy: dict[str, Annotated[list[Share], Field(min_length=2, max_length=_MOST_STEPS)]] = Field(max_length=20)


class _Attacks(BaseModel):
    """The numbers of ``explain.RobustAccuracy``."""

    images: int
    norm: Literal["linf", "l2"]
    sizes: list[Annotated[float, Field(ge=0, le=1_000)]] = Field(min_length=2, max_length=_MOST_STEPS)
    accuracy: dict[str, list[Share]] = Field(max_length=20)

    @model_validator(mode="after")
    def _fits(self) -> _Attacks:
        if any(len(values) != len(self.sizes) for values in self.accuracy.values()):
            raise ValueError("every curve must have as many numbers as there are sizes")
        return self


class _Ideal(BaseModel):
    """The numbers of ``explain.IdealImage``."""

    label: str
    probability: Share
    probability_after_shift_and_jpeg: Share


@dataclass(frozen=True)
class Curves:
    """Accuracy over how bad images are, in one way or another.

    Attributes:
        sentence: What was found.
        charts: A curve for each way.
        across: What their lower axes are.
        uri: The sheet that shows the images; empty where it is not to be had.
        headline: What that shows.
    """

    sentence: str
    charts: tuple[CurveChart, ...]
    across: str
    uri: str
    headline: str


@dataclass(frozen=True)
class Seen:
    """A result as its sheet: what it says, the sheet (empty where it is not to be had), its image, its numbers."""

    sentence: str
    uri: str
    source: str
    numbers: str


def findings(subject: Subject) -> tuple[ShownFinding, ...] | None:
    """What the data doctor found, but for notes that are about no image."""
    checkup = subject.checkup
    if checkup is None:
        return None
    told = [found for found in checkup.findings if found.severity != "note" or found.cases]
    album = Album(checkup.dataset, checkup.unusable, room=_ROOM_OF_FINDINGS)
    return shown_findings(told, checkup, album, most=MOST_CASES) or None


def space(subject: Subject) -> Space | None:
    """Where the images that measured the model lie to each other, as its head reads them."""
    found = subject.evaluated
    if found is None or found.features is None:
        return None
    try:
        seen = space_of(found.features, seed=subject.record.seed)
    except ExplainError:  # too few images for a map
        return None
    dataset, said = found.dataset, found.probabilities.argmax(axis=1)
    wrong = (said != dataset.labels).nonzero()[0]
    mistakes = {dataset.paths[row]: dataset.classes[said[row]] for row in wrong}
    return Space(space_map(seen, dataset, mistakes=mistakes, most=MOST_POINTS), len(dataset))


def robustness(subject: Subject) -> Computed:
    """Accuracy on corrupted and on attacked images."""
    shown = [_corrupted(subject, each) for each in _kept(subject, "corruptions")]
    shown += [_attacked(subject, each) for each in _kept(subject, "robustness")]
    found = tuple(each for each in shown if each is not None)
    return Computed(found, () if found else _command(subject, "corruptions", "--data DATA "))


def _corrupted(subject: Subject, found: Explanation) -> Curves | None:
    numbers = _parsed(_Corruptions, found.numbers)
    if numbers is None:
        return None
    t = subject.t
    shares = {"clean": percent(numbers.clean), "mean": percent(numbers.mean)}
    charts = [
        curve_chart(
            t.named("corruption", name), [numbers.clean, *values], [str(step) for step in range(len(values) + 1)]
        )
        for name, values in numbers.accuracy.items()
    ]
    sentence = t("robustness_corrupted", images=f"{numbers.images:,}", **shares)
    return Curves(sentence, tuple(charts), t("robustness_strength"), subject.sheets.sheet(found.path), found.headline)


def _attacked(subject: Subject, found: Explanation) -> Curves | None:
    numbers = _parsed(_Attacks, found.numbers)
    if numbers is None:
        return None
    t, whole = subject.t, numbers.norm == "linf"
    sizes = [f"{size * 255:g}" if whole else f"{size:g}" for size in numbers.sizes]
    charts = [curve_chart(t.of(f"attack_{name}", name), values, sizes) for name, values in numbers.accuracy.items()]
    across = t("robustness_linf" if whole else "robustness_l2")
    return Curves(t("robustness_attacked", images=f"{numbers.images:,}"), tuple(charts), across, "", found.headline)


def ideal(subject: Subject) -> Computed:
    """What the model would like best to see as each of its classes."""
    found = []
    for each in _kept(subject, "ideal"):
        numbers = _parsed(_Ideal, each.numbers)
        if numbers is not None:
            shares = {"share": percent(numbers.probability), "after": percent(numbers.probability_after_shift_and_jpeg)}
            sentence = subject.t("ideal_found", label=isolated(numbers.label, 80), **shares)
            found.append(Seen(sentence, subject.sheets.sheet(each.path), "", numbers_of(each.numbers)))
    return Computed(tuple(found), () if found else _command(subject, "ideal", ""))


def explained(subject: Subject) -> tuple[Seen, ...] | None:
    """Everything else that was kept: evidence, features, attacks, channels."""
    others = [each for each in subject.explained if each.what not in _WITH_A_SECTION][:MOST_RESULTS]
    sheets = subject.sheets
    return (
        tuple(
            Seen(brief(each.headline), sheets.sheet(each.path), each.source, numbers_of(each.numbers))
            for each in others
        )
        or None
    )


def _kept(subject: Subject, what: str) -> list[Explanation]:
    return [each for each in subject.explained if each.what == what][:MOST_RESULTS]


def _parsed(kind: type[Numbers], numbers: dict[str, Any]) -> Numbers | None:
    """Numbers of a file, which may hold any; None where they are not of the kind."""
    try:
        return kind.model_validate(numbers)
    except ValidationError:
        return None


def _command(subject: Subject, what: str, data: str) -> tuple[str, ...]:
    name = shlex.quote(subject.name)
    return (f"topwork explain {name} --what {what} {data}--keep", f"topwork report {name} --data DATA")
