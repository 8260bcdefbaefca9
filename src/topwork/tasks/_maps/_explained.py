"""What is said of a map of evidence, whether it is one box's or one region's, and what is asked for first."""

from __future__ import annotations

from typing import Any, ClassVar

from topwork._arrays import Float32Array, UInt8Array
from topwork.data import printable, quoted
from topwork.drawing import Cell, overlay, sheet
from topwork.errors import ExplainError
from topwork.explain.places import Checked, verdict

SIDE = 360
"""Pixels of each picture of the sheet."""


def require_asked(classes: tuple[str, ...], label: str | None, number: int, *, one: str, many: str, first: str) -> None:
    """Refuse a class that is none, and a number that is none.

    Raises:
        ExplainError: There is no such class, or the number is below 1.
    """
    if label is not None and label not in classes:
        raise ExplainError(f"no class is called {label!r}", hint=f"the classes are {quoted(classes[:20])}")
    if number < 1:
        raise ExplainError(f"{many} are counted from 1, so there is no {one} {number}", hint=f"1 is the {first} {one}")


class Evidence:
    """What evidence for one thing in an image tells; a room adds which thing, and how it is marked.

    Attributes:
        kind: What the thing is called: a box, a region.
        number: Which it is of those that were to choose from.
        count: How many these are.
        image: uint8 (H, W, 3), the image as it is shown; reduced where it is large.
        map: float32 (H, W); the larger, the more of the score rests on what is there. Below 0 the score would be higher
            without it; 0 where the network sees nothing of the image.
        blurred: uint8 (H, W, 3), the image without the named places; None where none are.
        inside: The share of the evidence that lies in the thing, from 0 to 1; None where there is no evidence.
        checked: What the score does without the named places; None where none are.
    """

    kind: ClassVar[str]
    number: int
    count: int
    image: UInt8Array
    map: Float32Array
    blurred: UInt8Array | None
    inside: float | None
    checked: Checked | None

    @property
    def scored(self) -> tuple[str, float]:
        """The thing's class, and its score."""
        raise NotImplementedError

    def marked(self, image: UInt8Array) -> UInt8Array:
        """A picture with the thing marked on it."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """How its picture is called, behind the image's name."""
        return f"{self.kind}-{self.number}"

    @property
    def headline(self) -> str:
        """Which thing it is, and how much of its evidence lies in it."""
        which = f"evidence for {self._named} ({self.kind} {self.number} of {self.count})"
        return which if self.inside is None else f"{which}, {self.inside:.0%} of it in the {self.kind}"

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
        (label, score), found = self.scored, self.checked
        return {
            "label": label,
            "score": round(score, 6),
            "number": self.number,
            "count": self.count,
            "inside": self.inside,
            "checked": None if found is None else {**vars(found), "holds": found.holds},
        }

    def picture(self) -> UInt8Array:
        """The image with the thing, the map upon it, and what was blurred: uint8 (H, W, 3)."""
        most = float(self.map.max(initial=0)) or 1.0
        inside = "no evidence" if self.inside is None else f"{self.inside:.0%} of it in the {self.kind}"
        cells = [
            Cell(self.marked(self.image), f"{self._named}\n{self.kind} {self.number} of {self.count}"),
            Cell(self.marked(overlay(self.image, self.map / most)), f"evidence for the {self.kind}\n{inside}"),
        ]
        if self.blurred is not None and self.checked is not None:
            told = "checked" if self.checked.holds else "not confirmed"
            scores = f"score {self.checked.score:.2f}, blurred elsewhere {self.checked.elsewhere:.2f}"
            cells.append(Cell(self.marked(self.blurred), f"{told}: blurred here\n{scores}"))
        return sheet([cells], side=SIDE)

    @property
    def _named(self) -> str:
        label, score = self.scored
        return f"{printable(label)} {score:.2f}"
