"""A budget of time that does not depend on how busy the machine is."""

from __future__ import annotations

from topwork.advising import BudgetClock


class Still(BudgetClock):
    """One of which nothing is ever spent."""

    @property
    def spent(self) -> float:
        return 0.0
