"""Small data sets of real pictures: cloth for a set that nothing is wrong with, photographs for everything else."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from topwork.checking import Examined
from topwork.checking._near_duplicates import NearDuplicates
from topwork.checking._survey import Pictures, Survey
from topwork.data import ImageDataset

Paint = Callable[[Image.Image], Image.Image]


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 92} if kind == "JPEG" else {}) | options)
    return file.getvalue()


def pixels_of(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


@pytest.fixture(scope="session")
def pieces(photos: list[Path]) -> list[Image.Image]:
    """80 pieces of photographs, 150 x 120 pixels, of which no two overlap."""
    corners = [(0, 0), (0, 110), (110, 0), (110, 110)]
    return [
        pixels_of(path).resize((224, 224)).crop((x, y, x + 110, y + 110)).resize((150, 120))
        for x, y in corners
        for path in photos
    ]


@pytest.fixture(scope="session")
def cloth(textiles: list[Path]) -> dict[str, list[Path]]:
    """24 pictures of good cloth and 24 of cloth with a fault all over."""
    return {name: [p for p in textiles if p.parent.name == name][:24] for name in ("nominal", "global")}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Write files by their names below a data folder."""

    def write(files: dict[str, bytes], root: str = "set") -> Path:
        for name, content in files.items():
            path = tmp_path / root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path / root

    return write


def in_memory(labels: list[int], *, splits: list[str] | None = None, groups: tuple[str, ...] = ()) -> ImageDataset:
    """A data set by its labels alone; there are no files."""
    names = tuple(f"{label}/{row}.jpg" for row, label in enumerate(labels))
    classes = tuple(f"class {label}" for label in range(max(labels) + 1))
    column = np.array(splits or [""] * len(labels), "<U5")
    return ImageDataset(
        Path("nowhere"), names, column, labels=np.array(labels, np.int32), classes=classes, groups=groups
    )


NO_TWINS = NearDuplicates((), np.empty((0, 2), np.int64), np.empty(0), ())


def examined(dataset: ImageDataset, usable: np.ndarray | None = None, twins: NearDuplicates = NO_TWINS) -> Examined:
    """What a check is given of a data set that nobody has looked at."""
    rows, empty = len(dataset), np.zeros((0, 32, 32))
    refused = {} if usable is None else {int(row): "damaged" for row in np.flatnonzero(~usable)}
    nothing = (np.zeros((rows, 2), np.uint64), np.full(rows, -1, np.int8), np.zeros(rows, [("hash", np.uint64)]))
    return Examined(Survey(dataset, refused, *nothing, Pictures(np.zeros(0, np.int64), empty, empty)), twins)
