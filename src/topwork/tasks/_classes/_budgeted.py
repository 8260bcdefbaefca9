"""The options of every climb: how much time there is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from topwork._options import budget_option
from topwork.errors import DataError

_BUDGET = 300.0  # seconds, where nobody says otherwise


@dataclass(frozen=True)
class Budgeted:
    """Seconds for everything; a DataError where that is no time that can be spent."""

    budget_seconds: Annotated[
        float, budget_option("Time for everything, including fine-tuning, such as 90s or 5m; 5m if not given.")
    ] = _BUDGET

    def __post_init__(self) -> None:
        if not 0 < self.budget_seconds < math.inf:
            raise DataError(f"the budget must be a finite number of seconds above 0, not {self.budget_seconds}")
