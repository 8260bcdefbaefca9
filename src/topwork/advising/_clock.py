"""The budget: when it began, what is left of it."""

from __future__ import annotations

import time


class Clock:
    """Time since it was made, against a budget.

    Args:
        budget: Seconds.
    """

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self._began = self._lap = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self._began

    @property
    def left(self) -> float:
        """Seconds of the budget that are left; never below zero."""
        return max(0.0, self.budget - self.spent)

    def lap(self) -> float:
        """Seconds since it was asked last."""
        before, self._lap = self._lap, time.perf_counter()
        return self._lap - before
