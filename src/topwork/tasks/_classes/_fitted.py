"""What every strategy of a task with classes gives; each adds what it alone knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from topwork.advising import (
    Advice,
    OutOfFold,
    Trial,
    from_logits,
    held_out_losses,
    mean_or_none,
    method_trials,
    training_rows,
)
from topwork.features import FeatureTable
from topwork.heads import Head, LinearFit, MLPFit

if TYPE_CHECKING:
    from topwork.train import EpochRecord


@dataclass(frozen=True)
class Fitted:
    """A head, what it reads, and why it is this one.

    Attributes:
        head: Features to probabilities.
        table: Features of every row of the data set, in the columns that the head reads.
        trials: What was compared on the way, the winners marked.
        cv_accuracy: The head's own out-of-fold accuracy on the training split; None where it was not cross-validated.
        cv_log_loss: Its log loss there, in nats, after the temperature; None for kNN too, whose shares may be zero.
        out_of_fold: What it says of rows that it has not learnt from; None for too few.
        history: What each epoch of a training gave.
        notes: What the user should know.
        advice: Of the climb that chose the strategy; None where it was named.
    """

    head: Head
    table: FeatureTable
    trials: tuple[Trial, ...] = ()
    cv_accuracy: float | None = None
    cv_log_loss: float | None = None
    out_of_fold: OutOfFold | None = None
    history: tuple[EpochRecord, ...] = ()
    notes: tuple[str, ...] = ()
    advice: Advice | None = None

    strategy: ClassVar[str] = "probe"

    @property
    def head_kind(self) -> str:
        """What is written down as ``head``."""
        return self.head.kind

    @property
    def cross_validation(self) -> dict[str, float]:
        """Scores out of fold, those that were measured."""
        scores = {"accuracy": self.cv_accuracy, "log_loss": self.cv_log_loss}
        return {name: value for name, value in scores.items() if value is not None}

    @property
    def facts(self) -> Mapping[str, Any]:
        """Fields of the record's block that this strategy alone can fill."""
        return {}


class Probe(Fitted):
    """A head on frozen features."""


def probe_of(table: FeatureTable, fitted: LinearFit | MLPFit, trials: tuple[Trial, ...]) -> Probe:
    """The probe of a head that was fitted on the split ``train`` of a table."""
    train = table.split("train")
    log_loss = mean_or_none(held_out_losses(fitted, train))
    held = fitted.held_out
    logits = fitted.oof_logits[held] / np.float32(fitted.head.temperature)
    out_of_fold = from_logits("cross-validation", training_rows(table)[held], logits)
    if isinstance(fitted, LinearFit):
        trials = (*trials, *method_trials(fitted))
    return Probe(fitted.head, table, trials, fitted.cv_accuracy, log_loss, out_of_fold)
