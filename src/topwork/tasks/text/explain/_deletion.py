"""Deletion curves: does the answer go when the words go that are said to carry it?

Source: Samek et al. 2017, "Evaluating the Visualization of What a Deep Neural Network Has Learned", for words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topwork._arrays import Float64Array
from topwork.tasks.text.explain._question import Question

_STEPS = 10  # at which words are left out, as many at each
_ORDERS = 10  # random orders to compare with


@dataclass(frozen=True)
class Deletion:
    """The probability of a class while words are left out, the weightiest first.

    Attributes:
        shares: How much of the words is left out at each step, from 0 to 1.
        probability: At each step.
        area: Under that curve, from 0 to 1; the smaller, the better the words are told.
        random_area: The same in random orders, on average.
    """

    shares: tuple[float, ...]
    probability: tuple[float, ...]
    area: float
    random_area: float

    @property
    def holds(self) -> bool:
        """Whether the words that are told do more than random ones."""
        return self.area < self.random_area


def deletion(question: Question, weights: Float64Array, *, seed: int = 0) -> Deletion | None:
    """Leave the words out in the order of their weights, and in random orders; None of a single word."""
    count = len(weights)
    if count < 2:
        return None
    rng = np.random.default_rng(seed)
    orders = [np.argsort(-weights, kind="stable"), *(rng.permutation(count) for _ in range(_ORDERS))]
    ends = np.unique(np.linspace(0, count, min(count, _STEPS) + 1).round().astype(int))
    margins = question.margins(question.without([order[:end].tolist() for order in orders for end in ends]))
    curves = (1 / (1 + np.exp(-margins))).reshape(len(orders), len(ends))
    shares = ends / count
    areas: Float64Array = np.trapezoid(curves, shares, axis=1)  # type: ignore[assignment]
    first = tuple(float(each) for each in curves[0])
    return Deletion(tuple(shares.tolist()), first, float(areas[0]), float(areas[1:].mean()))
