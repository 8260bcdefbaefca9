"""From probabilities to answers: the most probable class, or what a critical class or the costs of mistakes ask for.

`decide` is the one place where probabilities become answers. The thresholds of a critical class are read off images
that the classifier has not learnt from, and are for images like those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float64Array, Int64Array
from topwork.errors import DataError

from ._intervals import around, percentiles, resample, share_of
from ._values import Estimate, Saved, check_probabilities

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Threshold:
    """The rule of a critical class: it is the answer from its threshold on, else the most probable of the others.

    Attributes:
        place: The class's index.
        probability: From which on it is the answer.
    """

    place: int
    probability: float


@dataclass(frozen=True, eq=False)
class Costs:
    """The rule of costs: the answer is the class of least expected cost, of equal ones the lowest index.

    Source: Elkan 2001, "The Foundations of Cost-Sensitive Learning".

    Attributes:
        matrix: (C, C) float64, 0 or more; rows are the true class, columns the predicted one.
    """

    matrix: Float64Array


Rule = Threshold | Costs


def decide(probabilities: AnyArray, rule: Rule | None = None) -> Int64Array:
    """The answer (N,) to each row of probabilities (N, C); without a rule the most probable class.

    Example:
        >>> decide(np.array([[0.9, 0.1], [0.95, 0.05]]), Threshold(1, 0.07)).tolist()
        [1, 0]
    """
    if isinstance(rule, Costs):
        found = (probabilities.astype(np.float64) @ rule.matrix).argmin(axis=1)
    elif rule is None:
        found = probabilities.argmax(axis=1)
    else:
        others = probabilities.copy()
        others[:, rule.place] = -1
        found = np.where(probabilities[:, rule.place] >= rule.probability, rule.place, others.argmax(axis=1))
    return np.asarray(found, np.int64)


class SetThreshold(NamedTuple):
    """A threshold that was set for a target.

    Attributes:
        threshold: From which probability on the class is the answer; None where the most probable class already meets
            the target, so that none is needed.
        enough: Whether the images are enough to expect the target of new images too; else it is met on these alone.
    """

    threshold: float | None
    enough: bool


def recall_threshold(
    probabilities: AnyArray, labels: AnyArray, place: int, target: float, name: str, thing: str = "image"
) -> SetThreshold:
    """The highest threshold of a class with which so many of its images are found: it raises the fewest false alarms.

    Of n images of the class, floor((n + 1) * (1 - target)) - 1 may be missed. Then a new one of the same kind is found
    with at least that probability, on average over calibration images: it is split conformal prediction class by class
    (Vovk 2012, "Conditional validity of inductive conformal predictors"). Fewer than target / (1 - target) images are
    not enough for that; then none of them may be missed.

    Args:
        probabilities: (N, C) of images that the classifier has not learnt from.
        labels: (N,) class indices.
        place: The class's index.
        target: Recall, above 0 and below 1.
        name: Of the class, for messages.
        thing: What a row is called in them.

    Raises:
        DataError: What `log_loss` refuses; no image is of the class; or only calling every image so finds enough.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    own, positive = probabilities[:, place], _of(labels, place, name, thing)
    misses, enough = allowed_misses(int(positive.sum()), target)
    if int((decide(probabilities)[positive] != place).sum()) <= misses:
        return SetThreshold(None, enough)
    found = np.sort(own[positive])
    threshold = found[misses]
    if own.min() >= threshold:
        least = own[~positive].min() if not positive.all() else np.inf
        reachable = _percent(float((found > least).mean()))
        raise DataError(
            f"a recall of {target:.4g} for {name!r} is only reached by calling every {thing} {name!r}",
            hint=f"at most {reachable} is reachable on the {len(labels)} {thing}s that the threshold is set on; "
            f"choose a lower recall, or give more {thing}s of the class",
        )
    return SetThreshold(float(threshold), enough)


def allowed_misses(total: int, recall: float) -> tuple[int, bool]:
    """How many of so many may be missed, that a new one is found so often; whether they are enough to expect that."""
    misses = math.floor(round((total + 1) * (1 - recall), 9)) - 1
    return max(misses, 0), misses >= 0


def precision_threshold(
    probabilities: AnyArray, labels: AnyArray, place: int, target: float, name: str, thing: str = "image"
) -> SetThreshold:
    """The lowest threshold of a class from which on so many of its answers are right: it finds the most images.

    As `abstention_thresholds` does, it keeps (wrong + 1) / (answers + 1) within the error allowed; the one more of both
    is the next image. Fewer than target / (1 - target) images of the class are not enough for that; then wrong /
    answers is kept within it. The arguments are those of `recall_threshold`.

    Raises:
        DataError: What `log_loss` refuses; no image is of the class; or no threshold is that precise.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    own, positive = probabilities[:, place], _of(labels, place, name, thing)
    enough = positive.sum() >= target / (1 - target) - _ROUNDING
    more, allowed = int(enough), 1 - target + _ROUNDING
    usual = decide(probabilities) == place
    if usual.any() and ((usual & ~positive).sum() + more) / (usual.sum() + more) <= allowed:
        return SetThreshold(None, bool(enough))
    order = np.argsort(-own, kind="stable")
    own, wrong = own[order], np.cumsum(~positive[order])
    error = (wrong + more) / (np.arange(1, len(own) + 1) + more)
    error[np.append(own[1:] == own[:-1], False)] = np.inf  # images of one probability go together
    within = np.flatnonzero(error <= allowed)
    if not within.size:
        raise DataError(
            f"a precision of {target:.4g} for {name!r} is not reached at any confidence",
            hint=f"at most {_percent(1 - float(error.min()))} is reachable on the {len(labels)} {thing}s that the "
            "threshold is set on; choose a lower precision",
        )
    return SetThreshold(float(own[within[-1]]), bool(enough))


def _of(labels: Int64Array, place: int, name: str, thing: str) -> BoolArray:
    """(N,), which images are of the class."""
    positive: BoolArray = labels == place
    if not positive.any():
        raise DataError(
            f"none of the {len(labels)} {thing}s that the threshold would be set on is of class {name!r}",
            hint=f"give more training {thing}s of that class",
        )
    return positive


def _percent(share: float) -> str:
    """A share in percent, rounded down, so that it can be asked for."""
    return f"{math.floor(round(1000 * share, 6)) / 10:.1f} %"


@dataclass(frozen=True)
class Outcome:
    """What one way of answering gave.

    Attributes:
        recall: Of the critical class, with a Wilson interval; None where no image is of it, or there is none.
        precision: The same; None where the class is never the answer.
        cost: Mean cost an image, with a bootstrap interval; None without costs.
    """

    recall: Estimate | None = None
    precision: Estimate | None = None
    cost: Estimate | None = None


@dataclass(frozen=True)
class DecisionReport(Saved):
    """What a decision rule gave on labelled images, beside the most probable class.

    Attributes:
        n: Number of images.
        support: Those of the critical class; of costs all.
        decided: By the rule.
        usual: By the most probable class.
    """

    n: int
    support: int
    decided: Outcome
    usual: Outcome

    _what = "report of a decision"


def decision_report(
    probabilities: AnyArray, labels: AnyArray, rule: Rule | None, *, place: int | None = None, seed: int = 0
) -> DecisionReport:
    """Measure a decision rule on labelled images.

    Args:
        probabilities: (N, C).
        labels: (N,) class indices.
        rule: None for a critical class that needs no threshold.
        place: Index of the critical class; None of costs.
        seed: Of the bootstrap.

    Raises:
        DataError: What `log_loss` refuses.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    ways = decide(probabilities, rule), decide(probabilities)
    if isinstance(rule, Costs):
        found = [Outcome(cost=_mean(rule.matrix[labels, said], seed)) for said in ways]
        return DecisionReport(len(labels), len(labels), *found)
    support = int((labels == place).sum())
    return DecisionReport(len(labels), support, *(_outcome(said == place, labels == place) for said in ways))


def _outcome(said: BoolArray, positive: BoolArray) -> Outcome:
    right, of_class, answers = (int(each.sum()) for each in (said & positive, positive, said))
    return Outcome(share_of(right, of_class) if of_class else None, share_of(right, answers) if answers else None)


def _mean(values: Float64Array, seed: int) -> Estimate:
    drawn = [values @ counts.astype(np.float64) / len(values) for counts in resample(len(values), seed)]
    return around(float(values.mean()), percentiles(np.concatenate(drawn)))
