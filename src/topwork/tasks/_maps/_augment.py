"""What views of a training image share, whatever is told of it: which part is shown, and in which colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from topwork.tasks._maps._settings import Level, Orient

if TYPE_CHECKING:
    import torch

Part = tuple[int, int, int, int]
"""Left, top, width and height in pixels; it may reach beyond the image."""
Colours = tuple[float, float, float]
"""Factors on brightness, contrast and saturation."""

_ZOOMED = 0.8  # share of the views that show another part than the whole
_ASPECT = 0.15  # deviation of the part's proportions, in logarithms, at most
_COLOUR = 0.3  # brightness, contrast and saturation move by so much, either way


@dataclass(frozen=True)
class Augmenting:
    """What may be done to a training image and its target.

    Attributes:
        level: ``none``; ``light``: a part of the image at another scale, nearer or farther; ``colour``: that, and other
            brightness, contrast and saturation.
        orient: ``mirror`` changes left and right; ``any`` turns it too, for what has no upright, as under a microscope
            or from the air; ``none`` for script, and left against right.
    """

    level: Level = "colour"
    orient: Orient = "mirror"

    @property
    def varies(self) -> bool:
        """Whether it does anything."""
        return self.level != "none" or self.orient != "none"

    def zooms(self, rng: np.random.Generator) -> bool:
        """Whether a view shows another part than the whole."""
        return self.level != "none" and bool(rng.random() < _ZOOMED)

    def mirrors(self, rng: np.random.Generator) -> bool:
        """Whether left and right change places in a view."""
        return self.orient != "none" and bool(rng.random() < 0.5)

    def colours(self, rng: np.random.Generator) -> Colours | None:
        """Those of a view; None where they stay."""
        if self.level != "colour":
            return None
        brightness, contrast, saturation = rng.uniform(1 - _COLOUR, 1 + _COLOUR, 3).tolist()
        return brightness, contrast, saturation


def drawn_part(side: int, shown: int, sides: tuple[float, float], rng: np.random.Generator) -> Part:
    """A part of a square whose side is so many times that of what is shown, at the least and at the most."""
    scale = np.exp(rng.uniform(*np.log(sides)))
    aspect = np.exp(rng.uniform(-_ASPECT, _ASPECT))
    width, height = (max(1, round(shown * float(each))) for each in (scale * aspect, scale / aspect))
    return placed(side, width, height, rng)


def placed(side: int, width: int, height: int, rng: np.random.Generator) -> Part:
    """A part of that size somewhere; larger than the square, it reaches beyond."""
    left, top = (int(rng.integers(min(0, side - each), max(0, side - each) + 1)) for each in (width, height))
    return left, top, width, height


def recoloured(image: torch.Tensor, colours: Colours | None) -> torch.Tensor:
    """An image, uint8 (3, H, W), in other colours."""
    from torchvision.transforms.v2 import functional as tv

    changes = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation)
    for change, factor in zip(changes, colours or (), strict=False):
        image = change(image, factor)
    return image
