"""The numbers of a training: where it stands, what each epoch gave, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from topwork.train._schedule import Pace, Plateau

Reason = Literal["epochs", "patience", "budget", "not finite", "interrupted"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(_Frozen):
    """What a validation gave.

    Attributes:
        loss: Mean over the samples; by default cross-entropy in nats, without smoothing or weights.
        accuracy: Mean of how right the model is; by default the share of samples whose class has the highest logit.
        samples: Number of them.
    """

    loss: float
    accuracy: float
    samples: int

    def beats(self, other: Score) -> bool:
        """Whether it is better: by accuracy, then by loss."""
        return (self.accuracy, -self.loss) > (other.accuracy, -other.loss)


class EpochRecord(_Frozen):
    """One epoch; a line of ``history.jsonl``.

    Attributes:
        epoch: From 1.
        step: Steps of the optimizer so far.
        loss: Mean training loss over the epoch's samples, with smoothing, weights and mixing.
        validation_loss: See ``Score``.
        accuracy: On the validation split.
        learning_rate: Of the layer nearest the output, at the last step.
        seconds: The epoch took, validation included.
        samples_per_second: In its training steps, waiting for data included.
    """

    epoch: int
    step: int
    loss: float
    validation_loss: float
    accuracy: float
    learning_rate: float
    seconds: float
    samples_per_second: float


class State(BaseModel):
    """Where a training stands. With the tensors this is all that a checkpoint needs: no generator runs along."""

    model_config = ConfigDict(extra="forbid")

    epoch: int = 0  # done
    batch: int = 0  # steps done in this epoch
    step: int = 0  # done
    samples: int = 0  # seen in this epoch
    loss_sum: float = 0.0  # over them
    learning_rate: float = 0.0  # of the layer nearest the output, at the last step
    epoch_seconds: float = 0.0  # spent in this epoch's steps
    seconds: float = 0.0  # spent in all, over all resumptions
    epoch_end_seconds: float = 0.0  # that the latest validation and checkpoint took
    pace: Pace
    plateau: Plateau = Plateau()
    start: Score | None = None  # the model before the first step
    best: Score | None = None  # perhaps the start
    best_epoch: int = 0  # 0 is the start
    history: list[EpochRecord] = []
    stopped: Reason | None = None  # None while it goes on


@dataclass(frozen=True)
class Progress:
    """What a training tells after a step.

    Attributes:
        epoch: From 1.
        epochs: As many as the configuration allows.
        step: Steps done.
        steps: Of the whole training, as planned now.
        loss: Mean over this epoch so far.
        samples_per_second: In this epoch so far.
        seconds_left: Estimate; None before there is one.
        record: The epoch's, after its last step and validation.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    samples_per_second: float
    seconds_left: float | None
    record: EpochRecord | None = None


@dataclass(frozen=True)
class TrainResult:
    """How a training ended. The model holds the best weights.

    Attributes:
        start: The model before the first step.
        best: The weights that were kept.
        best_epoch: From 1; 0 where no epoch beat the start.
        history: An entry an epoch.
        steps: Steps done.
        seconds: Spent, over all resumptions.
        stopped: Why it ended.
        notes: What the user should be told.
    """

    start: Score
    best: Score
    best_epoch: int
    history: tuple[EpochRecord, ...]
    steps: int
    seconds: float
    stopped: Reason
    notes: tuple[str, ...]

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.stopped == "interrupted"
