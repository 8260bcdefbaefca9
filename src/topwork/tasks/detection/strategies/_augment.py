"""Augmentation: one view of a training image and of the boxes in it, by the same operations of torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._arrays import BoolArray, Float32Array, Float64Array
from topwork.tasks._maps._augment import Augmenting, Colours, Part, drawn_part, recoloured

if TYPE_CHECKING:
    import torch

_SIDES = (0.5, 1.4)  # of the part that is shown, over the image's
_VISIBLE = 0.3  # share of a box that must be seen for it to be kept
_TRIES = 20  # parts that are tried until one holds an object


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
    part: Part
    mirrored: bool = False
    upturned: bool = False
    colours: Colours | None = None

    def image(self, image: torch.Tensor, fill: tuple[int, int, int]) -> torch.Tensor:
        """The view of an image, uint8 (3, side, side); beyond its edges is the colour ``fill``."""
        return recoloured(self._moved(image, [*map(float, fill)]), self.colours)

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


class Augmentation(Augmenting):
    """What may be done to a training image and its boxes: a part keeps an object; ``any`` turns top and bottom too."""

    def view(self, side: int, corners: Float32Array, seed: int) -> View:
        """How an image with these boxes (K, 4) is shown; the same seed gives the same view."""
        rng = np.random.default_rng(seed)
        part = _part(side, corners, rng) if self.zooms(rng) else (0, 0, side, side)
        mirrored = self.mirrors(rng)
        upturned = self.orient == "any" and bool(rng.random() < 0.5)
        return View(side, part, mirrored, upturned, self.colours(rng))


def _part(side: int, corners: Float32Array, rng: np.random.Generator) -> Part:
    """A part that shows enough of a box, where there is any; the whole where none is found."""
    for _ in range(_TRIES):
        part = drawn_part(side, side, _SIDES, rng)
        if not len(corners) or View(side, part).boxes(corners)[1].any():
            return part
    return 0, 0, side, side


def _areas(corners: npt.NDArray[np.floating]) -> Float64Array:
    sides = (corners[:, 2:] - corners[:, :2]).astype(np.float64)
    return np.asarray(sides.prod(axis=1))
