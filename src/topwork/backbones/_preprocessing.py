"""Preprocessing as one value: how an image of any size becomes what a network was trained to see."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from topwork._arrays import UInt8Array
from topwork.errors import BackboneError

CropMode = Literal["crop", "squash", "pad", "corner"]
Interpolation = Literal["area", "bilinear", "bicubic"]
Rules = Literal["topwork", "timm"]

_DETAIL = 4  # pixels of a scaled JPEG for each of the network's, along a side: docs/decisions/preprocessing.md

_PADDED = ("pad", "corner")

_LARGEST = 2**27  # pixels of a resized image in timm's rules, of which the network then sees the middle


@dataclass(frozen=True)
class Preprocessing:
    """How an RGB image becomes a square of ``size`` pixels, and which mean and deviation the network expects.

    It travels with the model and is applied unchanged in training, evaluation, prediction and export.

    Attributes:
        size: Side of the square in pixels.
        crop_mode: ``crop`` takes the centre square; ``squash`` the whole image, changing its aspect ratio; ``pad`` the
            whole image on a square of the network's mean colour, in its middle; ``corner`` the same at its top left,
            with sides rounded as SAM's are.
        crop: Side of the centre square over the image's shorter side; used by ``crop`` alone, and in timm's rules by
            ``squash`` too.
        interpolation: Pillow's filter; ``area`` averages the pixels that fall into one, and is bilinear when it
            enlarges: on photographs as accurate as ``bicubic``, on cloth more so, and twice as fast
            (docs/decisions/preprocessing.md).
        rules: ``timm`` decodes the whole file and cuts the crop out of the resized image, where it begins at a whole
            pixel: with timm's interpolation the pixels are timm's own. ``topwork`` decodes a large JPEG at a scale that
            leaves four pixels for each of the network's, and resizes what is seen alone.
        mean: Per channel, on the scale 0 to 1.
        std: Per channel, on the scale 0 to 1.
    """

    size: int = 224
    crop_mode: CropMode = "crop"
    crop: float = 0.875
    interpolation: Interpolation = "area"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    rules: Rules = "topwork"

    def __post_init__(self) -> None:
        """Refuse, by a BackboneError, values that could only fail later."""
        sized = isinstance(self.size, int) and 16 <= self.size <= 4096
        interpolated = self.interpolation in get_args(Interpolation)
        mode_known = self.crop_mode in get_args(CropMode)
        checks = {
            f"size must be a whole number between 16 and 4096 pixels, not {self.size!r}": sized,
            f"crop_mode must be crop, squash, pad or corner, not {self.crop_mode!r}": mode_known,
            f"crop must be above 0 and at most 1, not {self.crop!r}": 0 < self.crop <= 1,
            f"interpolation must be area, bilinear or bicubic, not {self.interpolation!r}": interpolated,
            f"rules must be topwork or timm, not {self.rules!r}": self.rules in get_args(Rules),
            "mean and std must each have three numbers": len(self.mean) == len(self.std) == 3,
            f"mean must be between 0 and 1, not {self.mean}": all(0 <= value <= 1 for value in self.mean),
            f"std must be positive, not {self.std}": all(0 < value < np.inf for value in self.std),
        }
        for complaint, fine in checks.items():
            if not fine:
                raise BackboneError(f"preprocessing: {complaint}")

    @property
    def min_side(self) -> int | None:
        """Shorter side in pixels that a scaled JPEG must have at least; None where it is to be decoded whole."""
        if self.rules == "timm":
            return None
        side = math.ceil(self.size / self.crop) if self.crop_mode == "crop" else self.size
        return _DETAIL * side

    def __call__(self, image: UInt8Array) -> UInt8Array:
        """Resize one image.

        Args:
            image: uint8 (height, width, 3), RGB.

        Returns:
            uint8 (size, size, 3). The mean and deviation are applied by the engine, on the device.
        """
        seen, (left, top, right, bottom) = self.view(*image.shape[:2])
        if self.rules == "timm" and self.crop_mode not in _PADDED and self._fits(*image.shape[:2]):
            return self._cut_from_whole(image)
        resized = self._resized(image, seen, (right - left, bottom - top))
        if self.crop_mode not in _PADDED:
            return resized
        canvas = np.empty((self.size, self.size, 3), np.uint8)
        canvas[:] = np.round(np.array(self.mean) * 255).astype(np.uint8)
        canvas[top:bottom, left:right] = resized
        return canvas

    def _fits(self, height: int, width: int) -> bool:
        """Whether the whole image can be resized; a line of one pixel would become larger than any memory."""
        (rows, _), (columns, _) = self._grid(height, width)
        return rows * columns <= _LARGEST

    def _cut_from_whole(self, image: UInt8Array) -> UInt8Array:
        """The whole image resized, and then cut: Pillow keeps a part's edges in 32 bits, so its pixels differ."""
        (rows, top), (columns, left) = self._grid(*image.shape[:2])
        whole = self._resized(image, (0, 0, image.shape[1], image.shape[0]), (columns, rows))
        return np.ascontiguousarray(whole[top : top + self.size, left : left + self.size])

    def view(self, height: int, width: int) -> tuple[tuple[float, float, float, float], tuple[int, int, int, int]]:
        """What of an image of that size is seen, and where in the square it lies: left, top, right and bottom each."""
        whole, square = (0.0, 0.0, float(width), float(height)), (0, 0, self.size, self.size)
        if self.rules == "timm" and self.crop_mode not in _PADDED:
            return self._centre(height, width), square
        if self.crop_mode == "crop":
            side = min(height, width) * self.crop
            left, top = (width - side) / 2, (height - side) / 2
            return (left, top, left + side, top + side), square
        if self.crop_mode == "squash":
            return whole, square
        if self.crop_mode == "corner":
            longest = self.size / max(height, width)
            across, down = (max(1, int(side * longest + 0.5)) for side in (width, height))
            return whole, (0, 0, across, down)
        scale = max(height, width) / self.size
        across, down = max(1, round(width / scale)), max(1, round(height / scale))
        start = (self.size - across) // 2, (self.size - down) // 2
        return whole, (*start, start[0] + across, start[1] + down)

    def _centre(self, height: int, width: int) -> tuple[float, float, float, float]:
        """The centre square of the resized image, in pixels of the image: left, top, right and bottom."""
        (rows, top), (columns, left) = self._grid(height, width)
        down, across = height / rows, width / columns
        right, bottom = min((left + self.size) * across, width), min((top + self.size) * down, height)
        return left * across, top * down, right, bottom

    def _grid(self, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows of the resized image and the first that is seen, and the same of its columns.

        Whole pixels: torchvision's ``Resize`` and ``CenterCrop``, as timm calls them.
        """
        least, short = math.floor(self.size / self.crop), min(height, width)
        rows, columns = (least if self.crop_mode == "squash" else int(least * side / short) for side in (height, width))
        return (rows, round((rows - self.size) / 2)), (columns, round((columns - self.size) / 2))

    def _resized(self, image: UInt8Array, box: tuple[float, float, float, float], size: tuple[int, int]) -> UInt8Array:
        from PIL import Image

        enlarges = box[2] - box[0] < size[0] or box[3] - box[1] < size[1]
        name = "bilinear" if self.interpolation == "area" and enlarges else self.interpolation
        resampling = Image.Resampling["BOX" if name == "area" else name.upper()]
        return np.asarray(Image.fromarray(image).resize(size, resampling, box=box))

    def replace(self, **changes: Any) -> Preprocessing:
        """Copy with some fields changed, checked like a new one."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Preprocessing:
        """Inverse of ``to_dict``; older models do not say by which rules.

        Raises:
            BackboneError: A field is unknown or out of its range.
        """
        try:
            return cls(**{**fields, "mean": tuple(fields["mean"]), "std": tuple(fields["std"])})
        except (TypeError, KeyError) as error:
            raise BackboneError(f"preprocessing: {error}") from error
