"""Augmentation: what is done to a training image, and which ways of turning it help, measured by a probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.advising import Trial
from topwork.backbones import EMBEDDING
from topwork.engines import open_engine
from topwork.features import FeatureTable
from topwork.heads import LinearHead
from topwork.tasks._classes._finetuned import score

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
        """Augment one image, uint8 (3, size, size); the same seed gives the same image."""
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


UInt8Array = npt.NDArray[np.uint8]
FitHead = Callable[[FeatureTable], LinearHead]

_IMAGES = 400  # of the training images; more would not change the answer, and take time


def orient_trials(
    pixels: UInt8Array,
    table: FeatureTable,
    learn: npt.NDArray[np.intp],
    check: npt.NDArray[np.intp],
    fit: FitHead,
    seed: int,
) -> tuple[Trial, ...]:
    """How a probe is served by each way of showing training images; the best is marked.

    Heads are fitted on images as they are, on these and mirrored ones, and on these, mirrored and turned ones. Of those
    that name as many validation images right as the first, the one with the lowest log loss wins. Where a mirrored
    image belongs to another class (digits, left and right), the copies contradict the originals, and the head gets
    worse.

    Pixels (N, size, size, 3) are of all rows of the table of embeddings; ``learn`` and ``check`` are its rows to learn
    from and to validate with.
    """
    rows = learn[np.unique(np.linspace(0, len(learn) - 1, _IMAGES).astype(int))]
    engine = open_engine(table.backbone, (EMBEDDING,), table.choice, images=len(rows))
    plain, held = table.select(rows), table.select(check)
    upright, values, tried = pixels[rows], [plain.values], []
    mirrored = np.ascontiguousarray(upright[:, :, ::-1])
    for orient, images in (("none", None), ("mirror", mirrored), ("any", turned(upright, seed))):
        if images is not None:
            shares = np.array_split(images, min(engine.callers, len(images)))  # an engine takes no empty one
            with Executor("orient", engine.callers) as pool:
                values.append(np.concatenate([*pool.map_ordered(engine, shares, in_flight=len(shares))]))
        copies = table.select(np.tile(rows, len(values)))
        head = fit(replace(copies, values=np.concatenate(values)))
        tried.append(Trial("orient", orient, len(check), *score(head, held), chosen=False))
    harmless = [place for place, trial in enumerate(tried) if (trial.accuracy or 0) >= (tried[0].accuracy or 0)]
    best = min(harmless, key=lambda place: tried[place].log_loss or 0.0)
    return tuple(replace(trial, chosen=place == best) for place, trial in enumerate(tried))


def turned(images: UInt8Array, seed: int) -> UInt8Array:
    """Each of the square images (N, size, size, 3) in another of the seven ways round that are not its own."""
    ways = np.random.default_rng(seed).integers(1, 8, size=len(images))
    found = np.empty_like(images)
    for image, way, place in zip(images, ways, found, strict=True):
        quarter = np.rot90(image, way % 4)
        place[:] = quarter[:, ::-1] if way >= 4 else quarter
    return found
