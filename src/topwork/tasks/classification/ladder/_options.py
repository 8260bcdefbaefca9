"""What may be asked of advice."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated

from topwork._options import Option, budget_option
from topwork.errors import DataError
from topwork.tasks.classification.strategies import FinetuneOptions, ProbeOptions

BUDGET = 300.0
"""Seconds, where nobody says otherwise."""


@dataclass(frozen=True)
class AdviceOptions:
    """How far to climb, and how.

    A rung that has begun is finished, so a small budget may be overdrawn by the first rung, without which nothing could
    be said. ``unfreeze``, where it is a number or ``all``, leaves one rung of fine-tuning; what all rungs share
    (engine, cache, seed, class weights) stands in ``finetune.probe``. The description and the learning curve
    (``describe``) are good to know, and not needed for the choice.
    """

    budget_seconds: Annotated[
        float, budget_option("Time for all of it, fine-tuning included, such as 90s or 5m; 5m if not given.")
    ] = BUDGET
    describe: Annotated[
        bool, Option("Whether to say how far the data lie from the network's, and to forecast.", None)
    ] = True
    finetune: Annotated[FinetuneOptions, Option("Of the rungs of fine-tuning.")] = field(
        default_factory=FinetuneOptions
    )

    def __post_init__(self) -> None:
        if not 0 < self.budget_seconds < math.inf:
            raise DataError(f"a budget must be more than 0 seconds, and finite, not {self.budget_seconds}")

    @property
    def probe(self) -> ProbeOptions:
        """What all rungs share."""
        return self.finetune.probe

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        return self.probe.seed
