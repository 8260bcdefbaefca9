"""Images of discs and squares with their masks, drawn by a seed, and how they lie on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from topwork._arrays import UInt8Array

SIZE = 128


def drawn(seed: int, side: int = SIZE) -> tuple[UInt8Array, UInt8Array]:
    """An image (side, side, 3) and its mask (side, side): 0 ground, 1 bright discs, 2 dark squares."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:side, :side]
    mask = np.zeros((side, side), np.uint8)
    for label in (1, 2):
        for _ in range(3):
            y, x = rng.integers(side // 8, side - side // 8, 2)
            radius = int(rng.integers(side // 12, side // 7))
            far = np.hypot(down - y, across - x) if label == 1 else np.maximum(abs(down - y), abs(across - x))
            mask[far <= radius] = label
    colours = np.array([[110, 100, 90], [210, 200, 120], [40, 50, 90]])
    noisy = colours[mask] + rng.normal(0, 12, (side, side, 3))
    return noisy.clip(0, 255).astype(np.uint8), mask


def written(folder: Path, count: int = 8, *, classes: int = 3, side: int = SIZE) -> Path:
    """``images/`` and ``masks/`` with so many of them; with two classes discs alone are told."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for place in range(count):
        image, mask = drawn(place, side)
        told = np.where(mask < classes, mask, 0).astype(np.uint8)
        Image.fromarray(image).save(folder / "images" / f"{place:02}.png")
        Image.fromarray(told).save(folder / "masks" / f"{place:02}.png")
    return folder
