"""What stays the same in a training, and everything put in its place for the first step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from topwork.train._budget import StepTime
from topwork.train._checkpoint import clear_drafts
from topwork.train._config import TrainConfig
from topwork.train._device import device_of, own_randomness
from topwork.train._errors import TrainError
from topwork.train._lock import locked
from topwork.train._parts import Layers, training_of
from topwork.train._ranks import Ranks, current_ranks
from topwork.train._run import Run, begin, identity, resume, save
from topwork.train._samples import Samples, check_samples
from topwork.train._seeds import batch_count
from topwork.train._state import Progress
from topwork.train._step import Step

Tell = Callable[[Progress], None]


class Clock:
    """Seconds since the latest lap, how long a step takes, and when the last checkpoint was."""

    def __init__(self) -> None:
        self.step_time = StepTime()
        self.saved_at = self._lap = time.monotonic()

    def lap(self) -> float:
        """Seconds since the latest call."""
        before, self._lap = self._lap, time.monotonic()
        return self._lap - before

    def save_is_due(self, minutes: float) -> bool:
        """Whether the last checkpoint is older than that."""
        return time.monotonic() - self.saved_at >= 60 * minutes


@dataclass(frozen=True, eq=False)
class Job:
    """What stays the same in a training.

    Attributes:
        model: All of it.
        data: The training split.
        validation: The validation split.
        config: All settings.
        layers: What is trained.
        ranks: Who takes part.
        step: Changes the weights once.
        clock: Of this process; a resumed training has a new one.
        save: Writes a checkpoint, where there is a folder for it.
        tell: Shows progress.
    """

    model: nn.Module
    data: Samples
    validation: Samples
    config: TrainConfig
    layers: Layers
    ranks: Ranks
    step: Step
    clock: Clock
    save: Callable[[], None]
    tell: Tell

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return device_of(self.model)

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch."""
        return batch_count(len(self.data.labels), self.config.batch_size)

    @property
    def planned(self) -> int:
        """Steps in all, if there is time for them."""
        return self.config.epochs * self.per_epoch


@contextlib.contextmanager
def prepared(
    model: nn.Module,
    data: Samples,
    validation: Samples,
    config: TrainConfig,
    *,
    layers: Layers,
    folder: Path | None,
    resumed: bool,
    tell: Tell | None,
) -> Iterator[tuple[Job, Run]]:
    """A training ready for its next step; locks, random states, modes and hooks do not outlive it. See ``train``."""
    check_samples(data, "training")
    check_samples(validation, "validation")
    ranks, device, clock = current_ranks(), device_of(model), Clock()
    with contextlib.ExitStack() as stack:
        if folder is not None and ranks.first:
            stack.enter_context(locked(folder))
            clear_drafts(folder)
        stack.enter_context(memory_advice(config))
        stack.enter_context(own_randomness(device))
        if config.channels_last:
            model.to(memory_format=torch.channels_last)
        parts = stack.enter_context(training_of(model, layers, config.dropout))
        ranks.copy_first(list(parts.state.values()))
        steps = config.epochs * batch_count(len(data.labels), config.batch_size)
        step = Step(model, parts, data, config, ranks, steps)
        run = begin(parts, step.optimizer, config, steps)
        facts = {} if folder is None else identity(parts, data, validation, config)
        if folder is not None and resumed:
            resume(run, folder, facts)

        def write() -> None:
            if folder is not None and ranks.first:
                save(run, folder, facts)
            clock.saved_at = time.monotonic()

        told = tell if tell is not None and ranks.first else _silent
        yield Job(model, data, validation, config, layers, ranks, step, clock, write, told), run


def _silent(progress: Progress) -> None:
    """Nobody listens."""


@contextlib.contextmanager
def memory_advice(config: TrainConfig) -> Iterator[None]:
    """Say what to do where the memory does not suffice."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch's own, on a GPU and on a CPU, are RuntimeErrors
        if not isinstance(error, MemoryError) and not _is_about_memory(str(error)):
            raise
        raise TrainError(
            f"there is not enough memory for {config.batch_size} images in {config.accumulate} pieces",
            hint=f"accumulate = {2 * config.accumulate} halves the pieces and gives the same gradients",
        ) from error


def _is_about_memory(message: str) -> bool:
    return "out of memory" in message or "not enough memory" in message
