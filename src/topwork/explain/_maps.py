"""Feature maps and filters: what the stages of a network make of an image, and what its first layer looks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from topwork.backbones.layers import map_reader
from topwork.drawing import Cell, heat, sheet, stretched
from topwork.errors import ExplainError
from topwork.explain._given import require_whole
from topwork.explain._hooks import Hook, hooked
from topwork.explain._subject import Float32Array, Subject, UInt8Array

_FILTERS = 96  # shown; a ViT has up to 1,024
_ACROSS = 16


@dataclass(frozen=True, eq=False)
class StageMaps:
    """The channels of one stage that vary most over an image.

    Attributes:
        stage: Its name.
        channels: int (K,), which; the strongest first.
        strengths: float32 (K,), each one's standard deviation over the image.
        maps: float32 (K, h, w).
    """

    stage: str
    channels: tuple[int, ...]
    strengths: tuple[float, ...]
    maps: Float32Array


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """What every stage of a network makes of one image.

    Attributes:
        image: uint8 (size, size, 3), as the network saw it.
        stages: Nearest the pixels first.
    """

    image: UInt8Array
    stages: tuple[StageMaps, ...]

    @property
    def headline(self) -> str:
        """What was found, in a line."""
        return f"the {len(self.stages[0].channels)} strongest channels of each of {len(self.stages)} stages"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; of the maps their sizes."""
        return {
            "stages": [
                {
                    "stage": each.stage,
                    "channels": each.channels,
                    "strengths": each.strengths,
                    "cells": each.maps.shape[1:],
                }
                for each in self.stages
            ]
        }

    def picture(self) -> UInt8Array:
        """A row a stage, the image in front of the first: uint8 (H, W, 3)."""
        rows = []
        for number, stage in enumerate(self.stages):
            told = f"{stage.stage}\n{stage.maps.shape[1]} x {stage.maps.shape[2]} cells"
            lead = Cell(self.image, told) if number == 0 else Cell(np.full_like(self.image, 255), told)
            maps = [
                Cell(heat(stretched(each)), f"channel {channel}")
                for channel, each in zip(stage.channels, stage.maps, strict=True)
            ]
            rows.append([lead, *maps])
        return sheet(rows, title="What each stage makes of the image: its strongest channels", side=112)


@dataclass(frozen=True, eq=False)
class Filters:
    """The filters of a network's first layer.

    Attributes:
        layer: Its name.
        weights: float32 (N, k, k, 3), the longest first.
    """

    layer: str
    weights: Float32Array

    @property
    def headline(self) -> str:
        """What was found, in a line."""
        count, side = self.weights.shape[:2]
        return f"{count} filters of {side} x {side} pixels in the first layer, {self.layer}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields, without the numbers."""
        return {"layer": self.layer, "filters": len(self.weights), "side": self.weights.shape[1]}

    def picture(self) -> UInt8Array:
        """Each filter in its colours, grey where it is 0: uint8 (H, W, 3)."""
        scale = np.abs(self.weights).max(axis=(1, 2, 3), keepdims=True).clip(1e-12)
        drawn = np.clip(127.5 + 127.5 * self.weights / scale, 0, 255).astype(np.uint8)[:_FILTERS]
        cells = [Cell(each) for each in drawn]
        rows = [cells[start : start + _ACROSS] for start in range(0, len(cells), _ACROSS)]
        return sheet(rows, title=self.headline, side=48)


def feature_maps(subject: Subject, image: UInt8Array, *, channels: int = 8) -> FeatureMaps:
    """What the stages of a network make of an image, from edges to parts.

    Args:
        subject: The classifier; its head takes no part.
        image: uint8 (size, size, 3), from ``subject.squares``.
        channels: How many of each stage, those that vary most over the image.

    Raises:
        ExplainError: No channel was asked for, or the image is of another type or shape.
    """
    if channels < 1:
        raise ExplainError(f"there must be a channel at least, not {channels}")
    require_whole(image)
    names = [stage.name for stage in subject.backbone.stages]
    maps = stage_maps(subject, image[None], names)
    return FeatureMaps(image, tuple(_strongest(name, maps[name][0], channels) for name in names))


def stage_maps(subject: Subject, images: UInt8Array, stages: list[str]) -> dict[str, Float32Array]:
    """The maps (N, channels, h, w) of some stages for images uint8 (N, size, size, 3)."""
    found: dict[str, Float32Array] = {}

    def keep(stage: str) -> Hook:
        as_map = map_reader(subject.network, stage)

        def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            found[stage] = grid(as_map(output.detach())).float().cpu().numpy().copy()

        return hook

    hooks = [(subject.network.get_submodule(stage), keep(stage)) for stage in stages]
    with torch.no_grad(), hooked(hooks):
        subject.module.pooled(subject.tensor(images))
    return found


def grid(maps: torch.Tensor) -> torch.Tensor:
    """Tokens (n, c, t) as the square (n, c, h, w) that they came from; maps as they are.

    Raises:
        ExplainError: The tokens are no square.
    """
    if maps.ndim == 4:
        return maps
    side = round(maps.shape[2] ** 0.5)
    if side * side != maps.shape[2]:
        raise ExplainError(f"a stage of {maps.shape[2]} tokens is no square map")
    return maps.reshape(*maps.shape[:2], side, side)


def filters(subject: Subject) -> Filters:
    """The filters of the first layer: the only ones that are pictures themselves.

    Raises:
        ExplainError: The network begins with something else than a convolution of the pixels.
    """
    for name, module in subject.network.named_modules():
        if isinstance(module, nn.Conv2d) and module.in_channels == 3:
            weights = module.weight.detach().permute(0, 2, 3, 1).cpu().numpy()
            order = np.argsort(-np.linalg.norm(weights.reshape(len(weights), -1), axis=1), kind="stable")
            return Filters(name, weights[order].copy())
    raise ExplainError(f"{subject.backbone.name} does not begin with a convolution of the pixels")


def _strongest(stage: str, maps: Float32Array, count: int) -> StageMaps:
    strengths = maps.std(axis=(1, 2))
    chosen = np.argsort(-strengths, kind="stable")[:count]
    return StageMaps(stage, tuple(chosen.tolist()), tuple(strengths[chosen].tolist()), maps[chosen])
