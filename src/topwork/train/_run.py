"""What a training changes, and how it goes into a checkpoint and comes out of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from topwork.errors import CheckpointError
from topwork.train._checkpoint import Saved, read_checkpoint, write_checkpoint
from topwork.train._config import TrainConfig
from topwork.train._loss import Loss
from topwork.train._parts import Parts, Tensors, copied, put, updated_mean
from topwork.train._samples import Samples, tensors_digest
from topwork.train._state import Score, State, TrainResult

_FREE = {"budget_seconds", "checkpoint_minutes"}  # may be others when a training is resumed
_SHOWN = 5  # differences
_ANEW = "use the same data and settings, or start again without --resume"


@dataclass(eq=False)
class Run:
    """All that changes in a training."""

    parts: Parts
    optimizer: torch.optim.Optimizer  # over the trained ones
    state: State
    mean: Tensors | None  # the weights' moving average
    best: Tensors  # copies
    notes: tuple[str, ...] = ()  # what the user should be told

    @property
    def weights(self) -> Tensors:
        """What is measured and kept: the average where there is one."""
        return self.parts.state if self.mean is None else self.mean

    @property
    def statistics(self) -> list[torch.Tensor]:
        """What each rank has from its own images: the buffers (BatchNorm's statistics), and their moving average."""
        held = [*self.parts.buffers]
        if self.mean is not None:
            held += [value for name, value in self.mean.items() if name not in self.parts.parameters]
        return [value for value in held if value.is_floating_point()]

    def average(self, decay: float | None) -> None:
        """Take the latest step into the moving average."""
        if self.mean is not None and decay is not None:
            updated_mean(self.mean, self.parts.state, decay, self.state.step)

    def keep_if_best(self, score: Score) -> None:
        """Keep the weights just measured if they are the best so far."""
        if self.state.best is None or score.beats(self.state.best):
            self.best = copied(self.weights)
            self.state.best, self.state.best_epoch = score, self.state.epoch

    def result(self) -> TrainResult:
        """How the training ended, once it has stopped."""
        state = self.state
        assert state.start is not None
        assert state.best is not None
        assert state.stopped is not None
        return TrainResult(
            start=state.start,
            best=state.best,
            best_epoch=state.best_epoch,
            history=tuple(state.history),
            steps=state.step,
            seconds=state.seconds,
            stopped=state.stopped,
            notes=self.notes,
        )


def identity(
    parts: Parts, data: Samples, validation: Samples, config: TrainConfig, loss: Loss | None
) -> dict[str, Any]:
    """What must be the same for a checkpoint to be gone on from; the default loss (None) is known by the settings."""
    return {
        **config.model_dump(exclude=_FREE),
        "training data": data.fingerprint,
        "validation data": validation.fingerprint,
        "frozen weights": tensors_digest(parts.frozen),
        "loss": None if loss is None else loss.fingerprint,
    }


def save(run: Run, folder: Path, identity: dict[str, Any]) -> None:
    """Write a checkpoint, as ``write_checkpoint`` does."""
    text = json.dumps({"identity": identity, "state": run.state.model_dump()}, allow_nan=False)
    write_checkpoint(folder, _named(run), text)


def resume(run: Run, folder: Path, identity: dict[str, Any]) -> None:
    """Put the newest sound checkpoint into a run, if there is one.

    Raises:
        CheckpointError: All are damaged, or it is of another training; says what differs.
    """
    saved = read_checkpoint(folder)
    if saved is None:
        run.notes = (f"{folder}: there is no checkpoint, so training starts from the beginning",)
        return
    run.state = _state(saved, identity, folder)
    _fill_optimizer(run, saved.tensors)
    own = _named(run)
    if lines := _differences(_shapes(saved.tensors), _shapes(own)):
        raise CheckpointError(f"{folder}: the checkpoint belongs to another model: {lines}", hint=_ANEW)
    put(saved.tensors, own)
    run.notes = saved.notes


def _state(saved: Saved, identity: dict[str, Any], folder: Path) -> State:
    try:
        told = json.loads(saved.text)
        state, theirs = State.model_validate(told["state"]), dict(told["identity"])
    except (ValueError, TypeError, KeyError, ValidationError) as error:
        raise CheckpointError(
            f"{folder}: the checkpoint belongs to another version of topwork: {error}", hint=_ANEW
        ) from error
    if lines := _differences(theirs, identity):
        raise CheckpointError(f"{folder}: the checkpoint belongs to another training: {lines}", hint=_ANEW)
    return state


def _differences(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """``learning_rate was 0.1, is 0.2; ...``; empty where nothing differs."""
    names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    lines = [f"{name} was {_short(theirs.get(name))}, is {_short(ours.get(name))}" for name in names[:_SHOWN]]
    return "; ".join(lines + (["..."] if len(names) > _SHOWN else []))


def _short(value: object) -> str:
    return "nothing" if value is None else str(value)[:16]


def _shapes(tensors: Tensors) -> dict[str, Any]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


def _named(run: Run) -> Tensors:
    """All tensors of a run under the names they have in a checkpoint; they share its memory."""
    named = {f"model/{name}": value for name, value in run.parts.state.items()}
    named |= {f"best/{name}": value for name, value in run.best.items()}
    named |= {f"mean/{name}": value for name, value in (run.mean or {}).items()}
    for name, parameter in run.parts.parameters.items():
        for key, value in run.optimizer.state[parameter].items():
            if isinstance(value, torch.Tensor):  # sgd holds None before its first step
                named[f"optimizer/{name}/{key}"] = value
    return named


def _fill_optimizer(run: Run, tensors: Tensors) -> None:
    """Give the optimizer the tensors it will have after its first step; like the parameters in layout and place."""
    for name, parameter in run.parts.parameters.items():
        prefix = f"optimizer/{name}/"
        for full, value in tensors.items():
            if full.startswith(prefix):
                is_map = value.shape == parameter.shape and parameter.ndim > 0
                run.optimizer.state[parameter][full.removeprefix(prefix)] = (
                    torch.empty_like(parameter, requires_grad=False) if is_map else value.clone()
                )
