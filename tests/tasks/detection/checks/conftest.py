"""Small images with boxes, and what the doctor says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from topwork.checking import Checkup, vet
from topwork.data import BoxDataset
from topwork.tasks.detection.checks import BOXES, QUICK_CHECKS

HEIGHT, WIDTH = 96, 128
CLASSES = ("cat", "dog")

Box = tuple[float, float, float, float, int]
"""Corners and class."""


def boxes_of(folder: Path, boxes: Sequence[Sequence[Box]], **more: object) -> BoxDataset:
    """Images of noise that are there, with these boxes."""
    rng = np.random.default_rng(0)
    names = tuple(f"{place:02}.png" for place in range(len(boxes)))
    for name in names:
        coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
        Image.fromarray(coarse).resize((WIDTH, HEIGHT)).save(folder / name)
    flat = np.array([box for each in boxes for box in each], np.float64).reshape(-1, 5)
    given: dict[str, object] = {
        "splits": np.array([""] * len(names)),
        "crowd": np.zeros(len(flat), bool),
        "classes": CLASSES,
    }
    return BoxDataset(
        folder,
        names,
        corners=flat[:, :4],
        labels=flat[:, 4],
        counts=[len(each) for each in boxes],  # type: ignore[arg-type]
        sizes=[(HEIGHT, WIDTH)] * len(names),  # type: ignore[arg-type]
        **(given | more),  # type: ignore[arg-type]
    )


def sound(images: int = 12) -> list[list[Box]]:
    """Two boxes an image with which nothing is wrong."""
    rng = np.random.default_rng(1)
    corners = rng.integers(2, 20, (images, 2)).tolist()
    return [[(x, y, x + 30, y + 40, 0), (x + 50, y + 20, x + 90, y + 60, 1)] for x, y in corners]


def checked(dataset: BoxDataset) -> Checkup:
    return vet(dataset, checks=QUICK_CHECKS, examination=BOXES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
