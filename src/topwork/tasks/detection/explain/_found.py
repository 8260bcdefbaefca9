"""What was found: a map of what one object's score rests on, and whether the check bears it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from topwork._arrays import Float32Array, UInt8Array
from topwork.drawing import Outline, framed
from topwork.explain.places import Checked
from topwork.tasks._maps._explained import SIDE, Evidence
from topwork.tasks.detection._found import Corners, FoundObject


@dataclass(frozen=True, eq=False)
class BoxEvidence(Evidence):
    """What one object's score rests on; Evidence tells of what is not told here.

    Attributes:
        object: Its class, score and box in pixels of the image.
        place: The place of its class.
        corners: The box in pixels of ``image``.
    """

    object: FoundObject
    place: int
    number: int
    count: int
    image: UInt8Array
    map: Float32Array
    blurred: UInt8Array | None
    corners: Corners
    inside: float | None
    checked: Checked | None

    kind: ClassVar[str] = "box"

    @property
    def peak(self) -> tuple[int, int]:
        """Row and column of the image where the most of the score rests."""
        row, column = divmod(int(self.map.argmax()), self.map.shape[1])
        return row, column

    @property
    def scored(self) -> tuple[str, float]:
        """The object's class, and its score."""
        return self.object.label, self.object.score

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; the box in COCO's form, ``[x, y, width, height]`` in pixels."""
        return {**super().to_dict(), "bbox": [round(number, 2) for number in self.object.box]}

    def marked(self, image: UInt8Array) -> UInt8Array:
        """A picture with the box on it."""
        return framed(image, [Outline(self.corners, self.place)], side=SIDE)
