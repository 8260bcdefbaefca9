"""Images as people hold them; Pillow is the oracle."""

from __future__ import annotations

from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from topwork.data import as_source, decode, several
from topwork.errors import ImageError


@pytest.fixture(scope="module")
def pixels(photos: list[Path]) -> np.ndarray[Any, Any]:
    return decode(photos[0])


def test_arrays_and_tensors_of_every_usual_kind_are_the_same_image(pixels: np.ndarray[Any, Any]) -> None:
    import torch

    chw = pixels.transpose(2, 0, 1)
    for held in (
        pixels,
        chw,
        pixels.astype(np.int64),
        pixels.astype(np.float32),
        pixels / 255,
        (pixels / 255).astype(np.float32),
        pixels.astype(np.uint16) * 257,
        np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]),
        torch.tensor(chw.copy()),
        torch.tensor(chw / 255, dtype=torch.float32, requires_grad=True),
        torch.tensor(chw / 255, dtype=torch.float64),
    ):
        np.testing.assert_array_equal(as_source(held), pixels)


def test_grey_and_masks_are_grey_in_colour(pixels: np.ndarray[Any, Any]) -> None:
    grey = pixels[:, :, 0]
    for held in (grey, grey[:, :, None], grey[None], grey / 255):
        np.testing.assert_array_equal(as_source(held), np.repeat(grey[:, :, None], 3, axis=2))
    mask = np.asarray(as_source(grey > 100))
    assert set(np.unique(mask).tolist()) == {0, 255}


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "RGBA", "LA"])
def test_pillows_images_are_as_their_files(photos: list[Path], mode: str) -> None:
    with Image.open(photos[0]) as photo:
        image = photo.convert(mode)
    file = BytesIO()
    image.save(file, "TIFF" if mode == "CMYK" else "PNG")
    np.testing.assert_array_equal(as_source(image), decode(file.getvalue()))


def test_a_pillow_image_stands_upright(photos: list[Path]) -> None:
    with Image.open(photos[0]) as photo:
        file = BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        photo.convert("RGB").save(file, "JPEG", exif=exif, quality=100)
    np.testing.assert_array_equal(as_source(Image.open(BytesIO(file.getvalue()))), decode(file.getvalue()))


def test_files_and_bytes_are_read(photos: list[Path]) -> None:
    data = photos[0].read_bytes()
    with photos[0].open("rb") as file:
        assert as_source(file) == data
        with pytest.raises(ImageError, match="no bytes") as caught:
            as_source(file)
    assert "seek(0)" in caught.value.hint
    for held in (BytesIO(data), bytearray(data), memoryview(data), data):
        assert as_source(held) == data
    assert as_source(photos[0]) == photos[0]


@pytest.mark.parametrize(
    ("held", "told", "hint"),
    [
        (StringIO("text"), "text, not bytes", "rb"),
        (None, "a NoneType is not an image", "a path"),
        (float("nan"), "a float is not an image", "a path"),
        ({"path": "x"}, "a dict is not an image", "a path"),
        (np.zeros((5, 5, 7)), r"\(5, 5, 7\)", "height"),
        (np.zeros((0, 5, 3), np.uint8), r"\(0, 5, 3\)", "height"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"\(2, 4, 4, 3\)", "height"),
        (np.full((4, 4), np.nan), "not numbers", "NaN"),
        (np.array([[-2.1, 1.9]]), "from -2.1 to 1.9", "normalisation"),
        (np.array([[0, 70_000]]), "0 to 7e", "255"),
        (np.array([["a", "b"]]), "not an image", "numbers"),
        (Image.fromarray(np.zeros((2, 2), np.int32)), "no defined range", "8 or 16"),
    ],
)
def test_what_is_no_image_says_so(held: object, told: str, hint: str) -> None:
    with pytest.raises(ImageError, match=told) as caught:
        as_source(held)
    assert hint in caught.value.hint


def test_anything_that_holds_several_is_gone_through(photos: list[Path], pixels: np.ndarray[Any, Any]) -> None:
    pandas = pytest.importorskip("pandas")
    names = [str(path) for path in photos]
    for held in (names, tuple(names), iter(names), (name for name in names), np.array(names), pandas.Series(names)):
        assert list(several(held)) == names
    assert sorted(several(photos[0].parent.glob(photos[0].name))) == [photos[0]]
    assert len(list(several(np.stack([pixels, pixels])))) == 2


@pytest.mark.parametrize(
    "held", ["a.jpg", b"x", Path("a.jpg"), np.zeros((4, 4, 3)), BytesIO(b"x"), Image.new("L", (2, 2))]
)
def test_one_image_is_not_several(held: object) -> None:
    with pytest.raises(ImageError, match="as a list"):
        several(held)


@pytest.mark.parametrize("held", [{"a": 1}, 7, None])
def test_no_list_is_not_several(held: object) -> None:
    with pytest.raises(ImageError, match="not a list of images"):
        several(held)
