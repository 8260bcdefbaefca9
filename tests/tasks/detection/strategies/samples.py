"""Pictures with coloured shapes on noise, and the boxes around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from topwork.data import BoxDataset

SIDE = 160
COLOURS = {"brick": (200, 40, 30), "leaf": (30, 150, 60)}


def shapes(
    folder: Path, count: int, *, seed: int = 0, classes: int = 2, most: int = 3, val: int = 0, test: int = 0
) -> BoxDataset:
    """So many pictures of 0 to ``most`` shapes each, the first with one; ``val`` and ``test`` of them are held out."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(COLOURS)[:classes]
    corners, labels, counts = [], [], []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        picture = rng.integers(110, 146, (SIDE, SIDE, 3)).astype(np.uint8)
        here = 0
        for _ in range(1 if number == 0 else rng.integers(0, most + 1)):
            width, height = rng.integers(30, 70, 2)
            left, top = rng.integers(0, SIDE - width), rng.integers(0, SIDE - height)
            label = int(rng.integers(classes))
            box = left, top, left + width, top + height
            if any(_meet(box, other) for other in corners[len(corners) - here :]):
                continue
            picture[top : top + height, left : left + width] = COLOURS[names[label]]
            corners.append(box)
            labels.append(label)
            here += 1
        counts.append(here)
        Image.fromarray(picture).save(folder / f"{number}.png")
    splits = np.array(["train"] * (count - val - test) + ["val"] * val + ["test"] * test, "<U5")
    return BoxDataset(
        folder,
        tuple(f"{number}.png" for number in range(count)),
        splits,
        corners=np.array(corners, np.float32).reshape(-1, 4),
        labels=np.array(labels, np.int32),
        crowd=np.zeros(len(labels), np.bool_),
        counts=np.array(counts, np.int32),
        sizes=np.full((count, 2), SIDE, np.int32),
        classes=tuple(names),
    )


def _meet(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
