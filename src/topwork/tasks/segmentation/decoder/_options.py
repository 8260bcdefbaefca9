"""What can be chosen of a decoder's training, and what was found to suit (docs/decisions/segmentation-decoder.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from topwork._options import CACHE, CHECKPOINT, CROP_MODE, ENGINE, RESUME, SEED, TRAINING, VALIDATION, Option
from topwork.engines import EngineName
from topwork.tasks._maps._settings import Level, Orient, Unfreeze, config_of
from topwork.tasks.segmentation.decoder._spec import Design
from topwork.train import TrainConfig


def decoder_config(**changes: Any) -> TrainConfig:
    """How a decoder is trained on kept maps, with changes.

    Raises:
        TrainError: There is no such setting, or its value is out of range.
    """
    return config_of(**{"batch_size": 8, "epochs": 16, "learning_rate": 2e-3, **changes})


def finetune_config(**changes: Any) -> TrainConfig:
    """How the stages are trained with the decoder, with changes.

    Raises:
        TrainError: There is no such setting, or its value is out of range.
    """
    return config_of(**{"batch_size": 8, "epochs": 24, "learning_rate": 1e-3, "layer_decay": 0.8, **changes})


@dataclass(frozen=True)
class DecodingOptions:
    """What every training of a decoder shares: how images are shown, and what the decoder is."""

    crop_mode: Annotated[Literal["squash", "pad"], CROP_MODE] = "squash"
    fit_size: Annotated[
        bool,
        Option(
            "See images at about their own size where that is less than the default; where objects are told apart and "
            "small, up to twice as large.",
            None,
        ),
    ] = True
    part: Annotated[
        int | None,
        Option(
            "Side in pixels of the part of each image that an epoch learns from, at the size at which images are seen; "
            "if not given, 256 where small objects are told apart, else the whole.",
            None,
            ge=32,
            le=4096,
        ),
    ] = None
    design: Annotated[Design, Option("Decoder on the maps of the network.", flag="--decoder", name="decoder")] = "unet"
    width: Annotated[
        int,
        Option(
            "Channels of the decoder, a multiple of 32: of a U-Net's coarsest block, halved from block to block.",
            None,
            name="decoder.width",
            ge=32,
            le=1024,
        ),
    ] = 128
    refine: Annotated[
        bool,
        Option("Add a block to a U-Net that goes one step finer than the finest map.", None, name="decoder.refine"),
    ] = False
    augment: Annotated[
        Level,
        Option("Augmentation of training images: light crops and scales them, colour changes their colours too."),
    ] = "colour"
    orient: Annotated[
        Literal["auto"] | Orient,
        Option(
            "Flip training images left to right (mirror), turn them too (any), or neither; auto mirrors, and where the "
            "frozen decoder does as well on images that are upside down, fine-tuning turns them too."
        ),
    ] = "auto"
    views: Annotated[
        int,
        Option("Augmented views per image whose feature maps are kept while a decoder is trained.", None, ge=1),
    ] = 4
    validation: Annotated[float, VALIDATION] = 0.15
    engine: Annotated[EngineName | None, ENGINE] = None
    cache: Annotated[bool, CACHE] = True
    seed: Annotated[int, SEED] = 0


@dataclass(frozen=True)
class DecoderOptions(DecodingOptions):
    """How to train a decoder on a frozen backbone."""

    config: Annotated[TrainConfig, TRAINING] = field(default_factory=decoder_config)
    checkpoint: Annotated[Path | None, CHECKPOINT] = None
    resume: Annotated[bool, RESUME] = False


@dataclass(frozen=True)
class FinetuneOptions:
    """How to train the backbone too, from where the frozen decoder stands."""

    unfreeze: Annotated[
        Unfreeze,
        Option(
            "Number of stages to train, counted from the last; auto trains all.",
            takes="a number of stages, all or auto",
        ),
    ] = "auto"
    config: Annotated[TrainConfig, TRAINING] = field(default_factory=finetune_config)
    frozen: Annotated[
        DecodingOptions, Option("Settings of the decoder, and of its training that fine-tuning starts from.")
    ] = field(default_factory=DecodingOptions)
    checkpoint: Annotated[Path | None, CHECKPOINT] = None
    resume: Annotated[bool, RESUME] = False

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        return self.frozen.seed
