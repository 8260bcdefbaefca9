"""What a decoder is, without its numbers: its design, which maps it reads, and how wide it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from topwork.backbones import Backbone, Stage
from topwork.errors import BackboneError, ModelError
from topwork.tasks.segmentation.network._grid import Grid

Design = Literal["unet", "unet++", "fpn", "deeplabv3+", "segformer"]

_WANTED: dict[Design, tuple[int, ...]] = {
    "unet": (2, 4, 8, 16, 32),
    "unet++": (2, 4, 8, 16, 32),
    "fpn": (4, 8, 16, 32),
    "deeplabv3+": (4, 16),
    "segformer": (4, 8, 16, 32),
}
"""Strides of the maps that each design reads."""

MOST_CLASSES = 254
"""Targets are bytes: the classes, and what is not told."""

_NARROWEST = 16  # channels of a U-Net's finest blocks, at least
_GROUPS = 32  # of the feature pyramid's group norms
_LARGEST_STRIDE = 256


@dataclass(frozen=True)
class DecoderSpec:
    """A decoder of segmentation-models-pytorch on maps of a backbone, and a last convolution that tells the classes.

    U-Net (Ronneberger et al., 2015), U-Net++ (Zhou et al., 2018), a feature pyramid (Kirillov et al., 2019), DeepLabV3+
    (Chen et al., 2018) or SegFormer's (Xie et al., 2021). A map that is not of the side that the design wants is
    resized; of a backbone whose stages all have one stride, such as a ViT, four at even depths become a pyramid so.

    Attributes:
        design: Of the decoder.
        stages: Names of the backbone's stages whose maps are read, nearest the pixels first.
        widths: Channels of each of these maps.
        strides: Pixels per step of each.
        size: Side of the square that the backbone sees, in pixels.
        n_classes: C, at least two; the background is one of them.
        border: Whether one more channel tells how near pixels are to the edges of their objects.
        width: Channels: of a U-Net's coarsest block, halved from block to block; of the other designs throughout.
        refine: Whether a U-Net goes one step finer than the finest map, to half of its stride.

    Raises:
        ModelError: A value is out of its range, or they do not fit each other.
    """

    design: Design
    stages: tuple[str, ...]
    widths: tuple[int, ...]
    strides: tuple[int, ...]
    size: int
    n_classes: int
    border: bool = False
    width: int = 128
    refine: bool = False

    def __post_init__(self) -> None:
        """Refuse what could only fail later."""
        ranges = {"size": (16, 4096), "n_classes": (2, MOST_CLASSES), "width": (_GROUPS, 1024)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ModelError(f"{name} of a decoder: expected a whole number from {low} to {high}, not {value!r}")
        if self.width % _GROUPS:
            raise ModelError(f"width of a decoder: expected a multiple of {_GROUPS}, not {self.width}")
        if self.design not in get_args(Design) or not all(type(x) is bool for x in (self.border, self.refine)):
            raise ModelError(f"design of a decoder: expected {', '.join(get_args(Design))}, not {self.design!r}")
        if self.refine and self.design != "unet":
            raise ModelError(f"refine is of a U-Net, not of {self.design}")
        maps = len(self.stages)
        if not maps == len(self.widths) == len(self.strides) == len(set(self.stages)):
            raise ModelError("a decoder needs a width and a stride for each stage, each stage once")
        if not all(type(x) is int and 1 <= x <= 65536 for x in self.widths):
            raise ModelError(f"widths of a decoder: expected whole numbers above 0, not {self.widths}")
        if not all(type(x) is int and 1 <= x <= min(_LARGEST_STRIDE, self.size) for x in self.strides):
            raise ModelError(f"strides of a decoder: expected whole numbers up to the size, not {self.strides}")
        wanted = len(_WANTED[self.design])
        if maps != wanted and not (self.design in ("unet", "unet++") and maps == wanted - 1):
            raise ModelError(f"{self.design} reads {wanted} maps, not {maps}")
        steps = tuple(self.strides[-1] // each for each in self.strides)
        if not self._flat and steps != self._steps:
            raise ModelError(f"strides of a decoder: expected {self.design}'s or all alike, not {self.strides}")

    @property
    def _flat(self) -> bool:
        return len(set(self.strides)) == 1

    @property
    def _steps(self) -> tuple[int, ...]:
        """How many times finer than the coarsest map each is for the decoder."""
        coarsest = _WANTED[self.design][-1]
        return tuple(coarsest // each for each in _WANTED[self.design][-len(self.stages) :])

    @property
    def sides(self) -> tuple[int, ...]:
        """Rows, and columns, of each map as the backbone gives it."""
        return tuple(-(-self.size // stride) for stride in self.strides)

    @property
    def levels(self) -> tuple[int, ...]:
        """Rows, and columns, of each map as the decoder takes it: whole multiples of the coarsest."""
        base = self.sides[-1]
        if self._flat and self.design != "deeplabv3+":
            base = -(-base // 2)  # one map coarser than what the backbone gives, two finer
        return tuple(base * step for step in self._steps)

    @property
    def n_features(self) -> int:
        """D, numbers that are read for each image: the maps, one after another, (channels, side, side) each."""
        return sum(width * side**2 for width, side in zip(self.widths, self.sides, strict=True))

    @property
    def channels(self) -> int:
        """K, what is told of each place: the classes, and the border of objects where that is told."""
        return self.n_classes + self.border

    @property
    def blocks(self) -> tuple[int, ...]:
        """Channels of a U-Net's blocks, the coarsest first."""
        finer = len(self.stages) - 1 + (self.refine or self.design == "unet++")
        return tuple(max(_NARROWEST, self.width >> place) for place in range(finer))

    @property
    def side(self) -> int:
        """Rows, and columns, of the grid that is told; it covers the square."""
        return self.levels[0] * (2 if self.refine or self.design == "unet++" else 1)

    @property
    def grid(self) -> Grid:
        """Where in the square the places lie of which it tells."""
        return Grid(self.side, self.size / self.side)

    @classmethod
    def of(cls, backbone: Backbone, n_classes: int, design: Design = "unet", **changes: Any) -> DecoderSpec:
        """The spec that reads a backbone: of each of the design's strides the last stage.

        A stage that only widens the one before it for the backbone's own classifier is passed over.

        Args:
            backbone: With the size that images will have.
            n_classes: C.
            design: Of the decoder.
            changes: Other fields, such as ``width``.

        Raises:
            ModelError: A value is out of its range.
            BackboneError: The backbone has no maps that serve.
        """
        if design not in get_args(Design):
            raise ModelError(f"design of a decoder: expected {', '.join(get_args(Design))}, not {design!r}")
        chosen = _chosen(backbone, design)
        names, widths, strides = zip(*((stage.name, stage.channels, stage.stride) for stage in chosen), strict=True)
        return cls(design, names, widths, strides, backbone.preprocessing.size, n_classes, **changes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {"kind": "decoder", **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> DecoderSpec:
        """Inverse of ``to_dict``.

        Raises:
            ModelError: A field is missing, unknown or out of its range.
        """
        try:
            lists = {name: tuple(fields[name]) for name in ("stages", "widths", "strides")}
            rest = {name: value for name, value in fields.items() if name != "kind"}
            return cls(**{**rest, **lists})
        except (TypeError, KeyError) as error:
            raise ModelError(f"a decoder is not as expected: {error}") from error


def _chosen(backbone: Backbone, design: Design) -> Sequence[Stage]:
    """The stages that a design reads."""
    stages = backbone.stages
    if not stages:
        backbone.side("")  # a trained detector says why there are no maps to build on
    if len(stages) > 1 and stages[-1].stride == stages[-2].stride and stages[-1].channels > 2 * stages[-2].channels:
        stages = stages[:-1]
    last, wanted = {stage.stride: stage for stage in stages}, _WANTED[design]
    for strides in (wanted, wanted[1:] if design in ("unet", "unet++") else wanted):
        if all(stride in last for stride in strides) and strides[-1] <= backbone.preprocessing.size:
            return [last[stride] for stride in strides]
    count = min(4, len(wanted))
    if len(last) > 1 or len(stages) < count:
        raise BackboneError(
            f"{backbone.name} has no maps for {design} at {backbone.preprocessing.size} pixels",
            hint=f"its strides are {', '.join(str(stage.stride) for stage in backbone.stages)}",
        )
    return [stages[len(stages) * (place + 1) // count - 1] for place in range(count)]  # at even depths
