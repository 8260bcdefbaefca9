"""The learning rate's course, as pure functions of how much of the training is done."""

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


def multiplier(step: int, total: int, config: TrainConfig) -> float:
    """Factor on the peak rate at a step.

    Args:
        step: From 0 to total - 1.
        total: Steps of the whole training.
        config: Its ``schedule`` and ``warmup``.
    """
    return multiplier_at(step / total, config)


def multiplier_at(share: float, config: TrainConfig) -> float:
    """``multiplier`` by the share of the training that is done, from 0 to 1."""
    if share < config.warmup:
        risen = share / config.warmup
        return _START + (1 - _START) * (1 - _half_cosine(risen) if config.schedule == "one-cycle" else risen)
    if config.schedule in ("constant", "plateau"):
        return 1.0
    end = _END if config.schedule == "one-cycle" else 0.0
    return end + (1 - end) * _half_cosine((share - config.warmup) / (1 - config.warmup))


def _half_cosine(share: float) -> float:
    """From 1 down to 0."""
    return (1 + math.cos(math.pi * min(share, 1.0))) / 2


class Pace(BaseModel):
    """How the share that is done grows with the steps: from a known point straight to 1 at the last step.

    When a budget changes the number of steps, the curve goes on from where it is, faster or slower, without a jump.

    Attributes:
        step: Step at the known point.
        share: Share of the training done there.
        total: Steps of the whole training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = 0
    share: float = 0.0
    total: int

    def share_at(self, step: int) -> float:
        """Share of the training done at a step."""
        left = self.total - self.step
        return 1.0 if left <= 0 else self.share + (1 - self.share) * ((step - self.step) / left)

    def refitted(self, step: int, total: int) -> Pace:
        """The same curve from ``step`` on, ending at another last step."""
        return self if total == self.total else Pace(step=step, share=self.share_at(step), total=total)


class Plateau(BaseModel):
    """What ``schedule="plateau"`` remembers: the rate falls when the validation loss has not for two epochs.

    Attributes:
        factor: On the learning rate.
        lowest: Loss seen.
        waited: Epochs since then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    factor: float = 1.0
    lowest: float | None = None
    waited: int = 0

    def after(self, loss: float) -> Plateau:
        """What to remember after an epoch with this validation loss."""
        if self.lowest is None or loss < self.lowest * (1 - _LEAST_GAIN):
            return Plateau(factor=self.factor, lowest=loss)
        if self.waited < _PLATEAU_EPOCHS:
            return self.model_copy(update={"waited": self.waited + 1})
        return Plateau(factor=self.factor * _REDUCTION, lowest=self.lowest)
