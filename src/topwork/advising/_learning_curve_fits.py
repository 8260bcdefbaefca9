"""Laws that a learning curve may follow. Arrays in, arrays out; several curves are fitted at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

_EXPONENTS = np.linspace(0.05, 1.5, 30)
_EDGE = 1e-3  # a logit of 0 or 1 is not finite


@dataclass(frozen=True, eq=False)
class Fitted:
    """A law fitted to B curves.

    Attributes:
        name: Of the law.
        predict: Images (M,) to errors (B, M), from 0 to 1.
    """

    name: str
    predict: Callable[[Doubles], Doubles]


def fit_laws(images: Doubles, errors: Doubles) -> list[Fitted]:
    """Fit every law to each curve, by least squares, the larger sizes weighing more: they are nearer to what is asked.

    A power law that falls to zero, one that falls to a floor, and a straight line of the logit over the logarithm: one
    law alone is too sure of itself (arXiv 2303.01598 tells of a case where it was wrong twelvefold).

    Args:
        images: (P,) sizes, at least three.
        errors: (B, P) errors of B curves, 0 to 1.
    """
    return [_power(images, errors, floor=False), _power(images, errors, floor=True), _logit(images, errors)]


def _power(images: Doubles, errors: Doubles, *, floor: bool) -> Fitted:
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
    return Fitted("power to a floor" if floor else "power", lambda n: np.clip(a + b * n[None] ** -c, 0, 1))


def _coefficients(falling: Doubles, errors: Doubles, weights: Doubles, *, floor: bool) -> list[tuple[Doubles, Doubles]]:
    """(a, b) of each curve for one exponent: without a floor; with one; and the floor alone."""
    zero = np.zeros(len(errors))
    alone = (zero, (errors * falling) @ weights / (falling**2 @ weights))
    if not floor:
        return [alone]
    mean, level = falling @ weights, errors @ weights
    b = ((errors - level[:, None]) * (falling - mean)) @ weights / (((falling - mean) ** 2) @ weights)
    return [alone, (level - b * mean, b), (level, zero)]


def _logit(images: Doubles, errors: Doubles) -> Fitted:
    """Logit of the accuracy = a + b * ln(images) with b >= 0."""
    weights = images / images.sum()
    shares = np.clip(1 - errors, _EDGE, 1 - _EDGE)
    heights, places = np.log(shares / (1 - shares)), np.log(images)
    centre = places @ weights
    spread = ((places - centre) ** 2) @ weights
    b = np.maximum((heights - (heights @ weights)[:, None]) * (places - centre) @ weights / spread, 0)
    a = heights @ weights - b * centre
    return Fitted("logit", lambda n: 1 / (1 + np.exp(a[:, None] + b[:, None] * np.log(n)[None])))
