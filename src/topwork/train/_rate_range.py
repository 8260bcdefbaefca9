"""Learning-rate range test: which rates does the loss bear? (Smith 2017, arXiv:1506.01186)"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from torch import nn

from topwork.train._config import TrainConfig
from topwork.train._device import device_of, own_randomness
from topwork.train._errors import TrainError
from topwork.train._job import memory_advice
from topwork.train._parts import Layers, copied, put_for_now, set_training, training_of
from topwork.train._ranks import current_ranks
from topwork.train._samples import Batch, Samples, check_samples, reading
from topwork.train._seeds import epoch_batches
from topwork.train._step import Step

_MEMORY = 0.9  # of the smoothed loss
_BURST = 4.0  # times the lowest smoothed loss: the rate is too high, and so are all above it
_SAFETY = 10.0  # between the rate of the lowest loss and a rate for the whole training


@dataclass(frozen=True)
class RateRange:
    """What a range test saw.

    Attributes:
        rates: Tried, rising.
        losses: Smoothed training loss after each.
        suggested: A tenth of the rate with the lowest loss.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggested: float

    def __post_init__(self) -> None:
        if len(self.rates) != len(self.losses):
            raise ValueError(f"{len(self.rates)} rates have {len(self.losses)} losses")


def rate_range(
    model: nn.Module,
    data: Samples,
    config: TrainConfig,
    *,
    layers: Layers,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
) -> RateRange:
    """Train for some steps at rates that rise from ``lowest`` to ``highest``, and look at the loss.

    Nothing of it stays: weights, statistics, modes, gradients and random states are as before, to the byte. It ends
    early where the loss bursts.

    Args:
        model: As for ``train``.
        data: As for ``train``.
        config: As for ``train``; its rate, schedule and epochs are not used.
        layers: As for ``train``.
        lowest: First learning rate.
        highest: Last learning rate.
        steps: Number of rates.

    Raises:
        TrainError: Rates that do not rise, fewer than two steps, or what ``train`` refuses.
    """
    if not 0 < lowest < highest < math.inf or steps < 2:
        raise TrainError(f"a range test needs rising rates and two steps, got {lowest} to {highest} in {steps}")
    check_samples(data, "training")
    with contextlib.ExitStack() as stack:
        stack.enter_context(memory_advice(config))
        stack.enter_context(own_randomness(device_of(model)))
        stack.enter_context(_modes_kept(model))
        parts = stack.enter_context(training_of(model, layers, config.dropout))
        stack.enter_context(put_for_now(copied(parts.state), parts.state))  # the same values: puts them back in the end
        set_training(model, layers)
        step = Step(model, parts, data, config, current_ranks(), steps)
        return _seen(*_tried(step, data, config, np.geomspace(lowest, highest, steps).tolist()))


@contextlib.contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    """Put modes and gradients back."""
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, gradient in gradients:
            parameter.grad = gradient


def _tried(step: Step, data: Samples, config: TrainConfig, rates: list[float]) -> tuple[list[float], list[float]]:
    """Rates and smoothed losses, up to where the loss bursts."""
    losses: list[float] = []
    mean = 0.0
    with contextlib.closing(_endless(data, config)) as batches:
        for rate, (batch, epoch, index, size) in zip(rates, batches, strict=False):
            mean += (1 - _MEMORY) * (float(step(batch, rate, epoch, index, size)) / size - mean)
            smoothed = mean / (1 - _MEMORY ** (len(losses) + 1))
            if not math.isfinite(smoothed) or (losses and smoothed > _BURST * min(losses)):
                break
            losses.append(smoothed)
    return rates[: len(losses)], losses


def _endless(data: Samples, config: TrainConfig) -> Generator[tuple[Batch, int, int, int], None, None]:
    """Batches of one epoch after the other: the batch, its epoch, its place there, its size over all ranks."""
    for epoch in itertools.count():
        plan = epoch_batches(config.seed, epoch, len(data.labels), config.batch_size)
        with reading(data, epoch, [current_ranks().shard(rows) for rows in plan]) as batches:
            for index, (rows, batch) in enumerate(zip(plan, batches, strict=True)):
                yield batch, epoch, index, len(rows)


def _seen(rates: list[float], losses: list[float]) -> RateRange:
    if not losses:
        raise TrainError("the loss is no number at the lowest rate already", hint="is the data in order?")
    return RateRange(tuple(rates), tuple(losses), rates[int(np.argmin(losses))] / _SAFETY)
