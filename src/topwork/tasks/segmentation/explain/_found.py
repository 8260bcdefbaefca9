"""What was found: a map of what one region's class rests on, and whether the check bears it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from topwork._arrays import BoolArray, Float32Array, UInt8Array
from topwork.data import printable
from topwork.drawing import Cell, Outline, framed, overlay, painted, sheet
from topwork.explain.places import Checked
from topwork.tasks._maps._explained import SIDE, Evidence

_STAGES = 6  # named in a line
_AROUND = 0.02  # of a picture's side: half of the box around a point


@dataclass(frozen=True, eq=False)
class RegionEvidence(Evidence):
    """What one region's class rests on; Evidence tells of what is not told here.

    Attributes:
        label: Its class.
        score: The mean probability of the class in it.
        region: (H, W), its pixels.
    """

    label: str
    score: float
    number: int
    count: int
    image: UInt8Array
    map: Float32Array
    region: BoolArray
    blurred: UInt8Array | None
    inside: float | None
    checked: Checked | None

    kind: ClassVar[str] = "region"

    @property
    def scored(self) -> tuple[str, float]:
        """The region's class, and the mean probability of it."""
        return self.label, self.score

    def marked(self, image: UInt8Array) -> UInt8Array:
        """A picture with the region on it."""
        return painted(image, self.region.astype(np.uint8), {1: self.label}, side=SIDE, legend=False)


@dataclass(frozen=True, eq=False)
class PointEvidence(RegionEvidence):
    """What the class of one pixel rests on.

    Attributes:
        point: Its x and y.
        size: Height and width of the image that they are pixels of.
        rival: The class that is the most probable one there beside this one.
        stages: By how much each stage of the network, and the bias, speaks for the class rather than for the rival, in
            logits: exactly what the pixel probe's weights make of its map. Empty of other heads.
    """

    point: tuple[int, int]
    size: tuple[int, int]
    rival: str
    stages: tuple[tuple[str, float], ...]

    kind: ClassVar[str] = "point"

    @property
    def name(self) -> str:
        """How its picture is called, behind the image's name."""
        return "point-{}-{}".format(*self.point)

    @property
    def headline(self) -> str:
        """Which pixel it is, and what it is called."""
        x, y = self.point
        return f"evidence for {self._named} at {x},{y}"

    @property
    def lines(self) -> tuple[str, ...]:
        """That, what the check says, and which stages say it."""
        return *super().lines, *([f"  {self.by_stage}"] if self.stages else [])

    @property
    def by_stage(self) -> str:
        """What each stage adds, the strongest first."""
        strongest = sorted(self.stages, key=lambda each: -abs(each[1]))[:_STAGES]
        told = ", ".join(f"{name} {value:+.2f}" for name, value in strongest)
        return f"{printable(self.label)} rather than {printable(self.rival)}, in logits by stage: {told}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        fields = {name: value for name, value in super().to_dict().items() if name not in ("number", "count")}
        stages = {name: round(value, 6) for name, value in self.stages}
        return {**fields, "point": [*self.point], "rival": self.rival, "stages": stages}

    def picture(self) -> UInt8Array:
        """The image with the point and what is called as it, the map upon it, and what was blurred."""
        x, y = self.point
        most = float(self.map.max(initial=0)) or 1.0
        cells = [
            Cell(self._marked(self.marked(self.image)), f"{self._named}\nat {x},{y}"),
            Cell(self._marked(overlay(self.image, self.map / most)), "evidence for the pixel"),
        ]
        if self.blurred is not None and self.checked is not None:
            verdict = "checked" if self.checked.holds else "not confirmed"
            scores = f"score {self.checked.score:.2f}, blurred elsewhere {self.checked.elsewhere:.2f}"
            cells.append(Cell(self._marked(self.blurred), f"{verdict}: blurred here\n{scores}"))
        return sheet([cells], side=SIDE)

    def _marked(self, image: UInt8Array) -> UInt8Array:
        """A picture of the image with a small box around the point."""
        places = zip(self.point, self.size[::-1], image.shape[1::-1], strict=True)
        x, y = ((place + 0.5) * drawn / own for place, own, drawn in places)
        around = max(image.shape[:2]) * _AROUND
        box = Outline((x - around, y - around, x + around, y + around), 1)
        return framed(image, [box], side=SIDE)
