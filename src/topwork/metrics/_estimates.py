"""A figure with the interval of its resamples; where these do not differ, with what so many images leave open."""

from __future__ import annotations

import numpy as np

from topwork._arrays import Float64Array

from ._intervals import SAME, around, percentiles, wilson_interval
from ._paired import unparted
from ._values import Estimate


def share(value: float, drawn: Float64Array, images: int) -> Estimate | None:
    """Of a figure from 0 to 1 and its resamples (r,); None where it is none."""
    if not np.isfinite(value):
        return None
    low, high = _spread(drawn)
    if high - low <= SAME:
        low, high = wilson_interval(round(value * images), images)
    return around(float(value), (low, high))


def rate(value: float, drawn: Float64Array, images: int) -> Estimate:
    """Of a number an image, which is 0 or more."""
    found = offset(value, drawn, images)
    return Estimate(found.value, max(0.0, found.low), found.high)


def offset(value: float, drawn: Float64Array, images: int) -> Estimate:
    """Of a number an image, which may be below 0."""
    low, high = _spread(drawn)
    if high - low <= SAME:
        open_ = wilson_interval(0, images)[1]
        low, high = value - open_, value + open_
    return around(float(value), (low, high))


def difference(value: float, drawn: Float64Array, images: int) -> Estimate | None:
    """Of a difference from -1 to 1; None where it is none."""
    if not np.isfinite(value):
        return None
    low, high = _spread(drawn)
    return unparted(float(value), images) if high - low <= SAME else around(float(value), (low, high))


def _spread(drawn: Float64Array) -> tuple[float, float]:
    """Resamples without an object of a class say nothing of it; nor do any where all are."""
    known = drawn[np.isfinite(drawn)]
    return percentiles(known) if known.size else (0.0, 0.0)
