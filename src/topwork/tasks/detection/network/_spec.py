"""What a detector's head is, without its numbers: which maps it reads, and how wide and deep it is."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from topwork._arrays import Float32Array
from topwork.backbones import Backbone
from topwork.errors import BackboneError, ModelError

Layers = Literal["plain", "separable"]

_STRIDES = (8, 16, 32)  # of the maps that are read, where a backbone has them
_LARGEST_STRIDE = 256


class Level(NamedTuple):
    """One map of the pyramid: (channels, side, side), a place every ``stride`` pixels."""

    side: int
    stride: int


@dataclass(frozen=True)
class HeadSpec:
    """A feature pyramid (Lin et al., 2017) on some stages' maps, and on each of its levels the same two towers.

    One tower tells the classes and one the boxes, as in FCOS (Tian et al., 2019). Their kernels are those of all
    levels; each level has batch norms of its own, since its numbers are distributed in its own way. So every norm folds
    into a convolution.

    Attributes:
        stages: Names of the backbone's stages whose maps are read, nearest the pixels first.
        widths: Channels of each of these maps.
        strides: Pixels per step of each.
        size: Side of the square that the backbone sees, in pixels.
        n_classes: C, at least one; there is no class for the background.
        channels: Of every level of the pyramid, and of the towers.
        depth: Convolutions of each tower before the last, 0 to 8.
        extra: Levels beyond the last map, each of half its side, 0 to 2.
        layers: Convolutions of the towers: ``plain`` 3 x 3, or ``separable``: one for each channel by itself, then one
            across channels.
        centreness: Whether the head tells too how near the middle of its object a place is, as FCOS does; a score is
            then the root of both probabilities' product. Without, a class's probability tells how good the box is too
            (Feng et al., 2021, task-aligned detection).

    Raises:
        ModelError: A value is out of its range, or they do not fit each other.
    """

    stages: tuple[str, ...]
    widths: tuple[int, ...]
    strides: tuple[int, ...]
    size: int
    n_classes: int
    channels: int = 64
    depth: int = 2
    extra: int = 1
    layers: Layers = "separable"
    centreness: bool = False

    def __post_init__(self) -> None:
        """Refuse what could only fail later."""
        maps = len(self.stages)
        ranges = {"size": (16, 4096), "n_classes": (1, 10_000), "channels": (8, 1024), "depth": (0, 8), "extra": (0, 2)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ModelError(
                    f"{name} of a detector's head: expected a whole number from {low} to {high}, not {value!r}"
                )
        if not (maps and maps == len(self.widths) == len(self.strides) == len(set(self.stages))):
            raise ModelError("a detector's head needs one or more stages, each once, with a width and a stride each")
        if not all(type(width) is int and width > 0 for width in self.widths):
            raise ModelError(f"widths of a detector's head: expected whole numbers above 0, not {self.widths}")
        if not all(type(each) is int and 1 <= each <= _LARGEST_STRIDE for each in self.strides) or sorted(
            set(self.strides)
        ) != [*self.strides]:
            raise ModelError(f"strides of a detector's head: expected whole numbers that rise, not {self.strides}")
        if self.layers not in get_args(Layers) or type(self.centreness) is not bool:
            raise ModelError(f"layers of a detector's head: expected plain or separable, not {self.layers!r}")

    @property
    def sides(self) -> tuple[int, ...]:
        """Rows, and columns, of each map that is read."""
        return tuple(-(-self.size // stride) for stride in self.strides)

    @property
    def n_features(self) -> int:
        """D, numbers that are read for each image: the maps, one after another, (channels, side, side) each."""
        return sum(width * side**2 for width, side in zip(self.widths, self.sides, strict=True))

    @property
    def levels(self) -> tuple[Level, ...]:
        """The maps of the pyramid, the finest first: those that are read, and the extra ones."""
        found = [Level(*each) for each in zip(self.sides, self.strides, strict=True)]
        for _ in range(self.extra):
            found.append(Level(-(-found[-1].side // 2), 2 * found[-1].stride))
        return tuple(found)

    @property
    def n_points(self) -> int:
        """P, places at which the head looks for an object: those of all levels."""
        return sum(level.side**2 for level in self.levels)

    @cached_property
    def points(self) -> Float32Array:
        """(P, 3): x and y of each place, the middle of its cell, and its level's stride, in pixels of the square.

        Row by row, the finest level first.
        """
        found = []
        for side, stride in self.levels:
            middles = (np.arange(side, dtype=np.float32) + 0.5) * stride
            down, across = np.meshgrid(middles, middles, indexing="ij")
            found.append(np.stack([across.ravel(), down.ravel(), np.full(side**2, stride, np.float32)], axis=1))
        return np.concatenate(found)

    @classmethod
    def of(cls, backbone: Backbone, n_classes: int, **changes: Any) -> HeadSpec:
        """The spec that reads a backbone: of each of the strides 8, 16 and 32 the last stage, as far as there is one.

        A stage that only widens the one before it for the backbone's own classifier is passed over: it holds nothing
        new and is four times as large. A backbone with one map for all its stages, such as a ViT, gives that one.

        Args:
            backbone: With the size that images will have.
            n_classes: C.
            changes: Other fields, such as ``channels``.

        Raises:
            ModelError: A value is out of its range.
            BackboneError: The backbone has no map of a side that serves.
        """
        stages = backbone.stages
        if not stages:
            backbone.side("")  # a trained detector says why there are no maps to build on
        if len(stages) > 1 and stages[-1].stride == stages[-2].stride and stages[-1].channels > 2 * stages[-2].channels:
            stages = stages[:-1]
        last = {stage.stride: stage for stage in stages}
        chosen = [last[stride] for stride in _STRIDES if stride in last] or [stages[-1]]
        if chosen[-1].stride > backbone.preprocessing.size or chosen[-1].stride < _STRIDES[0]:
            raise BackboneError(
                f"{backbone.name} has no map for a detector at {backbone.preprocessing.size} pixels",
                hint=f"its strides are {', '.join(str(stage.stride) for stage in backbone.stages)}",
            )
        names, widths, strides = zip(*((stage.name, stage.channels, stage.stride) for stage in chosen), strict=True)
        return cls(names, widths, strides, backbone.preprocessing.size, n_classes, **changes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> HeadSpec:
        """Inverse of ``to_dict``.

        Raises:
            ModelError: A field is missing, unknown or out of its range.
        """
        try:
            lists = {name: tuple(fields[name]) for name in ("stages", "widths", "strides")}
            return cls(**{**fields, **lists})
        except (TypeError, KeyError) as error:
            raise ModelError(f"a detector's head is not as expected: {error}") from error
