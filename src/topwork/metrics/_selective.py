"""Conformal prediction sets and selective prediction: sets with a coverage, and when to abstain.

Both kinds of thresholds are read off calibration images, which the classifier has not learnt from, and are for images
like those. The coverage of sets holds on average whatever the classifier. The selective accuracy, that of the answers
given, holds on average where the classifier is surer of right answers than of wrong ones; where it is not shown to be,
no level beyond what all answers together reach is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topwork._arrays import AnyArray, BoolArray
from topwork.errors import DataError

from ._intervals import share_of
from ._values import Estimate, Saved, answers_of, check_probabilities

LEVELS = (*(step / 100 for step in range(50, 100)), 0.995, 0.999)
"""Coverages and selective accuracies for which there are thresholds."""

REPORTED_LEVELS = (0.9, 0.95, 0.99)
"""Of them, those that are measured on held-out images."""

_CHANCE = 0.05  # from which p-value on confidence is not taken to order the answers


@dataclass(frozen=True)
class SelectiveReport(Saved):
    """What a level's two thresholds gave on images that took no part in calibrating them.

    Attributes:
        level: What was aimed at: of the sets their coverage, of the answers their accuracy.
        coverage: Share of images whose true class is in the set.
        size: Mean number of classes in a set.
        answered: Share of images that are answered; None where there is no threshold for so much accuracy.
        accuracy: Selective accuracy, the share of right answers among them; None where there are none.
    """

    level: float
    coverage: Estimate
    size: float
    answered: Estimate | None
    accuracy: Estimate | None

    _what = "report of a level"

    @property
    def refuted(self) -> bool:
        """Whether these images refute the accuracy: its interval lies below it, or all are answered and it is lower."""
        if self.answered is None or self.accuracy is None:
            return False
        return self.accuracy.high < self.level or (self.answered.value == 1 and self.accuracy.value < self.level)


def selective_reports(
    probabilities: AnyArray,
    labels: AnyArray,
    *,
    levels: Sequence[float],
    sets: Sequence[float],
    answers: Sequence[float],
    reported: Sequence[float] = REPORTED_LEVELS,
    decided: AnyArray | None = None,
) -> tuple[SelectiveReport, ...]:
    """Measure calibrated thresholds on other labelled images.

    Args:
        probabilities: (N, C) of images that took no part in the calibration.
        labels: (N,) class indices.
        levels: Of the thresholds.
        sets: What `conformal_thresholds` gave for them.
        answers: What `abstention_thresholds` gave for them; there may be fewer.
        reported: Levels to measure.
        decided: (N,) what is answered; the most probable class when None.

    Raises:
        DataError: What `log_loss` refuses.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    said_class = answers_of(probabilities, decided)
    right, confidence = said_class == labels, probabilities[np.arange(len(labels)), said_class]
    found = []
    for place, level in enumerate(levels):
        if level not in reported:
            continue
        inside = prediction_sets(probabilities, sets[place], said_class)
        coverage = share_of(int(inside[np.arange(len(labels)), labels].sum()), len(labels))
        answered = accuracy = None
        if place < len(answers):
            said = confidence >= answers[place]
            answered = share_of(int(said.sum()), len(labels))
            accuracy = share_of(int(right[said].sum()), int(said.sum())) if said.any() else None
        found.append(SelectiveReport(level, coverage, float(inside.sum(axis=1).mean()), answered, accuracy))
    return tuple(found)


def conformal_thresholds(
    probabilities: AnyArray, labels: AnyArray, levels: Sequence[float] = LEVELS
) -> tuple[float, ...]:
    """The probability from which a class belongs to the prediction set, for each coverage.

    Split conformal prediction with the least ambiguous sets (Sadinle, Lei & Wasserman 2019, "Least Ambiguous Set-Valued
    Classifiers with Bounded Error Levels"): of n calibration images, the ceil((n + 1) * coverage)-th largest
    probability of a true class. A set of a new image of the same kind then holds its true class that often or oftener.

    Args:
        probabilities: (n, C) of calibration images.
        labels: (n,) class indices.
        levels: Coverages, between 0 and 1.

    Returns:
        A threshold for each level; 0, which lets in every class, where n images are too few for it.

    Raises:
        DataError: What `log_loss` refuses.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    own = np.sort(probabilities[np.arange(len(labels)), labels])[::-1].astype(np.float64)
    places = [math.ceil(round((len(own) + 1) * level, 9)) for level in levels]
    return tuple(float(own[place - 1]) if place <= len(own) else 0.0 for place in places)


def prediction_sets(probabilities: AnyArray, threshold: float, decided: AnyArray | None = None) -> BoolArray:
    """Which classes (N, C) belong to each image's set: those from the threshold on, and always the answer.

    The answer is what was ``decided`` (N,), or the likeliest class. More classes only raise the coverage.
    """
    inside: BoolArray = probabilities >= threshold
    inside[np.arange(len(inside)), answers_of(probabilities, decided)] = True
    return inside


def abstention_thresholds(
    probabilities: AnyArray, labels: AnyArray, levels: Sequence[float] = LEVELS, decided: AnyArray | None = None
) -> tuple[float, ...]:
    """The probability from which to answer, for each selective accuracy.

    Images stand by falling probability of their predicted class; as many are answered as keep (wrong + 1) / (answered +
    1) within the error allowed. The one more of both is the next image, whose answer nobody has checked. Source of
    selective classification: Geifman & El-Yaniv 2017, "Selective Classification for Deep Neural Networks"; theirs is a
    bound with high probability, which 300 images seldom give for 99 %.

    This one needs fewer images and is no guarantee: it holds on average where confidence orders the answers, right ones
    above wrong ones. Where it does not, the best of many prefixes is luck. So beyond what all answers together keep
    there is no threshold unless Mann and Whitney's test tells the right ones from the wrong ones at 5 %. The
    arguments and errors are those of `conformal_thresholds`; the levels must rise, and ``decided`` (n,) is what is
    answered where that is not the most probable class.

    Returns:
        A rising threshold for each level, up to the highest one that can be reached.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    said = answers_of(probabilities, decided)
    confidence = probabilities[np.arange(len(labels)), said].astype(np.float64)
    order = np.argsort(-confidence, kind="stable")
    confidence, right = confidence[order], (said == labels)[order]
    error = (np.cumsum(~right) + 1) / (np.arange(len(labels)) + 2)
    if mann_whitney_p_value(confidence, right) > _CHANCE:
        error[:-1] = np.inf  # all together, or none
    error[np.append(confidence[1:] == confidence[:-1], False)] = np.inf  # images of one probability go together
    found: list[float] = []
    for level in levels:
        within = np.flatnonzero(error <= 1 - level + 1e-12)
        if not within.size:
            break
        found.append(max(float(confidence[within[-1]]), found[-1] if found else 0.0))
    return tuple(found)


def refuting(level: float, reports: Sequence[SelectiveReport]) -> SelectiveReport | None:
    """The report by which held-out images refute the promise of an accuracy; None where none does.

    It is that of the highest measured level up to the one asked for, where that is refuted; or one of a higher level
    whose answers, surer ones, are right less often than asked for by their whole interval.
    """
    up_to = [each for each in reports if each.level <= level + 1e-9]
    if up_to and up_to[-1].refuted:
        return up_to[-1]
    above = (each for each in reports[len(up_to) :] if each.accuracy is not None and each.accuracy.high < level)
    return next(above, None)


def mann_whitney_p_value(confidence: AnyArray, right: BoolArray) -> float:
    """How often chance alone lets answers (n,) that are right stand so far above the others; 1 where all are alike.

    Mann & Whitney 1947, "On a test of whether one of two random variables is stochastically larger than the other",
    one-sided, by its normal approximation with ties and a correction for continuity.
    """
    rights, wrongs = int(right.sum()), int((~right).sum())
    _, place, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    above = float(ranks[right].sum()) - rights * (rights + 1) / 2  # pairs in which the right one is surer
    size = rights + wrongs
    tied = float((counts.astype(np.float64) ** 3 - counts).sum())
    variance = rights * wrongs / 12 * (size + 1 - tied / max(1, size * (size - 1)))
    if variance <= 0:
        return 1.0
    return 0.5 * math.erfc((above - rights * wrongs / 2 - 0.5) / math.sqrt(2 * variance))


def threshold_at(
    level: float, levels: Sequence[float], thresholds: Sequence[float], what: str, thing: str = "image"
) -> float:
    """The threshold of the smallest level that is no less than the one asked for.

    Args:
        level: What is asked for.
        levels: Rising.
        thresholds: Of the first levels; there may be fewer.
        what: Coverage or accuracy, for the message.
        thing: What a row is called in it.

    Raises:
        DataError: The level is no share, or there is no threshold for so much.
    """
    if not 0 < level < 1:
        raise DataError(f"{what} must be above 0 and below 1, not {level:g}", hint="such as 0.95")
    known = list(zip(levels, thresholds, strict=False))
    found = next((threshold for each, threshold in known if each >= level - 1e-9), None)
    if found is None:
        most = f"{known[-1][0]:.1%} at most" if known else "none"
        raise DataError(
            f"{what} of {level:.4g} cannot be promised by this model: {most}",
            hint=f"choose a lower level; a higher one needs more {thing}s or a better model",
        )
    return found
