"""Small pictures are made once: again only where a row or its file has changed, and never another row's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from topwork.data import Dataset, ImageDataset, from_arrays, read, read_masks
from topwork.errors import ImageError
from topwork.report import row_file
from topwork.ui import _pictures
from topwork.ui._pictures import Pictures

from .test_masks import with_flaws


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the rows whose pictures were made."""
    found: list[str] = []

    def noted(dataset: Dataset, row: int) -> bytes:
        found.append(dataset.paths[row])
        return row_file(dataset, row)

    monkeypatch.setattr(_pictures, "row_file", noted)
    return found


def readable(pets: Path) -> ImageDataset:
    dataset = read(pets)
    return dataset.select([row for row, name in enumerate(dataset.paths) if "broken" not in name])


def test_a_row_is_drawn_once_whatever_its_number(pets: Path, made: list[str]) -> None:
    dataset, pictures = readable(pets), Pictures()
    first = [pictures.picture(dataset, row) for row in range(3)]
    later: ImageDataset = dataset.select([2, 0, 4])  # as after a check
    assert pictures.picture(later, 0) == first[2]
    assert pictures.picture(later, 1) == first[0]
    assert made == list(dataset.paths[:3])
    pictures.picture(later, 2)
    assert made[3:] == [dataset.paths[4]]


def test_a_file_or_a_mask_that_has_changed_is_drawn_again(tmp_path: Path, made: list[str]) -> None:
    folder, pictures = with_flaws(tmp_path / "shapes"), Pictures()
    before = pictures.picture(read_masks(folder), 0)
    Image.fromarray(np.zeros((128, 128), np.uint8) + 2).save(folder / "masks" / "00.png")
    masked = pictures.picture(read_masks(folder), 0)
    Image.fromarray(np.zeros((128, 128, 3), np.uint8)).save(folder / "images" / "00.png")
    black = pictures.picture(read_masks(folder), 0)
    assert len({before, masked, black}) == 3
    assert made == ["images/00.png"] * 3


def test_only_so_many_are_kept(pets: Path, made: list[str]) -> None:
    dataset, pictures = readable(pets), Pictures(most=2)
    for row in (0, 1, 0, 2, 0, 1):  # 1 is the one that was not looked at for longest when 2 comes
        pictures.picture(dataset, row)
    assert made == [dataset.paths[row] for row in (0, 1, 2, 1)]


def test_what_is_no_file_or_no_image_is_never_kept(pets: Path, made: list[str]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3)).astype(np.uint8)
    arrays, pictures = from_arrays(list(pixels), ["a", "b"]), Pictures()
    assert pictures.picture(arrays, 0) != pictures.picture(arrays, 1)
    pictures.picture(arrays, 0)
    assert len(made) == 3
    dataset = read(pets)
    broken = dataset.paths.index("global/broken.jpg")
    for _ in range(2):
        with pytest.raises(ImageError):
            pictures.picture(dataset, broken)
    (pets / "global" / "copy.jpg").unlink()
    with pytest.raises(ImageError):
        pictures.picture(dataset, dataset.paths.index("global/copy.jpg"))
