"""The seam for finders: what becomes of pictures with one find, several and none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from topwork.backbones import EMBEDDING, load
from topwork.data import read
from topwork.errors import DataError, ImageError
from topwork.features import extract
from topwork.tasks.recognition._finder import Crops, Find, cropped, only_find, open_finder


@dataclass(frozen=True)
class Squares:
    """Finds bright squares of 16 pixels that stand in a row of a dark picture."""

    thing: str = "square"
    advice: str = "draw one"
    longest: int = 1000

    def facts(self) -> dict[str, Any]:
        return {"name": "squares"}

    def find(self, pixels: Any) -> Sequence[Find]:
        starts = np.flatnonzero(np.diff((pixels[8, :, 0] > 100).astype(int), prepend=0) == 1)
        return [Find(pixels[:16, x : x + 16].copy(), (float(x), 0.0, x + 8.0 + x / 10, 16.0)) for x in starts]


def picture(*levels: int) -> Any:
    pixels = np.zeros((32, 160, 3), np.uint8)
    for place, level in enumerate(levels):
        pixels[:16, 40 * place + 4 : 40 * place + 20] = level
    return pixels


def test_the_largest_of_several_is_taken_or_the_picture_is_refused() -> None:
    assert only_find(Squares(), picture(120, 200), "largest").crop[0, 0, 0] == 200
    with pytest.raises(ImageError, match="2 squares were found where one is expected"):
        only_find(Squares(), picture(120, 200), "refuse")
    with pytest.raises(ImageError, match="no square was found"):
        only_find(Squares(), picture(), "largest")


def test_crops_are_sources_and_a_picture_without_any_is_refused_alone(tmp_path: Path, shared_cache: Path) -> None:
    for name, levels in (("a/1", (150,)), ("a/2", ()), ("b/1", (250, 120))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(picture(*levels)).save(tmp_path / f"{name}.png")
    dataset = read(tmp_path)
    table = extract(cropped(dataset, Squares()), load(), outputs=(EMBEDDING,))
    assert table.dataset.paths == ("a/1.png", "b/1.png")
    assert [(item.path, item.reason) for item in table.dataset.left_out] == [("a/2.png", "no square was found")]
    crop = Crops([picture(150)], Squares())[0]
    assert isinstance(crop, np.ndarray)
    assert crop.shape == (16, 16, 3)
    assert cropped(dataset, None) is dataset


def test_a_finder_that_is_none_is_told() -> None:
    with pytest.raises(DataError, match="nothing that finds 'ghosts' is known"):
        open_finder({"name": "ghosts"})
