"""What was found: a map of what one region's class rests on, and whether the check bears it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topwork._arrays import BoolArray, Float32Array, UInt8Array
from topwork.drawing import painted
from topwork.explain.places import Checked
from topwork.tasks._maps._explained import SIDE, Evidence


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
