"""Training: a model, batches of samples, a loss, a schedule, a checkpoint. It knows nothing of images.

``train`` is the loop; ``TrainConfig`` has all settings. What is trained on is anything that keeps to ``Samples``, what
is made smaller anything that keeps to ``Loss``: cross-entropy unless a task passes its own. Importing the room is
light: torch is loaded with the first name that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from topwork.errors import CheckpointError, TrainError
from topwork.train._checkpoint import has_checkpoints, locked, remove_checkpoints, require_own
from topwork.train._config import TrainConfig, parse_config
from topwork.train._ranks import Ranks, current_ranks, first_alone, joined, started_by_torchrun
from topwork.train._samples import Batch, ClassSamples, Samples, UnevenSamples, sample_seed
from topwork.train._state import EpochRecord, Progress, Score, TrainResult

if TYPE_CHECKING:
    from topwork.train._loop import train
    from topwork.train._loss import CrossEntropy, Loss
    from topwork.train._parts import Layers
    from topwork.train._step import autocast, measure

_WITH_TORCH = {
    "CrossEntropy": "_loss",
    "Layers": "_parts",
    "Loss": "_loss",
    "autocast": "_step",
    "measure": "_step",
    "train": "_loop",
}

__all__ = [
    "Batch",
    "CheckpointError",
    "ClassSamples",
    "CrossEntropy",
    "EpochRecord",
    "Layers",
    "Loss",
    "Progress",
    "Ranks",
    "Samples",
    "Score",
    "TrainConfig",
    "TrainError",
    "TrainResult",
    "UnevenSamples",
    "autocast",
    "current_ranks",
    "first_alone",
    "has_checkpoints",
    "joined",
    "locked",
    "measure",
    "parse_config",
    "remove_checkpoints",
    "require_own",
    "sample_seed",
    "started_by_torchrun",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module 'topwork.train' has no attribute {name!r}")
    return getattr(importlib.import_module(f"topwork.train.{_WITH_TORCH[name]}"), name)


def __dir__() -> list[str]:
    return __all__
