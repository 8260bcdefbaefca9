"""The learning rate's course, by how much of the training is done, and how many steps a budget of seconds allows."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

from topwork.train._config import TrainConfig

# The values of torch's OneCycleLR (Smith and Topin 2017, arXiv:1708.07120) and ReduceLROnPlateau.
_START = 1 / 25  # of the peak, where a warm-up begins
_END = _START / 1e4
_REDUCTION = 0.3
_PLATEAU_EPOCHS = 2
_LEAST_GAIN = 1e-4  # of the loss, relative
_NEWEST = 0.2  # weight of the newest measurement in the mean step time


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


class Pace(BaseModel):
    """How the share that is done grows with the steps: from a known point straight to 1 at the last step.

    When a budget changes the number of steps, the curve goes on from where it is, faster or slower, without a jump.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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


class Plateau(BaseModel):
    """What ``schedule="plateau"`` remembers: the rate falls when the validation loss has not for two epochs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    factor: float = 1.0  # on the learning rate
    lowest: float | None = None  # loss seen
    waited: int = 0  # epochs since then

    def after(self, loss: float) -> Plateau:
        """What to remember after an epoch with this validation loss."""
        if self.lowest is None or loss < self.lowest * (1 - _LEAST_GAIN):
            return Plateau(factor=self.factor, lowest=loss)
        if self.waited < _PLATEAU_EPOCHS:
            return self.model_copy(update={"waited": self.waited + 1})
        return Plateau(factor=self.factor * _REDUCTION, lowest=self.lowest)


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


class StepTime:
    """Running mean of a step's seconds; the first measurement is left out, as it holds what is done only once."""

    def __init__(self) -> None:
        self._measured = 0
        self.seconds: float | None = None

    def saw(self, seconds: float) -> None:
        """Take one measurement into the mean."""
        self._measured += 1
        if self._measured > 1:
            seconds = max(seconds, 1e-9)
            self.seconds = seconds if self.seconds is None else self.seconds + _NEWEST * (seconds - self.seconds)
