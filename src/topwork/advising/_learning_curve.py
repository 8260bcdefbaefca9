"""The learning curve: what more images would bring, from nested subsets of features that are there already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.advising._budget import BudgetClock
from topwork.advising._comparison import ClassWeight, fit_head, stratified_order
from topwork.data import k_folds
from topwork.features import FeatureTable
from topwork.metrics import Estimate, exceeds_zero

Doubles = npt.NDArray[np.float64]

_FOLDS = 5
_POINTS = 5
_FEWEST = 4  # images a class at the smallest point, on average
_DRAWS = 200
_AHEAD = (2, 4)  # times the images there are
_FARTHEST = 1000  # times the images there are, beyond which "never" is said
_NAMED = 3  # classes that would gain most


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
        accuracy: With bounds: of all laws and of resampled images, measured on as many others as there are now.
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
        points: Measured.
        ahead: Expected.
        target: An accuracy: half of the errors at the last point.
        needed: Images for that, by the most and by the least hopeful law; None where a law never gets there.
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


def forecast(train: FeatureTable, class_weight: ClassWeight, seed: int, clock: BudgetClock) -> Forecast | None:
    """Draw the curve and extend it.

    Args:
        train: What the head reads of the training images.
        class_weight: Of the heads.
        seed: Of folds, subsets and draws.
        clock: When there is no time left, there is no forecast.

    Returns:
        None where the images are too few for three points, or the time was up.
    """
    sizes = _sizes(len(train), len(train.dataset.classes))
    if len(sizes) < 3:
        return None
    hits = _hits(train, sizes, class_weight, seed, clock)
    if hits is None:
        return None
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(train), size=(_DRAWS, len(train)))
    errors = 1 - np.stack([hits[:, rows].mean(axis=1) for rows in drawn])
    images = np.array(sizes, np.float64)
    laws = fit_laws(images, errors)
    central = fit_laws(images, 1 - hits.mean(axis=1)[None])
    target = float((1 + hits[-1].mean()) / 2)
    return Forecast(
        points=tuple(Point(size, float(row.mean())) for size, row in zip(sizes, hits, strict=True)),
        ahead=tuple(_ahead(times * len(train), laws, central, len(train), rng) for times in _AHEAD),
        target=target,
        needed=_needed(central, target, len(train)),
        classes=_gains(hits, train),
    )


def _sizes(images: int, classes: int) -> list[int]:
    """Sizes of the subsets: halves of what a fold leaves to learn from."""
    most = images * (_FOLDS - 1) // _FOLDS
    found = [most // 2**step for step in range(_POINTS)]
    return sorted(size for size in found if size >= _FEWEST * classes)


def _hits(
    train: FeatureTable, sizes: Sequence[int], class_weight: ClassWeight, seed: int, clock: BudgetClock
) -> npt.NDArray[np.bool_] | None:
    """(P, N) whether each image is named right by a head that learnt from so many others."""
    folds = k_folds(train.dataset, _FOLDS, seed=seed)
    labels = train.dataset.labels
    hits = np.zeros((len(sizes), len(train)), np.bool_)
    for fold in range(_FOLDS):
        out = folds == fold
        rest = np.flatnonzero(~out)
        order = rest[stratified_order(labels[rest], seed + fold)]
        for place, size in enumerate(sizes):
            rows = np.sort(order[:size])
            if clock.left == 0 or len(np.unique(labels[rows])) < 2:
                return None
            head = fit_head(train.select(rows), class_weight=class_weight, seed=seed).head
            hits[place, out] = head.logits(train.values[out]).argmax(axis=1) == labels[out]
    return hits


def _ahead(
    images: int, laws: Sequence[FittedLaw], central: Sequence[FittedLaw], seen: int, rng: np.random.Generator
) -> Ahead:
    place = np.array([images], np.float64)
    found = np.concatenate([1 - law.predict(place)[:, 0] for law in laws])
    noise = rng.standard_normal(len(found)) * np.sqrt(found * (1 - found) / seen)  # of those who will measure it
    low, high = np.quantile(np.clip(found + noise, 0, 1), [0.025, 0.975])
    middle = float(np.median([1 - law.predict(place)[0, 0] for law in central]))
    return Ahead(images, Estimate(middle, min(middle, float(low)), max(middle, float(high))))


def _needed(central: Sequence[FittedLaw], target: float, seen: int) -> tuple[int | None, int | None]:
    """Images at which each law reaches the target: the fewest and the most; None for never."""
    places = seen * np.geomspace(1, _FARTHEST, 400)
    found: list[int | None] = []
    for law in central:
        reached = np.flatnonzero(1 - law.predict(places)[0] >= target)
        found.append(round(float(places[reached[0]])) if reached.size else None)
    known = [each for each in found if each is not None]
    return (min(known) if known else None), (max(known) if len(known) == len(found) else None)


def _gains(hits: npt.NDArray[np.bool_], train: FeatureTable) -> tuple[ClassGain, ...]:
    """Classes whose recall rose by more than a standard error when the images were doubled last."""
    change = hits[-1].astype(np.float64) - hits[-2]
    found = []
    for label, name in enumerate(train.dataset.classes):
        own = change[train.dataset.labels == label]
        if exceeds_zero(own):
            found.append(ClassGain(name, float(own.mean())))
    return tuple(sorted(found, key=lambda each: -each.gain)[:_NAMED])


_EXPONENTS = np.linspace(0.05, 1.5, 30)
_EDGE = 1e-3  # a logit of 0 or 1 is not finite


@dataclass(frozen=True, eq=False)
class FittedLaw:
    """A law fitted to B curves.

    Attributes:
        name: Of the law.
        predict: Images (M,) to errors (B, M), from 0 to 1.
    """

    name: str
    predict: Callable[[Doubles], Doubles]


def fit_laws(images: Doubles, errors: Doubles) -> list[FittedLaw]:
    """Fit every law to each curve, by least squares, the larger sizes weighing more: they are nearer to what is asked.

    A power law that falls to zero, one that falls to a floor, and a straight line of the logit over the logarithm: one
    law alone is too sure of itself (arXiv 2303.01598 tells of a case where it was wrong twelvefold).

    Args:
        images: (P,) sizes, at least three.
        errors: (B, P) errors of B curves, 0 to 1.
    """
    return [_power(images, errors, floor=False), _power(images, errors, floor=True), _logit(images, errors)]


def _power(images: Doubles, errors: Doubles, *, floor: bool) -> FittedLaw:
    """Error = a + b * images ** -c with a, b >= 0; a = 0 without a floor."""
    weights = images / images.sum()
    best = np.full(len(errors), np.inf)
    found = np.zeros((len(errors), 3))
    for exponent in _EXPONENTS:
        falling = images**-exponent
        for a, b in _coefficients(falling, errors, weights, floor=floor):
            misses = ((errors - a[:, None] - b[:, None] * falling) ** 2) @ weights
            better = (misses < best) & (a >= 0) & (b >= 0)
            best[better] = misses[better]
            found[better] = np.stack([a, b, np.full(len(a), exponent)], axis=1)[better]
    a, b, c = found.T[:, :, None]
    return FittedLaw("power to a floor" if floor else "power", lambda n: np.clip(a + b * n[None] ** -c, 0, 1))


def _coefficients(falling: Doubles, errors: Doubles, weights: Doubles, *, floor: bool) -> list[tuple[Doubles, Doubles]]:
    """(a, b) of each curve for one exponent: without a floor; with one; and the floor alone."""
    zero = np.zeros(len(errors))
    alone = (zero, (errors * falling) @ weights / (falling**2 @ weights))
    if not floor:
        return [alone]
    mean, level = falling @ weights, errors @ weights
    b = ((errors - level[:, None]) * (falling - mean)) @ weights / (((falling - mean) ** 2) @ weights)
    return [alone, (level - b * mean, b), (level, zero)]


def _logit(images: Doubles, errors: Doubles) -> FittedLaw:
    """Logit of the accuracy = a + b * ln(images) with b >= 0."""
    weights = images / images.sum()
    shares = np.clip(1 - errors, _EDGE, 1 - _EDGE)
    heights, places = np.log(shares / (1 - shares)), np.log(images)
    centre = places @ weights
    spread = ((places - centre) ** 2) @ weights
    b = np.maximum((heights - (heights @ weights)[:, None]) * (places - centre) @ weights / spread, 0)
    a = heights @ weights - b * centre
    return FittedLaw("logit", lambda n: 1 / (1 + np.exp(a[:, None] + b[:, None] * np.log(n)[None])))
