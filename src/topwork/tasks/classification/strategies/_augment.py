"""Augmentation: a training image seen differently each time, as a pure function of a seed.

Works on uint8 with torchvision's functions. The draws are our own, since torchvision's transforms draw from torch's
global generator, which the network draws from too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import torch

Level = Literal["none", "light", "colour", "rand"]
Orient = Literal["none", "mirror", "any"]

WAYS: dict[Orient, int] = {"none": 1, "mirror": 2, "any": 8}
"""Ways round in which an image may be shown."""

_CROP = (0.7, 1.0)  # share of the area that a crop keeps
_ASPECT = (0.8, 1.25)  # width over height of a crop
_COLOUR = 0.3  # brightness, contrast and saturation move by so much, either way
_OPERATIONS = 2  # of RandAugment, one after the other
_MAGNITUDE = 9 / 30  # of RandAugment, of the greatest


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a training image.

    Attributes:
        level: ``none``; ``light`` (crops); ``colour`` (crops, and brightness, contrast, saturation); ``rand``
            (crops, and RandAugment: Cubuk et al. 2019, arXiv 1909.13719).
        orient: ``mirror`` flips left and right; ``any`` turns and flips at will, for images without an upright, as
            from a microscope or the air; ``none`` for digits, script, and left against right.
    """

    level: Level = "light"
    orient: Orient = "mirror"

    @property
    def varies(self) -> bool:
        """Whether it does anything."""
        return self.level != "none" or self.orient != "none"

    def __call__(self, image: torch.Tensor, seed: int) -> torch.Tensor:
        """Augment one image.

        Args:
            image: uint8 (3, size, size).
            seed: The same seed gives the same image.

        Returns:
            uint8 (3, size, size).
        """
        rng = np.random.default_rng(seed)
        if self.level != "none":
            image = _cropped(image, rng)
        image = _turned(image, self.orient, rng)
        if self.level == "colour":
            image = _coloured(image, rng)
        if self.level == "rand":
            image = _operated(image, rng)
        return image


def _cropped(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    from torchvision.transforms.v2 import functional as tv

    side = image.shape[-1]
    area, aspect = rng.uniform(*_CROP), np.exp(rng.uniform(*np.log(_ASPECT)))
    height = min(side, max(1, round(side * float(np.sqrt(area / aspect)))))
    width = min(side, max(1, round(side * float(np.sqrt(area * aspect)))))
    top, left = int(rng.integers(side - height + 1)), int(rng.integers(side - width + 1))
    cropped: torch.Tensor = tv.resized_crop(image, top, left, height, width, [side, side], antialias=True)
    return cropped


def _turned(image: torch.Tensor, orient: Orient, rng: np.random.Generator) -> torch.Tensor:
    if orient != "none" and rng.random() < 0.5:
        image = image.flip(-1)
    return image.rot90(int(rng.integers(4)), (-2, -1)) if orient == "any" else image


def _coloured(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    from torchvision.transforms.v2 import functional as tv

    for change in (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation):
        image = change(image, float(rng.uniform(1 - _COLOUR, 1 + _COLOUR)))
    return image


def _operated(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    operations = _operations(image.shape[-1])
    for place in rng.integers(len(operations), size=_OPERATIONS):
        image = operations[int(place)](image, float(rng.choice([-1.0, 1.0])) * _MAGNITUDE)
    return image


def _operations(side: int) -> list[Callable[[torch.Tensor, float], torch.Tensor]]:
    """RandAugment's, each for a magnitude from -1 to 1."""
    from torchvision.transforms.v2 import functional as tv

    def affine(image: torch.Tensor, *, angle: float = 0, x: float = 0, y: float = 0, shear: float = 0) -> torch.Tensor:
        moved: torch.Tensor = tv.affine(image, angle, [round(x), round(y)], 1.0, [shear, 0.0])
        return moved

    return [
        lambda image, amount: image,
        lambda image, amount: affine(image, angle=30 * amount),
        lambda image, amount: affine(image, x=0.3 * side * amount),
        lambda image, amount: affine(image, y=0.3 * side * amount),
        lambda image, amount: affine(image, shear=17 * amount),
        lambda image, amount: tv.adjust_brightness(image, 1 + 0.9 * amount),
        lambda image, amount: tv.adjust_contrast(image, 1 + 0.9 * amount),
        lambda image, amount: tv.adjust_saturation(image, 1 + 0.9 * amount),
        lambda image, amount: tv.adjust_sharpness(image, 1 + 0.9 * amount),
        lambda image, amount: tv.posterize(image, 8 - round(4 * abs(amount))),
        lambda image, amount: tv.solarize(image, 255 * (1 - abs(amount))),
        lambda image, amount: tv.autocontrast(image),
        lambda image, amount: tv.equalize(image),
    ]
