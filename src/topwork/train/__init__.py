"""Training: a model, batches of samples, a schedule, a checkpoint. It knows nothing of images.

``train`` is the loop; ``TrainConfig`` has all settings. What is trained on is
anything that keeps to ``Samples``. Importing the room is light: torch is loaded with the first name that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from topwork.train._checkpoint import locked, remove_checkpoints, require_own
    from topwork.train._config import TrainConfig, parse_config
    from topwork.train._errors import CheckpointError, TrainError
    from topwork.train._loop import train
    from topwork.train._parts import Layers
    from topwork.train._ranks import Ranks, current_ranks, first_alone, joined, started_by_torchrun
    from topwork.train._samples import Batch, Samples, TensorSamples, sample_seed
    from topwork.train._state import EpochRecord, Progress, Score, TrainResult
    from topwork.train._step import measure

_MODULES = {
    "Batch": "_samples",
    "CheckpointError": "_errors",
    "EpochRecord": "_state",
    "Layers": "_parts",
    "Progress": "_state",
    "Ranks": "_ranks",
    "Samples": "_samples",
    "Score": "_state",
    "TensorSamples": "_samples",
    "TrainConfig": "_config",
    "TrainError": "_errors",
    "TrainResult": "_state",
    "current_ranks": "_ranks",
    "first_alone": "_ranks",
    "joined": "_ranks",
    "locked": "_checkpoint",
    "measure": "_step",
    "parse_config": "_config",
    "remove_checkpoints": "_checkpoint",
    "require_own": "_checkpoint",
    "sample_seed": "_samples",
    "started_by_torchrun": "_ranks",
    "train": "_loop",
}

__all__ = [
    "Batch",
    "CheckpointError",
    "EpochRecord",
    "Layers",
    "Progress",
    "Ranks",
    "Samples",
    "Score",
    "TensorSamples",
    "TrainConfig",
    "TrainError",
    "TrainResult",
    "current_ranks",
    "first_alone",
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
    if name not in _MODULES:
        raise AttributeError(f"module 'topwork.train' has no attribute {name!r}")
    return getattr(importlib.import_module(f"topwork.train.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
