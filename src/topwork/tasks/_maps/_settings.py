"""Settings of a training on maps that suit detectors and segmenters alike, and ways to show images."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import NonNegativeInt

from topwork.train import TrainConfig, parse_config

Unfreeze = NonNegativeInt | Literal["auto", "all"]
Level = Literal["none", "light", "colour"]
Orient = Literal["none", "mirror", "any"]

UNHEARD = ("label_smoothing", "class_weights", "dropout", "mixup", "cutmix")
"""Settings of a training that are of classes of images alone."""

_SHARED = {"batch_size": 16, "weight_decay": 0.05, "clip": 5.0, "ema_decay": 0.99, "compile": "off"}


def config_of(**settings: Any) -> TrainConfig:
    """What suits a training on maps, with what suits this one.

    Raises:
        TrainError: There is no such setting, or its value is out of range.
    """
    return parse_config({**_SHARED, **settings})
