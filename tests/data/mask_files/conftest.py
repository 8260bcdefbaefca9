"""Small sets of images with masks, drawn here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest

Array = npt.NDArray[Any]
HEIGHT, WIDTH = 20, 30


def save(path: Path, pixels: Array, **how: Any) -> Path:
    """Write pixels; 16 bits stay 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path, **how)
    return path


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Array:
    """An image of noise."""
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


def squares(*numbers: int, dtype: Any = np.uint8, height: int = HEIGHT, width: int = WIDTH) -> Array:
    """A mask with a square of 4 × 4 pixels for each number, from left to right."""
    mask = np.zeros((height, width), dtype)
    for place, number in enumerate(numbers):
        mask[3:7, 1 + 5 * place : 5 + 5 * place] = number
    return mask


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes images and masks of the same names into two folders."""

    def made(masks: dict[str, Array], images: str = "images", labels: str = "masks") -> Path:
        for place, (name, mask) in enumerate(masks.items()):
            save(tmp_path / images / f"{name}.png", picture(place, *mask.shape[:2]))
            save(tmp_path / labels / f"{name}.png", mask)
        return tmp_path

    return made
