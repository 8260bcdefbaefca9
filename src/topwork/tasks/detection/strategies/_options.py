"""What can be chosen of a detector's training, and what was found to suit (docs/decisions/detection-training.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from topwork._options import CACHE, CHECKPOINT, CROP_MODE, ENGINE, RESUME, SEED, TRAINING, VALIDATION, Option
from topwork.engines import EngineName
from topwork.tasks._maps._settings import Level, Orient, Unfreeze, config_of
from topwork.tasks.detection.network import Layers
from topwork.train import TrainConfig

EPOCHS = 24
"""Of a probe, where nobody asks for another number."""
_LEAST_STEPS = 120  # of a probe; ten images would make one step an epoch


def probe_config(**changes: Any) -> TrainConfig:
    """How a head is trained on kept maps, with changes.

    Raises:
        TrainError: There is no such setting, or its value is out of range.
    """
    return config_of(**{"epochs": EPOCHS, "learning_rate": 2e-3, **changes})


def with_enough_steps(config: TrainConfig, images: int) -> TrainConfig:
    """With more epochs where few images would make few steps, unless another number of epochs was asked for."""
    if config.epochs != EPOCHS:
        return config
    steps = math.ceil(images / config.batch_size)
    return config.model_copy(update={"epochs": max(config.epochs, math.ceil(_LEAST_STEPS / steps))})


def finetune_config(**changes: Any) -> TrainConfig:
    """How the stages are trained with the head, with changes.

    Raises:
        TrainError: There is no such setting, or its value is out of range.
    """
    return config_of(**{"epochs": 36, "learning_rate": 1e-3, "layer_decay": 0.8, **changes})


@dataclass(frozen=True)
class HeadOptions:
    """What every training of a detector shares: how images are shown, and what the head is."""

    crop_mode: Annotated[Literal["squash", "pad"], CROP_MODE] = "squash"
    enlarge: Annotated[
        bool,
        Option(
            "Take 416 px instead of the default 320 where the boxes of a class are mostly under 32 x 32 px there.",
            None,
        ),
    ] = True
    channels: Annotated[
        int, Option("Channels of the feature pyramid and the head.", None, name="head.channels", ge=8, le=1024)
    ] = 64
    depth: Annotated[
        int, Option("Convolutions of the head before its answer.", None, name="head.depth", ge=0, le=8)
    ] = 2
    layers: Annotated[
        Layers, Option("Convolutions of the head; separable ones predict faster.", None, name="head.layers")
    ] = "separable"
    augment: Annotated[
        Level,
        Option("Augmentation of training images: light crops and scales them, colour changes their colours too."),
    ] = "colour"
    orient: Annotated[
        Literal["auto"] | Orient,
        Option(
            "Flip training images left to right (mirror), top to bottom too (any), or neither; auto mirrors, and where "
            "the probe detects as well in images that are upside down, fine-tuning flips both ways."
        ),
    ] = "auto"
    views: Annotated[
        int,
        Option("Augmented views per image whose feature maps are kept while a head is trained.", None, ge=1),
    ] = 8
    validation: Annotated[float, VALIDATION] = 0.15
    engine: Annotated[EngineName | None, ENGINE] = None
    cache: Annotated[bool, CACHE] = True
    seed: Annotated[int, SEED] = 0


@dataclass(frozen=True)
class ProbeOptions(HeadOptions):
    """How to train a new pyramid and head on a frozen backbone."""

    config: Annotated[TrainConfig, TRAINING] = field(default_factory=probe_config)
    checkpoint: Annotated[Path | None, CHECKPOINT] = None
    resume: Annotated[bool, RESUME] = False


@dataclass(frozen=True)
class FinetuneOptions:
    """How to train the backbone too, from where the probe stands."""

    unfreeze: Annotated[
        Unfreeze,
        Option(
            "Number of stages to train, counted from the last; auto trains all.",
            takes="a number of stages, all or auto",
        ),
    ] = "auto"
    config: Annotated[TrainConfig, TRAINING] = field(default_factory=finetune_config)
    probe: Annotated[HeadOptions, Option("Settings of the head, and of the probe that fine-tuning starts from.")] = (
        field(default_factory=HeadOptions)
    )
    checkpoint: Annotated[Path | None, CHECKPOINT] = None
    resume: Annotated[bool, RESUME] = False

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        return self.probe.seed
