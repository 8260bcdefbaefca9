"""What was found: a map of what one region's class rests on, and whether the check bears it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from topwork._arrays import BoolArray, Float32Array, UInt8Array
from topwork.data import printable
from topwork.drawing import Cell, Outline, framed, overlay, painted, sheet
from topwork.explain.places import Checked, verdict

_SIDE = 360  # pixels of each picture of the sheet
_STAGES = 6  # named in a line
_AROUND = 0.02  # of a picture's side: half of the box around a point


@dataclass(frozen=True, eq=False)
class RegionEvidence:
    """What one region's class rests on.

    Attributes:
        label: Its class.
        score: The mean probability of the class in it.
        number: Which it is of those that were to choose from, the largest being 1.
        count: How many these are.
        image: uint8 (H, W, 3), the image as it is shown; reduced where it is large.
        map: float32 (H, W); the larger, the more of the score rests on what is there. Below 0 the region would be surer
            without it; 0 where the network sees nothing of the image.
        region: (H, W), its pixels.
        blurred: uint8 (H, W, 3), the image without the named places; None where none are.
        inside: The share of the evidence that lies in the region, from 0 to 1; None where there is no evidence.
        checked: What the score does without the named places; None where none are.
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
    def name(self) -> str:
        """How its picture is called, behind the image's name."""
        return f"{self.kind}-{self.number}"

    @property
    def headline(self) -> str:
        """Which region it is, and how much of its evidence lies in it."""
        which = f"evidence for {self._named} (region {self.number} of {self.count})"
        return which if self.inside is None else f"{which}, {self.inside:.0%} of it in the region"

    @property
    def lines(self) -> tuple[str, ...]:
        """That, and what the check says."""
        return self.headline, f"  {self.verdict}"

    @property
    def verdict(self) -> str:
        """Whether the score falls when the named places are blurred, in a sentence."""
        return verdict(self.checked)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        found = self.checked
        return {
            "label": self.label,
            "score": round(self.score, 6),
            "number": self.number,
            "count": self.count,
            "inside": self.inside,
            "checked": None if found is None else {**vars(found), "holds": found.holds},
        }

    def picture(self) -> UInt8Array:
        """The image with the region, the map upon it, and what was blurred: uint8 (H, W, 3)."""
        most = float(self.map.max(initial=0)) or 1.0
        inside = "no evidence" if self.inside is None else f"{self.inside:.0%} of it in the region"
        cells = [
            Cell(self._painted(self.image), f"{self._named}\nregion {self.number} of {self.count}"),
            Cell(self._painted(overlay(self.image, self.map / most)), f"evidence for the region\n{inside}"),
        ]
        if self.blurred is not None and self.checked is not None:
            verdict = "checked" if self.checked.holds else "not confirmed"
            scores = f"score {self.checked.score:.2f}, blurred elsewhere {self.checked.elsewhere:.2f}"
            cells.append(Cell(self._painted(self.blurred), f"{verdict}: blurred here\n{scores}"))
        return sheet([cells], side=_SIDE)

    @property
    def _named(self) -> str:
        return f"{printable(self.label)} {self.score:.2f}"

    def _painted(self, image: UInt8Array) -> UInt8Array:
        return painted(image, self.region.astype(np.uint8), {1: self.label}, side=_SIDE, legend=False)


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
            Cell(self._marked(self._painted(self.image)), f"{self._named}\nat {x},{y}"),
            Cell(self._marked(overlay(self.image, self.map / most)), "evidence for the pixel"),
        ]
        if self.blurred is not None and self.checked is not None:
            verdict = "checked" if self.checked.holds else "not confirmed"
            scores = f"score {self.checked.score:.2f}, blurred elsewhere {self.checked.elsewhere:.2f}"
            cells.append(Cell(self._marked(self.blurred), f"{verdict}: blurred here\n{scores}"))
        return sheet([cells], side=_SIDE)

    def _marked(self, image: UInt8Array) -> UInt8Array:
        """A picture of the image with a small box around the point."""
        places = zip(self.point, self.size[::-1], image.shape[1::-1], strict=True)
        x, y = ((place + 0.5) * drawn / own for place, own, drawn in places)
        around = max(image.shape[:2]) * _AROUND
        box = Outline((x - around, y - around, x + around, y + around), 1)
        return framed(image, [box], side=_SIDE)
