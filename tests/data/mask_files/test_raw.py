"""Files of masks of every kind of pixel give the numbers that stand in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest

from topwork.data import UNLABELLED, read_masks
from topwork.data._mask_files._meaning import Meaning
from topwork.data._mask_files._raw import raw_of, raw_of_array
from topwork.errors import DataError, ImageError

from .conftest import picture, save, squares

VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.uint32, np.float32])
def test_numbers_stay_as_they_are(tmp_path: Path, suffix: str, kind: Any) -> None:
    if suffix == ".png" and kind not in (np.uint8, np.uint16):
        pytest.skip("PNG has 8 or 16 bits")
    mask = squares(1, 2, 200).astype(kind)
    if kind is not np.uint8:
        mask[0, 0] = 300
    file = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(file, mask)
    elif kind is np.uint32:
        pytest.importorskip("tifffile").imwrite(file, mask)
    else:
        save(file, mask)
    raw = raw_of(file)
    assert (raw.values == mask).all()
    assert raw.deep == (kind is not np.uint8)
    assert not raw.colours


def test_one_bit_palette_and_what_is_clear(tmp_path: Path) -> None:
    mask = squares(1, 2)
    PIL.Image.fromarray(mask > 0).save(tmp_path / "bits.png")
    assert (raw_of(tmp_path / "bits.png").values == (mask > 0)).all()
    indexed = PIL.Image.fromarray(mask)
    indexed.putpalette(VOC)
    indexed.save(tmp_path / "palette.png")
    raw = raw_of(tmp_path / "palette.png")
    assert (raw.values == mask).all()
    assert raw.palette is not None
    assert raw.palette[:3].tolist() == [0, 0x800000, 0x008000]
    clear = np.dstack([np.full((*mask.shape, 3), 90, np.uint8), np.where(mask > 0, np.uint8(255), np.uint8(0))])
    save(tmp_path / "clear.png", clear)
    assert (raw_of(tmp_path / "clear.png").values == np.where(mask > 0, 90, 0)).all()


def test_a_palette_is_told_by_its_numbers_or_by_a_legend_of_colours(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / "images" / f"{name}.png", picture(0))
        indexed = PIL.Image.fromarray(squares(1, 2))
        indexed.putpalette(VOC)
        (tmp_path / "masks").mkdir(exist_ok=True)
        indexed.save(tmp_path / "masks" / f"{name}.png")
    assert read_masks(tmp_path).classes == ("background", "1", "2")
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\ndog:0,128,0::\ncat:128,0,0::\n")
    dataset = read_masks(tmp_path)
    assert dataset.classes == ("background", "dog", "cat")
    assert (dataset.mask(0).labels == np.array([0, 2, 1])[squares(1, 2)]).all()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((3, 4, 5)), "is not a mask"),
        (np.zeros((0, 4)), "is not a mask"),
        (np.zeros((4, 4, 3)), "colours of float64"),
        (np.full((4, 4), np.nan), "not whole"),
        (np.full((4, 4), 2**40), "too large"),
        (np.full((4, 4), "a"), "give whole numbers|is not a mask"),
    ],
)
def test_arrays_that_are_no_masks(array: npt.NDArray[Any], reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        raw_of_array(array)


def test_a_table_tells_objects_by_its_column(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / f"{name}.png", picture(0))
        save(tmp_path / f"{name}_l.png", squares(1, 2))
    rows = "".join(f"{name}.png,{name}_l.png\n" for name in "ab")
    (tmp_path / "set.csv").write_text(f"path,cells\n{rows}")
    with pytest.raises(DataError, match="no column 'mask' or 'objects'"):
        read_masks(tmp_path / "set.csv")
    assert read_masks(tmp_path / "set.csv", columns={"objects": "cells"}).objects.tolist() == [2, 2]
    assert read_masks(tmp_path / "set.csv", columns={"mask": "cells"}).classes == ("background", "1", "2")


def test_a_path_may_not_leave_the_folder(tmp_path: Path) -> None:
    save(tmp_path / "a.png", squares(1))
    inner = tmp_path / "set"
    save(inner / "images" / "a.png", picture(0))
    (inner / "set.csv").write_text("path,mask\nimages/a.png,../a.png\n")
    with pytest.raises(DataError, match="no image with a mask") as caught:
        read_masks(inner)
    assert "leaves the data folder" in str(caught.value.hint)


@pytest.mark.parametrize("masks", [np.zeros((2, 20, 30), np.uint8), [np.zeros((20, 31), np.uint8)] * 3])
def test_arrays_that_do_not_fit(masks: Any) -> None:
    with pytest.raises(DataError, match=r"3 images, but 2 masks|no mask in the arrays can be used"):
        read_masks(([picture(0)] * 3, masks))


@pytest.mark.parametrize("values", [(0, 1, 7, 200, 65_535), (0, 1, 7, 70_000), (-1, 0, 1, 7), (7,)])
def test_what_a_number_means_is_the_same_for_all_of_its_pixels(values: tuple[int, ...]) -> None:
    """Against a dictionary, pixel by pixel; numbers that are looked up once, and those that are too large for that."""
    meaning = Meaning("indices", np.array([1, 7, 200]), np.array([0, 2, UNLABELLED], np.int32), ("a", "b", "c"), False)
    told = {1: 0, 7: 2, 200: UNLABELLED}
    pixels = np.random.default_rng(0).choice(np.array(values, np.int32), (300, 300))
    labels, known = meaning.labels_of(pixels)
    assert labels.dtype == np.int32
    assert labels.tolist() == [[told.get(value, UNLABELLED) for value in row] for row in pixels.tolist()]
    assert known.tolist() == [[value in told or value < 0 for value in row] for row in pixels.tolist()]
