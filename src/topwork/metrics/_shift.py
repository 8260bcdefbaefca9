"""Whether new images are like the training images: a test of how many of them lie far out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from topwork._arrays import AnyArray, Float64Array

from ._values import Saved

FALSE_ALARMS = 0.05
"""How often an image, or a batch of images, that is like the training images is called unlike them."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Shift(Saved):
    """How a batch of images compares with the training images.

    Attributes:
        images: How many were looked at.
        unfamiliar: How many of them are farther out than 95 % of training images are.
        p_value: How often a batch of the training images' kind has so many or more of these.
    """

    images: int
    unfamiliar: int
    p_value: float

    _what = "shift"

    @property
    def alarm(self) -> bool:
        """Whether to warn: a batch like the training images does so in 5 % of cases at most."""
        return self.p_value <= FALSE_ALARMS + _ROUNDING

    def to_dict(self) -> dict[str, Any]:
        """The shift as JSON holds it, with the alarm."""
        return super().to_dict() | {"alarm": self.alarm}


def typicality(distances: AnyArray, reference: AnyArray) -> Float64Array:
    """The conformal p-value (N,) of each distance (N,): small where few images are as far out.

    Of M reference images, that the distance was not fitted on, (how many are at least as far out + 1) / (M + 1): of
    images like those it is below any share only that often. Source: Vovk, Gammerman & Shafer 2005, "Algorithmic
    Learning in a Random World".
    """
    ordered = np.sort(reference)
    farther = len(ordered) - np.searchsorted(ordered, distances, side="left")
    found: Float64Array = (farther + 1) / (len(ordered) + 1)
    return found


def shift(typicalities: AnyArray, references: int) -> Shift:
    """Whether a batch, by what `typicality` gave with M references, is as a whole unlike the training images.

    The number of new images beyond a quantile of M reference images follows a beta-binomial law, whatever the
    distances' own law is, where all of them are measured alike; so few reference images are no excuse, though the
    quantile itself is uncertain. A model's references are measured by fits on other folds, its new images by the fit on
    all, which lie a little closer to it: the test is then conservative, not exact.
    """
    unfamiliar = int((typicalities <= FALSE_ALARMS + _ROUNDING).sum())
    rank = math.floor(FALSE_ALARMS * (references + 1) + _ROUNDING)  # as many of M + 1 images may lie beyond
    p_value = _tail(unfamiliar, len(typicalities), float(rank), float(references + 1 - rank))
    return Shift(len(typicalities), unfamiliar, p_value)


def _tail(count: int, images: int, a: float, b: float) -> float:
    """P(K >= count) of the beta-binomial law with a, b > 0."""
    if count == 0:
        return 1.0

    def log_ways(k: int) -> float:
        choose = math.lgamma(images + 1) - math.lgamma(k + 1) - math.lgamma(images - k + 1)
        return choose + math.lgamma(k + a) + math.lgamma(images - k + b) - math.lgamma(images + a + b)

    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return min(1.0, math.fsum(math.exp(log_ways(k) - log_beta) for k in range(count, images + 1)))
