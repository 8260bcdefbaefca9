"""Boxes upon a picture, whoever draws them: a page in SVG, a file in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from topwork.drawing._colours import class_colours

Stroke = Literal["solid", "dashed", "thin"]
"""What is given is solid, what a model or the doctor found is dashed, what merely lies there is thin: no colour is
needed to tell them apart."""


@dataclass(frozen=True, slots=True)
class Outline:
    """One object as it is drawn upon its picture.

    Attributes:
        corners: ``xmin, ymin, xmax, ymax`` in pixels of the image as it is shown.
        label: The place of its class, which gives its colour.
        text: What stands beside it, such as its class and how sure a model is; none where that is empty.
        stroke: How its line is drawn.
    """

    corners: tuple[float, float, float, float]
    label: int = 0
    text: str = ""
    stroke: Stroke = "solid"

    @property
    def colour(self) -> str:
        """As ``#rrggbb``: the same for a class wherever it is drawn."""
        return f"#{bytes(class_colours(self.label + 1)[-1]).hex()}"
