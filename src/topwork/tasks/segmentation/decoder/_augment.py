"""Augmentation: one view of a training image and of its mask, by the same operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from topwork.tasks.segmentation.decoder._targets import IGNORED

if TYPE_CHECKING:
    import torch

Level = Literal["none", "light", "colour"]
Orient = Literal["none", "mirror", "any"]

_ZOOMED = 0.8  # share of the views that show another part than the whole
_SIDES = (0.5, 1.25)  # of the part that is shown, over what it is shown as
_SIDES_OF_PARTS = (0.7, 1.4)  # where parts are shown, there is more of the image around them
_ASPECT = 0.15  # deviation of the part's proportions, in logarithms, at most
_COLOUR = 0.3  # brightness, contrast and saturation move by so much, either way


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
    part: tuple[int, int, int, int]
    shown: int
    mirrored: bool = False
    turns: int = 0
    colours: tuple[float, float, float] | None = None

    def image(self, image: torch.Tensor, fill: tuple[int, int, int]) -> torch.Tensor:
        """The view of an image, uint8 (3, shown, shown); beyond its edges is the colour ``fill``."""
        from torchvision.transforms.v2 import functional as tv

        image = self._moved(image, [*map(float, fill)], smooth=True)
        if self.colours is not None:
            changes = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation)
            for change, factor in zip(changes, self.colours, strict=True):
                image = change(image, factor)
        return image

    def mask(self, mask: torch.Tensor) -> torch.Tensor:
        """The same of targets, uint8 (shown, shown); beyond the edges is nothing known."""
        return self._moved(mask[None], [float(IGNORED)], smooth=False)[0]

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


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a training image and its mask.

    Attributes:
        level: ``none``; ``light``: a part of the image at another scale, nearer or farther; ``colour``: that, and other
            brightness, contrast and saturation.
        orient: ``mirror`` changes left and right; ``any`` turns by right angles too, for what has no upright, as under
            a microscope or from the air; ``none`` for script, and left against right.
    """

    level: Level = "colour"
    orient: Orient = "mirror"

    @property
    def varies(self) -> bool:
        """Whether it does anything."""
        return self.level != "none" or self.orient != "none"

    def view(self, side: int, seed: int, shown: int | None = None) -> View:
        """How an image is shown; the same seed gives the same view.

        Args:
            side: Of the square, in pixels.
            seed: Of all that is drawn.
            shown: Side of what is shown, in pixels: a part that is about as large; the whole when None.
        """
        rng, shown = np.random.default_rng(seed), shown or side
        zoomed = self.level != "none" and rng.random() < _ZOOMED
        part = _part(side, shown, rng) if zoomed else _placed(side, shown, shown, rng)
        mirrored = self.orient != "none" and bool(rng.random() < 0.5)
        turns = int(rng.integers(4)) if self.orient == "any" else 0
        colours = rng.uniform(1 - _COLOUR, 1 + _COLOUR, 3).tolist() if self.level == "colour" else None
        return View(side, part, shown, mirrored, turns, None if colours is None else tuple(colours))


def plain(side: int, shown: int, seed: int) -> View:
    """A part of an image as it is, at a place that the seed alone decides."""
    return View(side, _placed(side, shown, shown, np.random.default_rng(seed)), shown)


def _part(side: int, shown: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    scale = np.exp(rng.uniform(*np.log(_SIDES_OF_PARTS if shown < side else _SIDES)))
    aspect = np.exp(rng.uniform(-_ASPECT, _ASPECT))
    width, height = (max(1, round(shown * float(each))) for each in (scale * aspect, scale / aspect))
    return _placed(side, width, height, rng)


def _placed(side: int, width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A part of that size somewhere; larger than the image, it reaches beyond."""
    left, top = (int(rng.integers(min(0, side - each), max(0, side - each) + 1)) for each in (width, height))
    return left, top, width, height
