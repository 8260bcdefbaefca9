"""What a row of the catalogue holds, and the words that its rows are written in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from topwork.backbones._preprocessing import Preprocessing

# The name of a network's own pooled features, beside its stages' names.
EMBEDDING = "embedding"

Method = Literal["supervised", "self-supervised", "image-text", "segmentation"]

_FREE = ("Apache-2.0", "BSD-3-Clause", "MIT")


@dataclass(frozen=True)
class Stage:
    """One of a backbone's successive blocks.

    Attributes:
        name: The module's name in timm, e.g. ``blocks.4``.
        channels: Width of its output.
        stride: Input pixels per step of its output.
    """

    name: str
    channels: int
    stride: int


@dataclass(frozen=True)
class Family:
    """Networks of one design.

    Attributes:
        name: What people call it.
        year: When it was published.
        paper: Where.
    """

    name: str
    year: int
    paper: str


@dataclass(frozen=True)
class Pixels:
    """Mean and deviation of the pixels that a network was trained on, per channel, on the scale 0 to 1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP_PIXELS = Pixels((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True)
class CatalogueRow:
    """What is known of one backbone before anything is loaded. Tests compare it with timm.

    Attributes:
        alias: The short name that ``--backbone`` takes.
        name: timm's name, with the tag of its weights: ``resnet50.a1_in1k``.
        family: Of which design.
        parameters: In millions, classifier included.
        gmacs: Multiplications in billions for one image of ``size``, classifier included.
        top1: ImageNet-1k validation accuracy of its own classifier in per cent, from timm's table of results, which
            measures some networks at a larger size than they were trained on; None where it has no such classifier.
        stages: Nearest the pixels first.
        embedding: Width of the network's own pooled features.
        size: Side of the square image in pixels.
        crop: Share of the shorter side that the centre crop keeps.
        pixels: Mean and deviation that it expects.
        pretrained_on: Data sets.
        method: How it was pretrained.
        licence: Of the weights; the SPDX name where there is one.
        advice: One line on when to pick it.
        fixed_size: Whether it is built for one image size and must be rebuilt for another.
        mean_embedding: Whether its own pooled features are a mean over the last map.
        repository: The hub's, where it is not timm's with the network's name.
        package: Distribution that holds the weights; empty where they come from the hub.
        weights: The weights file's path inside the package's module.
        sha256: Of that file.
    """

    alias: str
    name: str
    family: Family
    parameters: float
    gmacs: float
    top1: float | None
    stages: tuple[Stage, ...]
    embedding: int
    size: int
    crop: float
    pixels: Pixels
    pretrained_on: str
    method: Method
    licence: str
    advice: str
    fixed_size: bool = False
    mean_embedding: bool = True
    repository: str = ""
    package: str = ""
    weights: str = ""
    sha256: str = ""

    @property
    def module(self) -> str:
        """Import name of the package."""
        return self.package.replace("-", "_")

    @property
    def hub(self) -> str:
        """The hub's repository, empty for a package; which commit was fetched is kept in the saved model."""
        return "" if self.package else self.repository or f"timm/{self.name}"

    @property
    def free(self) -> bool:
        """Whether the licence allows commercial use without terms of its own."""
        return self.licence in _FREE

    @property
    def preprocessing(self) -> Preprocessing:
        """What the network was trained with."""
        return Preprocessing(size=self.size, crop=self.crop, mean=self.pixels.mean, std=self.pixels.std)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {**dataclasses.asdict(self), "hub": self.hub, "free": self.free}


def stages(*facts: tuple[str, int, int]) -> tuple[Stage, ...]:
    """Stages from (name, channels, stride)."""
    return tuple(Stage(*each) for each in facts)


def blocks(count: int, channels: int, stride: int) -> tuple[Stage, ...]:
    """A transformer's stages: its blocks, all of one width and stride."""
    return tuple(Stage(f"blocks.{index}", channels, stride) for index in range(count))


def grouped(*facts: tuple[int, int], last: bool = False) -> tuple[Stage, ...]:
    """Stages of the EfficientNet and MobileNet builders from (channels, stride).

    They are the stem ``bn1``, the groups of blocks, and with ``last`` the map ``bn2``, which is pooled last.
    """
    groups = len(facts) - 1 - last
    names = ("bn1", *(f"blocks.{index}" for index in range(groups)), *(("bn2",) if last else ()))
    return tuple(Stage(name, *each) for name, each in zip(names, facts, strict=True))
