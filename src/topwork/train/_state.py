"""The numbers of a training: where it stands, what each epoch gave, how it ended; the learning rate's course, by how
much is done, and how many steps a budget of seconds allows.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from topwork.train._config import TrainConfig

# The values of torch's OneCycleLR (Smith and Topin 2017, arXiv:1708.07120) and ReduceLROnPlateau.
_START = 1 / 25  # of the peak, where a warm-up begins
_END = _START / 1e4
_LEAST_GAIN = 1e-4  # of the loss, relative
_NEWEST = 0.2  # weight of the newest measurement in the mean step time

Reason = Literal["epochs", "patience", "budget", "not finite", "diverged", "interrupted"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(_Frozen):
    """What a validation gave.

    Attributes:
        loss: Mean over the samples; by default cross-entropy in nats, without smoothing or weights.
        accuracy: Mean of how right the model is; by default the share of samples whose class has the highest logit.
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


class Pace(_Frozen):
    """How the share that is done grows with the steps: from a known point straight to 1 at the last step.

    When a budget changes the number of steps, the curve goes on from where it is, faster or slower, without a jump.
    """

    step: int = 0  # at the known point
    share: float = 0.0  # of the training done there
    total: int

    def share_at(self, step: int) -> float:
        """Share of the training done at a step."""
        left = self.total - self.step
        return 1.0 if left <= 0 else self.share + (1 - self.share) * ((step - self.step) / left)

    def refitted(self, step: int, total: int) -> Pace:
        """The same curve from ``step`` on, ending at another last step."""
        return self if total == self.total else Pace(step=step, share=self.share_at(step), total=total)


class Plateau(_Frozen):
    """What ``schedule="plateau"`` remembers: the rate falls when the validation loss has not for some epochs."""

    factor: float = 1.0  # on the learning rate
    lowest: float | None = None  # loss seen
    waited: int = 0  # epochs since then

    def after(self, loss: float, config: TrainConfig) -> Plateau:
        """What to remember after an epoch with this validation loss."""
        if self.lowest is None or loss < self.lowest * (1 - _LEAST_GAIN):
            return Plateau(factor=self.factor, lowest=loss)
        if self.waited < config.plateau_patience:
            return self.model_copy(update={"waited": self.waited + 1})
        return Plateau(factor=self.factor * config.plateau_factor, lowest=self.lowest)


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
        best_epoch: From 1; 0 where no epoch beat the start.
        seconds: Spent, over all resumptions.
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


def multiplier_at(share: float, config: TrainConfig) -> float:
    """Factor on the peak rate when a share of the training, from 0 to 1, is done."""
    if share < config.warmup:
        risen = share / config.warmup
        return _START + (1 - _START) * (1 - _half_cosine(risen) if config.schedule == "one-cycle" else risen)
    if config.schedule in ("constant", "plateau"):
        return 1.0
    end = _END if config.schedule == "one-cycle" else 0.0
    return end + (1 - end) * _half_cosine((share - config.warmup) / (1 - config.warmup))


def _half_cosine(share: float) -> float:
    """Half a wave, from 1 at share 0 down to 0 at share 1."""
    return (1 + math.cos(math.pi * min(share, 1.0))) / 2


def affordable_steps(seconds: float, step: float, epoch_end: float, to_epoch_end: int, per_epoch: int) -> int:
    """Steps that fit, each epoch's end included; a last epoch may be cut short, and has its end too.

    Args:
        seconds: Left.
        step: Seconds a step takes.
        epoch_end: Seconds that validation and checkpoint take.
        to_epoch_end: Steps left in this epoch.
        per_epoch: Steps of a whole one.
    """
    this_epoch, done = to_epoch_end * step + epoch_end, 0
    if seconds >= this_epoch:
        epochs, seconds = divmod(seconds - this_epoch, per_epoch * step + epoch_end)
        done = to_epoch_end + int(epochs) * per_epoch
    return done + max(0, int((seconds - epoch_end) / step))  # the latter of an epoch that cannot be finished


class Clock:
    """Seconds since the latest lap, when the last checkpoint was, and how long a step takes.

    The last is a running mean without the first measurement, which holds what is done only once; None before there is
    another.
    """

    def __init__(self) -> None:
        self.saved_at = self._lap = time.monotonic()
        self.step_seconds: float | None = None
        self._first = True

    def lap(self) -> float:
        """Seconds since the latest call."""
        before, self._lap = self._lap, time.monotonic()
        return self._lap - before

    def saw_step(self, seconds: float) -> None:
        """Take one measurement into the mean."""
        if not self._first:
            seconds, before = max(seconds, 1e-9), self.step_seconds
            self.step_seconds = seconds if before is None else before + _NEWEST * (seconds - before)
        self._first = False
