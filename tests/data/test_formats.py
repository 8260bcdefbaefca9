"""What a file says of itself: format, size, frames, quality."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.checking.conftest import encoded
from topwork.data import decode
from topwork.data.formats import FORMATS, compression, format_of, frames, suffix_fits, true_size


@pytest.fixture
def reel(pieces: list[Image.Image]) -> list[Image.Image]:
    return pieces[:5]


@pytest.mark.parametrize("kind", list(FORMATS))
def test_formats_are_told_by_their_first_bytes(pieces: list[Image.Image], kind: str) -> None:
    heic = Path(__file__).parent / "files" / "cloth.heic"  # Pillow does not write it
    assert format_of(heic.read_bytes() if kind == "HEIC" else encoded(pieces[0], kind)) == kind


def test_no_format_is_guessed() -> None:
    assert format_of(b"hello") == ""


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_are_counted_and_stills_are_one(reel: list[Image.Image], kind: str) -> None:
    animation = encoded(reel[0], kind, save_all=True, append_images=reel[1:])
    assert frames(animation, kind) == 5
    assert frames(encoded(reel[0], kind), kind) == 1


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_damage_behind_the_first_picture_is_no_error(reel: list[Image.Image], kind: str) -> None:
    animation = encoded(reel[0], kind, save_all=True, append_images=reel[1:])
    for end in range(10, len(animation), len(animation) // 50):
        assert 1 <= frames(animation[:end], kind) <= 5


def test_a_gif_of_ten_thousand_frames_is_counted_without_decoding() -> None:
    still = encoded(Image.new("P", (1, 1)), "GIF")
    picture = still[still.index(b"\x2c", 13) : -1]
    assert frames(still[: still.index(b"\x2c", 13)] + picture * 10_000 + b";", "GIF") == 10_000


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_is_that_of_the_upright_picture(photos: list[Path], orientation: int) -> None:
    with Image.open(photos[0]) as image:
        exif = Image.Exif()
        exif[274] = orientation
        data = encoded(image.convert("RGB").resize((640, 480)), exif=exif)
    small = decode(data, min_side=100)
    assert min(small.shape[:2]) < 480
    assert true_size(data, "JPEG", small.shape[:2]) == decode(data).shape[:2]


def test_other_formats_are_as_large_as_they_decode() -> None:
    assert true_size(b"", "PNG", (7, 9)) == (7, 9)


def test_coarser_jpegs_have_coarser_tables_whatever_they_show(pieces: list[Image.Image]) -> None:
    found = [[compression(encoded(piece, quality=quality), "JPEG") for quality in (95, 75, 30)] for piece in pieces[:5]]
    assert np.ptp(found, axis=0).max() == 0
    assert 1 <= found[0][0] < found[0][1] < found[0][2] <= 255
    tables = Image.open(__import__("io").BytesIO(encoded(pieces[0], quality=75))).quantization  # type: ignore[attr-defined]
    assert found[0][1] == pytest.approx(np.mean(tables[0]))


def test_tables_of_an_embedded_thumbnail_are_not_taken_for_the_pictures(pieces: list[Image.Image]) -> None:
    data = encoded(pieces[0], quality=90)
    inside = b"Exif\0\0" + encoded(pieces[1], quality=10)
    segment = b"\xff\xe1" + struct.pack(">H", len(inside) + 2) + inside
    assert compression(data[:2] + segment + data[2:], "JPEG") == compression(data, "JPEG")


def test_other_formats_have_no_tables(pieces: list[Image.Image]) -> None:
    assert compression(encoded(pieces[0], "PNG"), "PNG") == 0


def test_suffixes() -> None:
    assert suffix_fits("a/b.JPG", "JPEG")
    assert suffix_fits("a/b", "PNG")
    assert not suffix_fits("a/b.png", "JPEG")
