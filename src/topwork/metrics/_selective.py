"""How sure to be before answering: prediction sets with a promised coverage, and when to abstain.

Both are read off images that the classifier has not learnt from (the calibration images), and are of images like those.
Coverage holds on average whatever the classifier. The accuracy of answers holds on average where the classifier is
surer of right answers than of wrong ones; where it is not shown to be, no more is promised than all answers keep.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.errors import DataError

from ._checks import check_probabilities
from ._intervals import share_of
from ._values import Estimate

LEVELS = (*(step / 100 for step in range(50, 100)), 0.995, 0.999)
"""Coverages and accuracies that may be promised."""


SHOWN = (0.9, 0.95, 0.99)
"""Of them, those that are measured on held-out images."""

_CHANCE = 0.05  # from which p-value on confidence is not taken to order the answers


@dataclass(frozen=True)
class Kept:
    """How a promise was kept on images that took no part in making it.

    Attributes:
        level: What was promised: of the sets their coverage, of the answers their accuracy.
        coverage: Share of images whose true class is in the set.
        size: Mean number of classes in a set.
        answered: Share of images that are answered; None where so much accuracy cannot be promised.
        accuracy: Share of right answers among them; None where there are none.
    """

    level: float
    coverage: Estimate
    size: float
    answered: Estimate | None
    accuracy: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "level": self.level,
            "coverage": self.coverage.to_dict(),
            "size": self.size,
            "answered": self.answered.to_dict() if self.answered else None,
            "accuracy": self.accuracy.to_dict() if self.accuracy else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Kept:
        """What `to_dict` gave.

        Raises:
            DataError: A field is missing or is no figure.
        """
        try:
            answered, accuracy = (
                Estimate.from_dict(data[name]) if data[name] else None for name in ("answered", "accuracy")
            )
            return cls(
                float(data["level"]), Estimate.from_dict(data["coverage"]), float(data["size"]), answered, accuracy
            )
        except (KeyError, TypeError, ValueError) as wrong:
            raise DataError(f"not a saved promise: {wrong}") from wrong


def kept(
    probabilities: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    *,
    levels: Sequence[float],
    sets: Sequence[float],
    answers: Sequence[float],
    shown: Sequence[float] = SHOWN,
) -> tuple[Kept, ...]:
    """Measure promises on labelled images.

    Args:
        probabilities: (N, C) of images that took no part in making the promises.
        labels: (N,) class indices.
        levels: Of the promises.
        sets: What `set_thresholds` gave for them.
        answers: What `answer_thresholds` gave for them; there may be fewer.
        shown: Levels to measure.

    Raises:
        DataError: As in `log_loss`.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    places = [place for place, level in enumerate(levels) if level in shown]
    return tuple(
        _kept(probabilities, labels, levels[place], sets[place], answers[place] if place < len(answers) else None)
        for place in places
    )


def _kept(
    probabilities: npt.NDArray[Any], labels: npt.NDArray[Any], level: float, set_from: float, answer_from: float | None
) -> Kept:
    inside = prediction_sets(probabilities, set_from)
    covered = int(inside[np.arange(len(labels)), labels].sum())
    coverage, size = share_of(covered, len(labels)), float(inside.sum(axis=1).mean())
    if answer_from is None:
        return Kept(level, coverage, size, None, None)
    said = probabilities.max(axis=1) >= answer_from
    right, count = int((probabilities.argmax(axis=1) == labels)[said].sum()), int(said.sum())
    return Kept(level, coverage, size, share_of(count, len(labels)), share_of(right, count) if count else None)


def set_thresholds(
    probabilities: npt.NDArray[Any], labels: npt.NDArray[Any], levels: Sequence[float] = LEVELS
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
        A threshold for each level; 0, which lets in every class, where n images are too few to promise it.

    Raises:
        DataError: As in `log_loss`.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    own = np.sort(probabilities[np.arange(len(labels)), labels])[::-1].astype(np.float64)
    places = [math.ceil(round((len(own) + 1) * level, 9)) for level in levels]
    return tuple(float(own[place - 1]) if place <= len(own) else 0.0 for place in places)


def prediction_sets(probabilities: npt.NDArray[Any], threshold: float) -> npt.NDArray[np.bool_]:
    """Which classes (N, C) belong to each image's set: those from the threshold on, and always the likeliest."""
    inside: npt.NDArray[np.bool_] = probabilities >= threshold
    inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
    return inside


def answer_thresholds(
    probabilities: npt.NDArray[Any], labels: npt.NDArray[Any], levels: Sequence[float] = LEVELS
) -> tuple[float, ...]:
    """The probability from which to answer, for each accuracy of the answers given.

    Images stand by falling probability of their predicted class; as many are answered as keep (wrong + 1) / (answered +
    1) within the error allowed. The one more of both is the next image, whose answer nobody has checked. Source of
    selective classification: Geifman & El-Yaniv 2017, "Selective Classification for Deep Neural Networks"; theirs is a
    bound with high probability, which 300 images seldom give for 99 %.

    This one needs fewer images and is no guarantee: it holds on average where confidence orders the answers, right ones
    above wrong ones. Where it does not, the best of many prefixes is luck. So beyond what all answers together keep
    nothing is promised unless Mann and Whitney's test tells the right ones from the wrong ones at 5 %.

    Args:
        probabilities: (n, C) of calibration images.
        labels: (n,) class indices.
        levels: Accuracies, rising, between 0 and 1.

    Returns:
        A rising threshold for each level, up to the highest one that can be promised.

    Raises:
        DataError: As in `log_loss`.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    confidence = probabilities.max(axis=1).astype(np.float64)
    order = np.argsort(-confidence, kind="stable")
    confidence = confidence[order]
    right = (probabilities.argmax(axis=1) == labels)[order]
    error = (np.cumsum(~right) + 1) / (np.arange(len(labels)) + 2)
    if order_p_value(confidence, right) > _CHANCE:
        error[:-1] = np.inf  # all together, or none
    error[np.append(confidence[1:] == confidence[:-1], False)] = np.inf  # images of one probability go together
    found: list[float] = []
    for level in levels:
        within = np.flatnonzero(error <= 1 - level + 1e-12)
        if not within.size:
            break
        found.append(max(float(confidence[within[-1]]), found[-1] if found else 0.0))
    return tuple(found)


def order_p_value(confidence: npt.NDArray[Any], right: npt.NDArray[np.bool_]) -> float:
    """How often chance alone lets right answers stand so far above wrong ones; 1 where there is only one kind.

    Mann & Whitney 1947, "On a test of whether one of two random variables is stochastically larger than the other",
    one-sided, by its normal approximation with ties and a correction for continuity.

    Args:
        confidence: (n,) of answers.
        right: (n,) whether each is.
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


def promised(level: float, levels: Sequence[float], thresholds: Sequence[float], what: str) -> float:
    """The threshold of the smallest level that is no less than the one asked for.

    Args:
        level: What is asked for.
        levels: Rising.
        thresholds: Of the first levels; there may be fewer.
        what: Coverage or accuracy, for the message.

    Raises:
        DataError: It is no share, or more than can be promised.
    """
    if not 0 < level < 1:
        raise DataError(f"{what} must be above 0 and below 1, not {level:g}", hint="such as 0.95")
    kept = list(zip(levels, thresholds, strict=False))
    found = next((threshold for each, threshold in kept if each >= level - 1e-9), None)
    if found is None:
        most = f"{kept[-1][0]:.1%} at most" if kept else "none"
        raise DataError(
            f"this model can promise no {what} of {level:.4g}: {most}",
            hint="ask for less: more takes more images, or a model that is surer where it is right",
        )
    return found
