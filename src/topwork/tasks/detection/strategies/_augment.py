"""Augmentation: one view of a training image and of the boxes in it, by the same operations of torchvision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._arrays import BoolArray, Float32Array, Float64Array

if TYPE_CHECKING:
    import torch

Level = Literal["none", "light", "colour"]
Orient = Literal["none", "mirror", "any"]

_ZOOMED = 0.8  # share of the views that show another part than the whole
_SIDES = (0.5, 1.4)  # of the part that is shown, over the image's
_ASPECT = 0.15  # deviation of the part's proportions, in logarithms, at most
_VISIBLE = 0.3  # share of a box that must be seen for it to be kept
_TRIES = 20  # parts that are tried until one holds an object
_COLOUR = 0.3  # brightness, contrast and saturation move by so much, either way


class View(NamedTuple):
    """How an image of ``side`` pixels is shown: a part of it, then mirrored, turned upside down, in other colours.

    Attributes:
        side: Of the square, in pixels.
        part: Left, top, width and height of what is shown, in pixels; it may reach beyond the image.
        mirrored: Whether left and right change places.
        upturned: Whether top and bottom do.
        colours: Factors on brightness, contrast and saturation; none where they stay.
    """

    side: int
    part: tuple[int, int, int, int]
    mirrored: bool = False
    upturned: bool = False
    colours: tuple[float, float, float] | None = None

    def image(self, image: torch.Tensor, fill: tuple[int, int, int]) -> torch.Tensor:
        """The view of an image, uint8 (3, side, side); beyond its edges is the colour ``fill``."""
        from torchvision.transforms.v2 import functional as tv

        image = self._moved(image, [*map(float, fill)])
        if self.colours is not None:
            for change, factor in zip(
                (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation), self.colours, strict=True
            ):
                image = change(image, factor)
        return image

    def boxes(self, corners: Float32Array) -> tuple[Float32Array, BoolArray]:
        """Boxes (K, 4) as the view shows them, cut at its edges, and (K,) of which enough is seen."""
        import torch
        from torchvision.tv_tensors import BoundingBoxes

        if not len(corners):
            return corners, np.zeros(0, np.bool_)
        place: Any = BoundingBoxes(torch.from_numpy(corners), format="XYXY", canvas_size=(self.side, self.side))
        found: Float32Array = self._moved(place, None).numpy()
        _, _, width, height = self.part
        whole = _areas(corners) * self.side**2 / (width * height)
        return found, _areas(found) >= _VISIBLE * whole

    def _moved(self, given: Any, fill: list[float] | None) -> Any:
        """An image or its boxes: torchvision knows what to do with each."""
        from torchvision.transforms.v2 import functional as tv

        left, top, width, height = self.part
        if self.part != (0, 0, self.side, self.side):
            beyond = [-left, -top, left + width - self.side, top + height - self.side]
            given = tv.pad(given, [max(0, each) for each in beyond], fill=fill)
            given = tv.resized_crop(
                given, max(0, top), max(0, left), height, width, [self.side, self.side], antialias=True
            )
        given = tv.horizontal_flip(given) if self.mirrored else given
        return tv.vertical_flip(given) if self.upturned else given


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a training image and its boxes.

    Attributes:
        level: ``none``; ``light``: a part of the image at another scale, nearer or farther, that keeps an object;
            ``colour``: that, and other brightness, contrast and saturation.
        orient: ``mirror`` changes left and right; ``any`` top and bottom too, for what has no upright, as under a
            microscope or from the air; ``none`` for script, and left against right.
    """

    level: Level = "colour"
    orient: Orient = "mirror"

    @property
    def varies(self) -> bool:
        """Whether it does anything."""
        return self.level != "none" or self.orient != "none"

    def view(self, side: int, corners: Float32Array, seed: int) -> View:
        """How an image with these boxes (K, 4) is shown; the same seed gives the same view."""
        rng = np.random.default_rng(seed)
        part = (0, 0, side, side)
        if self.level != "none" and rng.random() < _ZOOMED:
            part = _part(side, corners, rng)
        mirrored = self.orient != "none" and bool(rng.random() < 0.5)
        upturned = self.orient == "any" and bool(rng.random() < 0.5)
        colours = rng.uniform(1 - _COLOUR, 1 + _COLOUR, 3).tolist() if self.level == "colour" else None
        return View(side, part, mirrored, upturned, None if colours is None else tuple(colours))


def _part(side: int, corners: Float32Array, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A part that shows enough of a box, where there is any; the whole where none is found."""
    whole = (0, 0, side, side)
    for _ in range(_TRIES):
        scale = np.exp(rng.uniform(*np.log(_SIDES)))
        aspect = np.exp(rng.uniform(-_ASPECT, _ASPECT))
        width, height = (max(1, round(side * float(each))) for each in (scale * aspect, scale / aspect))
        left, top = (int(rng.integers(min(0, side - each), max(0, side - each) + 1)) for each in (width, height))
        if not len(corners) or View(side, (left, top, width, height)).boxes(corners)[1].any():
            return left, top, width, height
    return whole


def _areas(corners: npt.NDArray[np.floating]) -> Float64Array:
    sides = (corners[:, 2:] - corners[:, :2]).astype(np.float64)
    return np.asarray(sides.prod(axis=1))
