"""The learning curve: what more images would bring, from nested subsets of features that are there already.

The model is a Bayesian regression of one line: the log odds of an error fall by about the same with every doubling of
the images, which is a power law wherever errors are few. Few points of one small data set cannot tell how fast; many
data sets can, and what they showed is the prior (docs/decisions/advice.md). No line rises: more images never harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.advising._budget import BudgetClock
from topwork.advising._comparison import ClassWeight, fit_head, stratified_order
from topwork.data import k_folds_or_fewer
from topwork.features import FeatureTable
from topwork.metrics import Estimate, exceeds_zero

Doubles = npt.NDArray[np.float64]

AHEAD = (2, 4, 10)
"""Times the images there are; nothing is said of more than the last."""

VAGUE = 0.3
"""Width of an interval from which a forecast tells nothing."""

_FOLDS = 5
_POINTS = 5
_FEWEST = 3  # images a class at the smallest point, on average
_DRAWS = 4000
_NAMED = 3  # classes that would gain most

# Of the log odds of an error, over data sets: fitted on 16 tables by the forecasts' likelihood.
_LEVEL, _LEVELS = -2.0, 2.0  # mean and deviation at the images there are; wide, so that the data say it
_SLOPE, _SLOPES = 0.42, 0.20  # what a doubling takes off
_SUBSETS = 0.19  # deviation of one point by which images it learnt from


@dataclass(frozen=True)
class Point:
    """One point of the curve.

    Attributes:
        images: That were learnt from.
        accuracy: On all the others' folds.
    """

    images: int
    accuracy: float


@dataclass(frozen=True)
class Ahead:
    """What is expected at a size that is not there yet.

    Attributes:
        images: So many.
        accuracy: The median, with a 95 % interval of what will be measured on as many images.
    """

    images: int
    accuracy: Estimate


@dataclass(frozen=True)
class ClassGain:
    """A class whose images are found more often the more there are.

    Attributes:
        name: The class.
        gain: Recall gained by the latest doubling, 0 to 1.
    """

    name: str
    gain: float


@dataclass(frozen=True)
class Forecast:
    """What more images would bring on the same rung.

    Attributes:
        points: Measured; none where there are too few images of a class.
        ahead: Expected, the fewest images first, and never falling. What cannot be told from so few is left out.
        target: An accuracy: half of the errors of now.
        needed: Images for that: with a probability of 80 % at least the first and at most the second, which is None
            where it is more than can be told, ten times the images there are. Both None: nothing can be told, or no
            error is left to halve.
        classes: Which would gain most, the first one most.
    """

    points: tuple[Point, ...]
    ahead: tuple[Ahead, ...]
    target: float
    needed: tuple[int | None, int | None]
    classes: tuple[ClassGain, ...]

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Forecast:
        """What ``asdict`` gave."""
        least, most = fields["needed"]
        return cls(
            points=tuple(Point(**each) for each in fields["points"]),
            ahead=tuple(Ahead(each["images"], Estimate.from_dict(each["accuracy"])) for each in fields["ahead"]),
            target=fields["target"],
            needed=(least, most),
            classes=tuple(ClassGain(**each) for each in fields["classes"]),
        )


def forecast(
    train: FeatureTable, class_weight: ClassWeight, seed: int, clock: BudgetClock, *, now: float = 0.0
) -> Forecast | None:
    """Draw the curve and extend it.

    Args:
        train: What the head reads of the training images.
        class_weight: Of the heads.
        seed: Of folds, subsets and draws.
        clock: When there is no time left, there is no forecast.
        now: Accuracy that was told of the images there are; no more of them are promised less.

    Returns:
        None where the time was up; without points where a class has too few images, or all form too few groups.
    """
    folds = k_folds_or_fewer(train.dataset, _FOLDS, seed=seed)
    sizes = _sizes(len(train), len(train.dataset.classes))
    if folds is None or folds.max() + 1 < _FOLDS or not sizes:  # fewer folds would leave other sizes to learn from
        return Forecast((), (), (1 + now) / 2, (None, None), ())
    hits = _hits(train, folds, sizes, class_weight, seed, clock)
    if hits is None:
        return None
    points = tuple(Point(size, float(row.mean())) for size, row in zip(sizes, hits, strict=True))
    drawn = draw_curves(sizes, hits, len(train), np.random.default_rng(seed))
    return extended(points, drawn, max(now, points[-1].accuracy), _gains(hits, train))


def extended(points: tuple[Point, ...], drawn: Curves, now: float, classes: tuple[ClassGain, ...] = ()) -> Forecast:
    """What curves say of more images; no more of them are promised less than ``now``."""
    target = (1 + now) / 2
    ahead = tuple(_ahead(drawn, times * drawn.images, now) for times in AHEAD)
    told = tuple(each for each in ahead if each.accuracy.high - each.accuracy.low < VAGUE)
    errors_left = (1 - now) * drawn.images >= 1
    needed = _needed(drawn, target) if told and errors_left else (None, None)
    return Forecast(points, told, target, needed, classes)


def _sizes(images: int, classes: int) -> list[int]:
    """Sizes of the subsets: halves of what a fold leaves to learn from."""
    most = images * (_FOLDS - 1) // _FOLDS
    found = [most // 2**step for step in range(_POINTS)]
    return sorted(size for size in found if size >= _FEWEST * classes)


def _hits(
    train: FeatureTable,
    folds: npt.NDArray[np.int64],
    sizes: Sequence[int],
    class_weight: ClassWeight,
    seed: int,
    clock: BudgetClock,
) -> npt.NDArray[np.bool_] | None:
    """(P, N) whether each image is named right by a head that learnt from so many others; None without time."""
    labels = train.dataset.labels
    hits = np.zeros((len(sizes), len(train)), np.bool_)
    for fold in range(_FOLDS):
        out = folds == fold
        rest = np.flatnonzero(~out)
        order = rest[stratified_order(labels[rest], seed + fold)]
        for place, size in enumerate(sizes):
            if clock.left == 0:
                return None
            hits[place, out] = _answers(train, np.sort(order[:size]), out, class_weight, seed) == labels[out]
    return hits


def _answers(
    train: FeatureTable, rows: npt.NDArray[np.intp], out: npt.NDArray[np.bool_], class_weight: ClassWeight, seed: int
) -> npt.NDArray[Any]:
    """Classes of what is held out, by a head that learnt from those rows; one class alone is the answer."""
    labels = train.dataset.labels[rows]
    if (labels == labels[0]).all():
        return np.full(int(out.sum()), labels[0])
    head = fit_head(train.select(rows), class_weight=class_weight, seed=seed).head
    return np.asarray(head.logits(train.values[out]).argmax(axis=1))


@dataclass(frozen=True, eq=False)
class Curves:
    """Lines drawn from what is believed after the points were seen.

    Attributes:
        images: Those that there are.
        level: (D,) log odds of an error when all of them are learnt from.
        slope: (D,) by how much they fall with each doubling, at least 0.
    """

    images: int
    level: Doubles
    slope: Doubles

    def accuracy(self, images: float) -> Doubles:
        """(D,) accuracies with so many images."""
        return np.asarray(1 / (1 + np.exp(self.level - self.slope * np.log2(images / self.images))))

    def needed(self, accuracy: float) -> Doubles:
        """(D,) images for an accuracy, infinite where a line never gets there."""
        far = self.level - np.log(1 / accuracy - 1) if accuracy < 1 else np.full(len(self.level), np.inf)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.where(far <= 0, self.images, self.images * 2.0 ** (far / self.slope))


def draw_curves(sizes: Sequence[int], hits: npt.NDArray[np.bool_], images: int, rng: np.random.Generator) -> Curves:
    """Draw lines from the posterior of level and slope.

    The points are far from independent, as the same images test every size: their covariance is that of the hits,
    carried to log odds. Half an image that every head names right and half one that none does join them, so that a
    point without errors is neither infinite nor certain (Haldane 1956, Anscombe 1956).

    Args:
        sizes: P sizes of what was learnt from.
        hits: (P, N) whether each image was named right.
        images: That there are.
        rng: Of the draws.
    """
    wrong = 1.0 - hits
    share = (wrong.sum(axis=1) + 0.5) / (wrong.shape[1] + 1)
    apart = np.column_stack([wrong - share[:, None], np.sqrt(0.5) * (1 - share), -np.sqrt(0.5) * share])
    return curves_through(sizes, share, apart @ apart.T / (wrong.shape[1] + 1) ** 2, images, rng)


def curves_through(
    sizes: Sequence[float], share: Doubles, covariance: Doubles, images: int, rng: np.random.Generator
) -> Curves:
    """Draw lines from the posterior of level and slope.

    Args:
        sizes: P sizes of what was learnt from.
        share: (P,) of errors, above 0 and below 1.
        covariance: (P, P) of these shares.
        images: That there are.
        rng: Of the draws.
    """
    spread = share * (1 - share)
    noise = covariance / np.outer(spread, spread) + _SUBSETS**2 * np.eye(len(sizes))
    doublings = np.log2(np.array(sizes) / images)
    design = np.stack([np.ones(len(sizes)), -doublings], axis=1)
    mean, variance = np.array([_LEVEL, _SLOPE]), np.diag([_LEVELS**2, _SLOPES**2])
    gain = np.linalg.solve(design @ variance @ design.T + noise, design @ variance).T
    mean = mean + gain @ (np.log(share / (1 - share)) - design @ mean)
    variance = variance - gain @ design @ variance
    level, slope = rng.multivariate_normal(mean, (variance + variance.T) / 2, _DRAWS).T
    return Curves(images, level, np.maximum(slope, 0))


def _ahead(drawn: Curves, images: int, now: float) -> Ahead:
    found = drawn.accuracy(images)
    rng = np.random.default_rng(0)  # the same at every size, so that bounds never fall for chance alone
    measured = found + rng.standard_normal(len(found)) * np.sqrt(found * (1 - found) / images)
    low, high = np.quantile(np.clip(measured, 0, 1), [0.025, 0.975])
    middle = max(float(np.median(found)), now)
    return Ahead(images, Estimate(middle, min(middle, float(low)), max(middle, float(high))))


def _needed(drawn: Curves, target: float) -> tuple[int, int | None]:
    """Images at which the target is reached: nine of ten lines need the first at least, and the second at most."""
    farthest = AHEAD[-1] * drawn.images
    least, most = np.quantile(drawn.needed(target), [0.1, 0.9], method="higher")
    return round(min(float(least), farthest)), round(float(most)) if most <= farthest else None


def _gains(hits: npt.NDArray[np.bool_], train: FeatureTable) -> tuple[ClassGain, ...]:
    """Classes whose recall rose by more than a standard error when the images were doubled last."""
    if len(hits) < 2:
        return ()
    change = hits[-1].astype(np.float64) - hits[-2]
    found = []
    for label, name in enumerate(train.dataset.classes):
        own = change[train.dataset.labels == label]
        if exceeds_zero(own):
            found.append(ClassGain(name, float(own.mean())))
    return tuple(sorted(found, key=lambda each: -each.gain)[:_NAMED])
