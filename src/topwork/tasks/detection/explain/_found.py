"""What was found: a map of what one object's score rests on, and whether the check bears it out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from topwork._arrays import Float32Array, UInt8Array
from topwork.data import printable
from topwork.drawing import Cell, Outline, framed, overlay, sheet
from topwork.explain.places import Checked, verdict
from topwork.tasks.detection._found import Corners, FoundObject

_SIDE = 360  # pixels of each picture of the sheet


@dataclass(frozen=True, eq=False)
class BoxEvidence:
    """What one object's score rests on.

    Attributes:
        object: Its class, score and box in pixels of the image.
        place: The place of its class.
        number: Which it is of those that were to choose from, the surest being 1.
        count: How many these are.
        image: uint8 (H, W, 3), the image as it is shown; reduced where it is large.
        map: float32 (H, W); the larger, the more of the score rests on what is there. Below 0 the object would be surer
            without it; 0 where the network sees nothing of the image.
        blurred: uint8 (H, W, 3), the image without the named places; None where none are.
        corners: The box in pixels of ``image``.
        inside: The share of the evidence that lies in the box, from 0 to 1; None where there is no evidence.
        checked: What the score does without the named places; None where none are.
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
    def name(self) -> str:
        """How its picture is called, behind the image's name."""
        return f"{self.kind}-{self.number}"

    @property
    def peak(self) -> tuple[int, int]:
        """Row and column of the image where the most of the score rests."""
        row, column = divmod(int(self.map.argmax()), self.map.shape[1])
        return row, column

    @property
    def headline(self) -> str:
        """Which object it is, and how much of its evidence lies in its box."""
        which = f"evidence for {self._named} (box {self.number} of {self.count})"
        return which if self.inside is None else f"{which}, {self.inside:.0%} of it in the box"

    @property
    def lines(self) -> tuple[str, ...]:
        """That, and what the check says."""
        return self.headline, f"  {self.verdict}"

    @property
    def verdict(self) -> str:
        """Whether the score falls when the named places are blurred, in a sentence."""
        return verdict(self.checked)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; the box in COCO's form, ``[x, y, width, height]`` in pixels."""
        found = self.checked
        return {
            "label": self.object.label,
            "score": round(self.object.score, 6),
            "bbox": [round(number, 2) for number in self.object.box],
            "number": self.number,
            "count": self.count,
            "inside": self.inside,
            "checked": None if found is None else {**vars(found), "holds": found.holds},
        }

    def picture(self) -> UInt8Array:
        """The image with the box, the map upon it, and what was blurred: uint8 (H, W, 3)."""
        return sheet([self._cells], side=_SIDE)

    @property
    def _named(self) -> str:
        return f"{printable(self.object.label)} {self.object.score:.2f}"

    @cached_property
    def _cells(self) -> list[Cell]:
        most = float(self.map.max(initial=0)) or 1.0
        cells = [
            Cell(self._framed(self.image), f"{self._named}\nbox {self.number} of {self.count}"),
            Cell(self._framed(overlay(self.image, self.map / most)), self._told),
        ]
        if self.blurred is not None and self.checked is not None:
            verdict = "checked" if self.checked.holds else "not confirmed"
            scores = f"score {self.checked.score:.2f}, blurred elsewhere {self.checked.elsewhere:.2f}"
            cells.append(Cell(self._framed(self.blurred), f"{verdict}: blurred here\n{scores}"))
        return cells

    @property
    def _told(self) -> str:
        inside = "no evidence" if self.inside is None else f"{self.inside:.0%} of it in the box"
        return f"evidence for the box\n{inside}"

    def _framed(self, image: UInt8Array) -> UInt8Array:
        return framed(image, [Outline(self.corners, self.place)], side=_SIDE)
