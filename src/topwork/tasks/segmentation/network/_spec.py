"""What a pixel head is: which maps of the backbone it reads, and how they come together at each pixel."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from topwork.backbones import Backbone
from topwork.errors import BackboneError, ModelError
from topwork.tasks.segmentation.network._grid import Grid

_LARGEST_STRIDE = 256
_COARSEST = 16  # beyond it maps tell of the whole image: as good without (docs/decisions/segmentation.md)
_MOST = 12  # stages: a transformer has one for each layer


@dataclass(frozen=True)
class PixelSpec:
    """A head on maps of several stages: each pixel is told by what all of them say of its place.

    Since enlarging a map and a linear head are both linear, each map is first brought to the head's channels by its own
    1 x 1 convolution, then enlarged to the finest map's grid, and summed: what a linear head on enlarged maps says, at
    a part of the work. With ``hidden`` units there is one more layer behind the sum.

    Attributes:
        stages: Names of the backbone's stages whose maps are read, nearest the pixels first.
        widths: Channels of each of these maps.
        strides: Pixels per step of each; the first is the grid's.
        size: Side of the square that the backbone sees, in pixels.
        n_classes: C, two or more; the background is one of them.
        border: Whether one more channel tells pixels at which one object touches another.
        hidden: Units between the maps and the answer; 0 is a linear head.

    Raises:
        ModelError: A value is out of its range, or they do not fit each other.
    """

    stages: tuple[str, ...]
    widths: tuple[int, ...]
    strides: tuple[int, ...]
    size: int
    n_classes: int
    border: bool = False
    hidden: int = 0

    def __post_init__(self) -> None:
        """Refuse what could only fail later."""
        ranges = {"size": (16, 4096), "n_classes": (2, 10_000), "hidden": (0, 4096)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ModelError(f"{name} of a pixel head: expected a whole number from {low} to {high}, not {value!r}")
        if not (self.stages and len(set(self.stages)) == len(self.stages) == len(self.widths) == len(self.strides)):
            raise ModelError("a pixel head needs one or more stages, each once, with a width and a stride each")
        if not all(type(width) is int and width > 0 for width in self.widths):
            raise ModelError(f"widths of a pixel head: expected whole numbers above 0, not {self.widths}")
        if not all(
            type(each) is int and 1 <= each <= min(_LARGEST_STRIDE, self.size) for each in self.strides
        ) or self.strides != tuple(sorted(self.strides)):
            raise ModelError(f"strides of a pixel head: expected whole numbers that never fall, not {self.strides}")
        if type(self.border) is not bool:
            raise ModelError(f"border of a pixel head: expected true or false, not {self.border!r}")

    @property
    def channels(self) -> int:
        """K, what the head says of each place: the classes, and the border of objects where that is told."""
        return self.n_classes + self.border

    @property
    def sides(self) -> tuple[int, ...]:
        """Rows, and columns, of each map that is read."""
        return tuple(-(-self.size // stride) for stride in self.strides)

    @property
    def side(self) -> int:
        """Rows, and columns, of the grid that is told: the finest map's."""
        return self.sides[0]

    @property
    def grid(self) -> Grid:
        """Where in the square the places of the grid lie."""
        return self.grids[0]

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The same of each map that is read."""
        return tuple(Grid(*each) for each in zip(self.sides, self.strides, strict=True))

    @property
    def n_features(self) -> int:
        """D, numbers that are read for each image: the maps, one after another, (channels, side, side) each."""
        return sum(width * side**2 for width, side in zip(self.widths, self.sides, strict=True))

    @classmethod
    def of(cls, backbone: Backbone, n_classes: int, **changes: Any) -> PixelSpec:
        """The spec that reads a backbone's stages up to a stride of 16; all where it has but one stride.

        Args:
            backbone: With the size that images will have.
            n_classes: C.
            changes: Other fields, such as ``hidden``.

        Raises:
            ModelError: A value is out of its range.
            BackboneError: The backbone has no maps.
        """
        stages = backbone.stages
        if not stages:
            raise BackboneError(f"{backbone.name} gives no maps of its stages", hint="take another backbone")
        fine = tuple(stage for stage in stages if stage.stride <= _COARSEST)
        stages = (fine or stages)[:_MOST]
        names, widths, strides = zip(*((stage.name, stage.channels, stage.stride) for stage in stages), strict=True)
        return cls(names, widths, strides, backbone.preprocessing.size, n_classes, **changes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {"kind": "pixel", **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> PixelSpec:
        """Inverse of ``to_dict``.

        Raises:
            ModelError: A field is missing, unknown or out of its range.
        """
        try:
            lists = {name: tuple(fields[name]) for name in ("stages", "widths", "strides")}
            rest = {name: value for name, value in fields.items() if name != "kind"}
            return cls(**{**rest, **lists})
        except (TypeError, KeyError) as error:
            raise ModelError(f"a pixel head is not as expected: {error}") from error
