"""The head in torch, as it is trained. Its parameters' names are those of the saved arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from topwork.tasks.detection.network._spec import HeadSpec

_PRIOR = 0.01  # of an object at a place, before anything is learned: Lin et al., 2017 (focal loss)
_FIRST_DISTANCE = 2.0  # strides from a place to a box's edge, before anything is learned


class Predicted(NamedTuple):
    """What the head says of N images at P places, see ``HeadSpec.points``.

    Attributes:
        logits: (N, P, C), before the sigmoid.
        distances: (N, P, 4), from the place to the left, upper, right and lower edge, in strides; never negative.
        centreness: (N, P), before the sigmoid; None where the spec asks for none.
    """

    logits: Tensor
    distances: Tensor
    centreness: Tensor | None


class TorchHead(nn.Module):
    """The pyramid and the towers; batch norms learn how each level's numbers are distributed.

    The pyramid is torchvision's. Its FCOS head is not: that has group norms, which cannot be folded into a
    convolution, and one set of them for all levels.
    """

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.spec = spec
        extra = _Coarser(spec.channels, spec.extra) if spec.extra else None
        self.pyramid = FeaturePyramidNetwork([*spec.widths], spec.channels, extra, norm_layer=nn.BatchNorm2d)
        self.classes, self.boxes = _Tower(spec), _Tower(spec)
        self.logits = _last(spec, spec.n_classes)
        self.distances = _last(spec, 4)
        self.centreness = _last(spec, 1) if spec.centreness else None
        nn.init.constant_(self.logits.bias, -math.log((1 - _PRIOR) / _PRIOR))  # type: ignore[arg-type]
        nn.init.constant_(self.distances.bias, _FIRST_DISTANCE)  # type: ignore[arg-type]

    def forward(self, maps: Tensor | Sequence[Tensor]) -> Predicted:
        """What is said of maps, one (N, channels, side, side) a stage; or of features (N, D), the same in rows."""
        named = {
            str(place): each for place, each in enumerate(self.maps_of(maps) if isinstance(maps, Tensor) else maps)
        }
        found = [self._at(place, level) for place, level in enumerate(self.pyramid(named).values())]
        logits, distances, centreness = (list(each) for each in zip(*found, strict=True))
        near = None if self.centreness is None else torch.cat(centreness, 1)[..., 0]
        return Predicted(torch.cat(logits, 1), torch.cat(distances, 1), near)

    def _at(self, place: int, level: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        of_classes, of_boxes = self.classes(level, place), self.boxes(level, place)
        distances = nn.functional.softplus(self.distances(of_boxes))
        near = None if self.centreness is None else _by_place(self.centreness(of_boxes))
        return _by_place(self.logits(of_classes)), _by_place(distances), near

    def maps_of(self, features: Tensor) -> list[Tensor]:
        """Features (N, D) as the maps that they are, (N, channels, side, side) each."""
        spec = self.spec
        parts = torch.split(
            features, [width * side**2 for width, side in zip(spec.widths, spec.sides, strict=True)], dim=1
        )
        shapes = zip(parts, spec.widths, spec.sides, strict=True)
        return [part.reshape(-1, width, side, side) for part, width, side in shapes]


class _Coarser(ExtraFPNBlock):  # type: ignore[misc]
    """Levels beyond the last map, each a convolution of stride 2 of the one before."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(count))

    def forward(self, levels: list[Tensor], maps: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        for convolution in self.convolutions:
            levels.append(convolution(levels[-1]))
            names.append(f"extra.{len(names)}")
        return levels, names


class _Tower(nn.Module):
    """Convolutions one after another, the same on every level, each with a norm for every level."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        wide, levels = spec.channels, len(spec.levels)
        self.convolutions = nn.ModuleList(_convolution(spec) for _ in range(spec.depth))
        norms = (nn.ModuleList(nn.BatchNorm2d(wide) for _ in range(levels)) for _ in range(spec.depth))
        self.norms = nn.ModuleList(norms)

    def forward(self, level: Tensor, place: int) -> Tensor:
        for convolution, norms in zip(self.convolutions, self.norms, strict=True):
            level = nn.functional.relu(norms[place](convolution(level)), inplace=True)  # type: ignore[index]
        return level


def _convolution(spec: HeadSpec) -> nn.Module:
    wide = spec.channels
    if spec.layers == "plain":
        return nn.Conv2d(wide, wide, 3, padding=1, bias=False)
    return nn.Sequential(
        nn.Conv2d(wide, wide, 5, padding=2, groups=wide, bias=False), nn.Conv2d(wide, wide, 1, bias=False)
    )


def _last(spec: HeadSpec, given: int) -> nn.Conv2d:
    """What a place says of itself: its logits, distances or nearness to the middle."""
    layer = nn.Conv2d(spec.channels, given, 3 if spec.layers == "plain" else 1, padding=int(spec.layers == "plain"))
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def _by_place(maps: Tensor) -> Tensor:
    """(N, K, side, side) -> (N, places, K)."""
    return maps.flatten(2).transpose(1, 2)
