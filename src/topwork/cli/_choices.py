"""What options of a fixed choice may be, so that the command line itself refuses others and lists them."""

from __future__ import annotations

from enum import StrEnum


class StrategyName(StrEnum):
    """Rungs that exist."""

    auto = "auto"
    probe = "probe"
    finetune = "finetune"
    as_is = "as-is"
    zero_shot = "zero-shot"


class FitName(StrEnum):
    """Ways to bring an image into the network's square."""

    auto = "auto"
    crop = "crop"
    squash = "squash"
    pad = "pad"


class AugmentName(StrEnum):
    """Levels of augmentation."""

    none = "none"
    light = "light"
    colour = "colour"
    rand = "rand"


class OrientName(StrEnum):
    """Ways to turn training images."""

    auto = "auto"
    none = "none"
    mirror = "mirror"
    any = "any"


class HeadName(StrEnum):
    """Heads."""

    linear = "linear"
    knn = "knn"


class PoolingName(StrEnum):
    """Ways to pool a stage's map."""

    mean = "mean"
    max = "max"
    both = "mean+max"


class ClassWeightName(StrEnum):
    """Ways to weigh classes."""

    auto = "auto"
    none = "none"
    balanced = "balanced"


class EngineOption(StrEnum):
    """Engines."""

    auto = "auto"
    openvino = "openvino"
    torch_cpu = "torch-cpu"
    torch_cuda = "torch-cuda"
