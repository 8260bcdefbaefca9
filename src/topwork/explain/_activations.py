"""What the stages of a network make of images: feature maps, the first layer's filters, what excites a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from topwork._arrays import Float32Array, IntegerArray, UInt8Array
from topwork.data import ImageDataset
from topwork.drawing import Cell, heat, overlay, sheet, stretched
from topwork.errors import ExplainError
from topwork.explain._classifier import TorchClassifier, require_maps, require_uint8, watched
from topwork.features import Progress, extract

_FILTERS = 96  # shown; a ViT has up to 1,024
_ACROSS = 16


@dataclass(frozen=True, eq=False)
class StageMaps:
    """The channels of one stage that vary most over an image.

    Attributes:
        channels: (K,), which; the strongest first.
        strengths: (K,), each one's standard deviation over the image.
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
        return f"the {len(self.stages[0].channels)} strongest channels of each of {len(self.stages)} stages"

    def to_dict(self) -> dict[str, Any]:
        names = ("stage", "channels", "strengths")
        fields = [({name: getattr(each, name) for name in names}, each.maps.shape[1:]) for each in self.stages]
        return {"stages": [{**told, "cells": cells} for told, cells in fields]}

    def picture(self) -> UInt8Array:
        """A row a stage, the image in front of the first: uint8 (H, W, 3)."""
        rows = []
        for number, stage in enumerate(self.stages):
            told = f"{stage.stage}\n{stage.maps.shape[1]} x {stage.maps.shape[2]} cells"
            lead = Cell(self.image if number == 0 else np.full_like(self.image, 255), told)
            maps = zip(stage.channels, stage.maps, strict=True)
            rows.append([lead, *(Cell(heat(stretched(each)), f"channel {channel}") for channel, each in maps)])
        return sheet(rows, title="The strongest channels of each stage", side=112)


@dataclass(frozen=True, eq=False)
class Filters:
    """The filters of a network's first layer.

    Attributes:
        weights: float32 (N, k, k, 3), the longest first.
    """

    layer: str
    weights: Float32Array

    @property
    def headline(self) -> str:
        count, side = self.weights.shape[:2]
        return f"{count} filters of {side} x {side} pixels in the first layer, {self.layer}"

    def to_dict(self) -> dict[str, Any]:
        return {"layer": self.layer, "filters": len(self.weights), "side": self.weights.shape[1]}

    def picture(self) -> UInt8Array:
        """Each filter in its colours, grey where it is 0: uint8 (H, W, 3)."""
        scale = np.abs(self.weights).max(axis=(1, 2, 3), keepdims=True).clip(1e-12)
        drawn = np.clip(127.5 + 127.5 * self.weights / scale, 0, 255).astype(np.uint8)[:_FILTERS]
        cells = [Cell(each) for each in drawn]
        rows = [cells[start : start + _ACROSS] for start in range(0, len(cells), _ACROSS)]
        return sheet(rows, title=self.headline, side=48)


@dataclass(frozen=True, eq=False)
class Exciting:
    """The images that excite some channels of a stage most.

    Attributes:
        channels: (K,), which.
        paths: (K, M), the images' names, the most exciting one first.
        labels: (K, M), their classes.
        values: float32 (K, M), the largest number in the channel's map of each.
        images: uint8 (K, M, size, size, 3).
        maps: float32 (K, M, h, w), the channel's map of each.
    """

    stage: str
    channels: tuple[int, ...]
    paths: tuple[tuple[str, ...], ...]
    labels: tuple[tuple[str, ...], ...]
    values: Float32Array
    images: UInt8Array
    maps: Float32Array

    @property
    def headline(self) -> str:
        return f"the images that activate {len(self.channels)} channels of {self.stage} most"

    def to_dict(self) -> dict[str, Any]:
        rows = zip(self.channels, self.paths, self.values.tolist(), strict=True)
        channels = [{"channel": channel, "images": paths, "values": values} for channel, paths, values in rows]
        return {"stage": self.stage, "channels": channels}

    def picture(self) -> UInt8Array:
        """A row a channel; what excites it glows: uint8 (H, W, 3)."""
        rows = []
        for channel, images, maps, labels in zip(self.channels, self.images, self.maps, self.labels, strict=True):
            row = []
            for image, glow, label in zip(images, stretched(maps), labels, strict=True):
                row.append(Cell(overlay(image, _enlarged(glow, image.shape[0])), f"channel {channel}: {label}"))
            rows.append(row)
        return sheet(rows, title=f"Images that activate channels of {self.stage} most", side=160)


def feature_maps(classifier: TorchClassifier, image: UInt8Array, *, channels: int = 8) -> FeatureMaps:
    """What the stages of a network make of an image, from edges to parts.

    Args:
        classifier: Its head takes no part.
        image: uint8 (size, size, 3), from ``classifier.squares``.
        channels: How many of each stage, those that vary most over the image.

    Raises:
        ExplainError: No channel was asked for, or the image is of another type or shape.
    """
    if channels < 1:
        raise ExplainError(f"at least one channel is needed, not {channels}")
    require_uint8(image)
    found = []
    stages = [each.name for each in classifier.backbone.stages]
    for stage, (maps,) in _stage_maps(classifier, image[None], stages).items():
        strengths = maps.std(axis=(1, 2))
        chosen = np.argsort(-strengths, kind="stable")[:channels]
        found.append(StageMaps(stage, tuple(chosen.tolist()), tuple(strengths[chosen].tolist()), maps[chosen]))
    return FeatureMaps(image, tuple(found))


def filters(classifier: TorchClassifier) -> Filters:
    """The filters of the first layer: the only ones that are pictures themselves.

    Raises:
        ExplainError: The network begins with something else than a convolution of the pixels.
    """
    from torch import nn

    for name, module in classifier.network.named_modules():
        if isinstance(module, nn.Conv2d) and module.in_channels == 3:
            weights = module.weight.detach().permute(0, 2, 3, 1).cpu().numpy()
            order = np.argsort(-np.linalg.norm(weights.reshape(len(weights), -1), axis=1), kind="stable")
            return Filters(name, weights[order].copy())
    raise ExplainError(f"{classifier.backbone.name} does not begin with a convolution")


def exciting(
    classifier: TorchClassifier,
    dataset: ImageDataset,
    *,
    stage: str | None = None,
    channels: Sequence[int] | None = None,
    count: int = 6,
    cache: bool = True,
    progress: Progress | None = None,
) -> Exciting:
    """The images of a data set that excite channels of a stage most.

    Args:
        classifier: Its head takes no part.
        dataset: The images.
        stage: Which stage; the last one when None.
        channels: Which channels; the ``count`` that tell the classes apart best when None.
        count: How many images for each, and how many channels where none are named.
        cache: Whether features are kept on disk.
        progress: Called with (images done, images in all).

    Raises:
        ExplainError: There is no such stage or channel, no image was asked for, or none can be read.
    """
    backbone = classifier.backbone
    require_maps(backbone)
    known = {each.name: each.channels for each in backbone.stages}
    stage = stage or backbone.stages[-1].name
    if count < 1:
        raise ExplainError(f"at least one image per channel is needed, not {count}")
    if stage not in known:
        raise ExplainError(f"{backbone.name} has no stage {stage!r}", hint=f"its stages are {', '.join(known)}")
    table = extract(dataset, backbone, outputs=(f"{stage}/max",), cache=cache, progress=progress)
    if not len(table):
        raise ExplainError("no image of the data can be read", hint="`topwork check` says why")
    dataset = table.dataset
    chosen = _telling(table.values, dataset.labels, count) if channels is None else tuple(map(int, channels))
    if any(not 0 <= channel < known[stage] for channel in chosen) or not chosen:
        raise ExplainError(f"{stage} has channels 0 to {known[stage] - 1}, not {list(chosen)}")
    rows = np.argsort(-table.values[:, list(chosen)], axis=0, kind="stable")[:count].T
    images = [classifier.squares([dataset.source(int(row)) for row in each]) for each in rows]
    maps = [_stage_maps(classifier, each, [stage])[stage] for each in images]
    return Exciting(
        stage,
        chosen,
        tuple(tuple(dataset.paths[row] for row in each) for each in rows),
        tuple(tuple(dataset.classes[dataset.labels[row]] for row in each) for each in rows),
        table.values[rows, np.array(chosen)[:, None]],
        np.stack(images),
        np.stack([each[:, channel] for each, channel in zip(maps, chosen, strict=True)]),
    )


def _stage_maps(classifier: TorchClassifier, images: UInt8Array, stages: Sequence[str]) -> dict[str, Float32Array]:
    """The maps (N, channels, h, w) of some stages for images (N, size, size, 3)."""
    import torch

    with torch.no_grad(), watched(classifier, stages) as maps:
        classifier.module.pooled(classifier.tensor(images))
    return {stage: maps[stage].float().cpu().numpy().copy() for stage in stages}


def _telling(values: Float32Array, labels: IntegerArray, count: int) -> tuple[int, ...]:
    """Channels whose variance is most of all between the classes."""
    between = np.zeros(values.shape[1])
    whole = values.mean(axis=0, dtype=np.float64)
    for label in np.unique(labels):
        rows = values[labels == label]
        between += len(rows) / len(values) * (rows.mean(axis=0, dtype=np.float64) - whole) ** 2
    share = between / values.var(axis=0, dtype=np.float64).clip(1e-12)
    return tuple(np.argsort(-share, kind="stable")[:count].tolist())


def _enlarged(values: Float32Array, side: int) -> Float32Array:
    from PIL import Image

    return np.asarray(Image.fromarray(values).resize((side, side), Image.Resampling.BILINEAR))
