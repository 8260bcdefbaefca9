"""Augmentation: one view of a training image and of its mask, by the same operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from topwork.tasks._maps._augment import Augmenting, Colours, Part, drawn_part, placed, recoloured
from topwork.tasks.segmentation.decoder._targets import IGNORED

if TYPE_CHECKING:
    import torch

_SIDES = (0.5, 1.25)  # of the part that is shown, over what it is shown as
_SIDES_OF_PARTS = (0.7, 1.4)  # where parts are shown, there is more of the image around them


class View(NamedTuple):
    """How an image of ``side`` pixels is shown: a part of it, then mirrored, turned, in other colours.

    Attributes:
        side: Of the square, in pixels.
        part: Left, top, width and height of what is shown, in pixels; it may reach beyond the image.
        shown: Side of what it is shown as, in pixels.
        mirrored: Whether left and right change places.
        turns: Quarter turns to the left.
        colours: Factors on brightness, contrast and saturation; none where they stay.
    """

    side: int
    part: Part
    shown: int
    mirrored: bool = False
    turns: int = 0
    colours: Colours | None = None

    def image(self, image: torch.Tensor, fill: tuple[int, int, int]) -> torch.Tensor:
        """The view of an image, uint8 (3, shown, shown); beyond its edges is the colour ``fill``."""
        return recoloured(self._moved(image, [*map(float, fill)], smooth=True), self.colours)

    def mask(self, mask: torch.Tensor) -> torch.Tensor:
        """The same of targets, uint8 (planes, shown, shown); beyond the edges is nothing known."""
        return self._moved(mask, [float(IGNORED)] * len(mask), smooth=False)

    def _moved(self, given: torch.Tensor, fill: list[float], *, smooth: bool) -> torch.Tensor:
        from torchvision.transforms.v2 import InterpolationMode
        from torchvision.transforms.v2 import functional as tv

        left, top, width, height = self.part
        if self._within:  # nothing is resized: the pixels as they are
            given = given[..., top : top + height, left : left + width]
        else:
            beyond = [-left, -top, left + width - self.side, top + height - self.side]
            given = tv.pad(given, [max(0, each) for each in beyond], fill=fill)
            how = InterpolationMode.BILINEAR if smooth else InterpolationMode.NEAREST_EXACT
            place = (max(0, top), max(0, left), height, width)
            given = tv.resized_crop(given, *place, [self.shown, self.shown], how, antialias=smooth)
        given = given.flip(-1) if self.mirrored else given
        return given.rot90(self.turns, (-2, -1)) if self.turns else given

    @property
    def _within(self) -> bool:
        left, top, width, height = self.part
        inside = 0 <= left <= self.side - width and 0 <= top <= self.side - height
        return inside and width == height == self.shown


class Augmentation(Augmenting):
    """What may be done to a training image and its mask; ``any`` turns it by right angles."""

    def view(self, side: int, seed: int, shown: int | None = None) -> View:
        """How an image is shown; the same seed gives the same view.

        Args:
            side: Of the square, in pixels.
            seed: Of all that is drawn.
            shown: Side of what is shown, in pixels: a part that is about as large; the whole when None.
        """
        rng, shown = np.random.default_rng(seed), shown or side
        sides = _SIDES_OF_PARTS if shown < side else _SIDES
        part = drawn_part(side, shown, sides, rng) if self.zooms(rng) else placed(side, shown, shown, rng)
        mirrored = self.mirrors(rng)
        turns = int(rng.integers(4)) if self.orient == "any" else 0
        return View(side, part, shown, mirrored, turns, self.colours(rng))


def plain(side: int, shown: int, seed: int) -> View:
    """A part of an image as it is, at a place that the seed alone decides."""
    return View(side, placed(side, shown, shown, np.random.default_rng(seed)), shown)
