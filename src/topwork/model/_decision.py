"""How a model's probabilities become its answers, as its record holds it: a critical class, or costs of mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from topwork._text import article
from topwork.errors import DataError
from topwork.metrics import Costs, DecisionReport, Estimate, Rule, Threshold, as_percent
from topwork.model._record import Strict

_SET_ON = {
    "cross-validation": "Out of fold",
    "validation": "On the validation {}s",
    "training": "On the training {}s",
}


class CriticalRecord(Strict):
    """A class whose recall or precision has a target, and the threshold that was set for it.

    Attributes:
        name: Of the class.
        metric: What the target is of.
        target: Above 0 and below 1.
        threshold: From which probability on the class is the answer (``metrics.Threshold``); None where the most
            probable class met the target already.
        enough: Whether there were images enough to expect the target of new ones (``metrics.SetThreshold``).
        source: What kind of images the threshold was set on (``advising.OutOfFold``).
        out_of_fold: ``metrics.DecisionReport.to_dict`` on them.
        measured: The same on held-out images; None where none were held out.
    """

    kind: Literal["critical"] = "critical"
    name: str
    metric: Literal["recall", "precision"]
    target: float = Field(gt=0, lt=1)
    threshold: float | None = Field(ge=0, le=1.001)
    enough: bool
    source: Literal["cross-validation", "validation", "training"]
    out_of_fold: dict[str, Any]
    measured: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _can_be_read(self) -> CriticalRecord:
        _require_reports(self.out_of_fold, self.measured)
        return self

    @property
    def names(self) -> set[str]:
        """Classes that it speaks of."""
        return {self.name}

    def rule(self, classes: Sequence[str]) -> Rule | None:
        """What ``metrics.decide`` takes."""
        return None if self.threshold is None else Threshold(classes.index(self.name), self.threshold)

    @property
    def report(self) -> DecisionReport | None:
        """What the rule gave on the images that measured it."""
        return DecisionReport.from_dict(self.measured) if self.measured is not None else None

    @property
    def refuted(self) -> bool:
        """Whether those images refute the target: the interval of what it is of lies below it."""
        report = self.report
        found: Estimate | None = getattr(report.decided, self.metric) if report else None
        return found is not None and found.high < self.target

    def sentences(self, shown: Callable[[str], str], thing: str = "image") -> Iterator[str]:
        """What was asked, what is done for it, and what it costs: on the images it was set on, and on others."""
        name, share, report = shown(self.name), f"{100 * self.target:.4g}%", self.report
        finds = self.metric == "recall"
        aim = (
            f"To find at least {share} of {name}"
            if finds
            else f"To be right in at least {share} of {thing}s called {name}"
        )
        if self.threshold is None:
            yield f"{aim}, no threshold is needed: the most probable class already does."
        else:
            only = "" if finds else "only "
            yield f"{aim}, the model calls {article(thing)} {name} {only}from confidence {self.threshold:.2g} on."
        set_on = DecisionReport.from_dict(self.out_of_fold)
        yield f"{_SET_ON[self.source].format(thing)}: {_shares(set_on)}."
        if not self.enough:
            yield (
                f"{set_on.support} {thing}s of {name} are too few to expect {share} on new {thing}s: that takes at "
                f"least {images_needed(self.target)}."
            )
        if report is not None and report.support:
            verdict = f"; these {thing}s refute the target" if self.refuted else ""
            yield f"Measured on {report.n} {thing}s ({report.support} of {name}): {_shares(report)}{verdict}."
        elif report is not None:
            yield f"Not measured: none of these {report.n} {thing}s is of {name}."


class CostsRecord(Strict):
    """What mistakes cost: the answer is the class of least expected cost (``metrics.Costs``).

    Attributes:
        costs: (true class, predicted class, cost); every other mistake costs 1.
        calibrated: Whether the probabilities are calibrated, as expected costs ask for.
        source: What kind of images the costs were first tried on; None where there were none.
        out_of_fold: ``metrics.DecisionReport.to_dict`` on them.
        measured: The same on held-out images; None where none were held out.
    """

    kind: Literal["costs"] = "costs"
    costs: tuple[tuple[str, str, Annotated[float, Field(ge=0)]], ...] = Field(min_length=1)
    calibrated: bool
    source: Literal["cross-validation", "validation", "training"] | None = None
    out_of_fold: dict[str, Any] | None = None
    measured: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _can_be_read(self) -> CostsRecord:
        _require_reports(self.out_of_fold, self.measured)
        return self

    @property
    def names(self) -> set[str]:
        """Classes that it speaks of."""
        return {name for *pair, _ in self.costs for name in pair}

    def rule(self, classes: Sequence[str]) -> Rule:
        """What ``metrics.decide`` takes."""
        matrix = 1 - np.eye(len(classes))
        for true, said, cost in self.costs:
            matrix[classes.index(true), classes.index(said)] = cost
        return Costs(matrix)

    @property
    def report(self) -> DecisionReport | None:
        """What the rule gave on the images that measured it."""
        return DecisionReport.from_dict(self.measured) if self.measured is not None else None

    @property
    def refuted(self) -> bool:
        """Whether those images refute that it costs less than the most probable class does."""
        report = self.report
        return bool(
            report and report.decided.cost and report.usual.cost and report.decided.cost.low > report.usual.cost.value
        )

    def sentences(self, shown: Callable[[str], str], thing: str = "image") -> Iterator[str]:
        """What was asked, and what it costs: on the images it was first tried on, and on others."""
        told = ", ".join(f"{shown(true)} predicted as {shown(said)} {cost:g}" for true, said, cost in self.costs)
        yield f"The class of least expected cost is predicted ({told}, any other mistake 1)."
        if not self.calibrated:
            yield "The probabilities of this head are not calibrated, so expected costs are rough."
        if self.out_of_fold is not None and self.source is not None:
            yield f"{_SET_ON[self.source].format(thing)}: {_costs(DecisionReport.from_dict(self.out_of_fold), thing)}."
        if self.report is not None:
            verdict = f"; on these {thing}s the costs are higher than without" if self.refuted else ""
            yield f"Measured on {self.report.n} {thing}s: {_costs(self.report, thing)}{verdict}."


DecisionRecord = Annotated[CriticalRecord | CostsRecord, Field(discriminator="kind")]


def images_needed(target: float) -> int:
    """Images of a class that are enough to expect a recall or precision of new images."""
    return int(np.ceil(round(target / (1 - target), 6)))


def _require_reports(*found: dict[str, Any] | None) -> None:
    try:
        for each in found:
            if each is not None:
                DecisionReport.from_dict(each)
    except DataError as error:
        raise ValueError(error.message) from error


def _shares(report: DecisionReport) -> str:
    """``recall 99.2 % (96.0 to 99.9), precision 81.0 % (75.1 to 86.0); without the threshold 90.1 % and 96.0 %``."""
    decided, usual = report.decided, report.usual
    found = f"recall {as_percent(decided.recall)}, precision {as_percent(decided.precision)}"
    if decided == usual:
        return found
    plain = (f"{each.value:.1%}" if each else "–" for each in (usual.recall, usual.precision))
    return f"{found}; by the most probable class alone {' and '.join(plain)}"


def _costs(report: DecisionReport, thing: str) -> str:
    mean, usual = report.decided.cost, report.usual.cost
    assert mean is not None
    assert usual is not None
    cost = f"mean cost {mean.value:.3f} ({mean.low:.3f} to {mean.high:.3f}) {article(thing)}"
    return f"{cost}; by the most probable class alone {usual.value:.3f}"
