"""Training: a model, batches of samples, a schedule, a checkpoint. It knows nothing of images.

``train`` is the loop; ``TrainConfig`` has all settings. What is trained on is
anything that keeps to ``Samples``. Importing the room is light: torch is loaded with the first name that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from topwork.train._checkpoint import remove_checkpoints, require_own
    from topwork.train._config import TrainConfig, parse_config
    from topwork.train._errors import CheckpointError, TrainError
    from topwork.train._lock import locked
    from topwork.train._loop import train
    from topwork.train._measure import measure
    from topwork.train._parts import Layers
    from topwork.train._ranks import Ranks, current_ranks
    from topwork.train._samples import Batch, Samples, TensorSamples
    from topwork.train._seeds import sample_seed
    from topwork.train._state import EpochRecord, Progress, Score, TrainResult
    from topwork.train._torchrun import first_alone, joined, started_by_torchrun

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
    "first_alone": "_torchrun",
    "joined": "_torchrun",
    "locked": "_lock",
    "measure": "_measure",
    "parse_config": "_config",
    "remove_checkpoints": "_checkpoint",
    "require_own": "_checkpoint",
    "sample_seed": "_seeds",
    "started_by_torchrun": "_torchrun",
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
