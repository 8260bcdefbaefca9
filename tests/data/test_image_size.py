"""Sizes that headers tell, beside those of the decoded images."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from topwork.data import Slice, decode, image_size
from topwork.data._upright import upright, upright_corners
from topwork.errors import ImageError

KINDS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF")


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x112] = orientation
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_as_decoded(
    small: Image.Image, encode: Callable[..., bytes], tmp_path: Path, kind: str, orientation: int
) -> None:
    data = encode(small, kind, exif=exif(orientation))
    file = tmp_path / "x"
    file.write_bytes(b"12345" + data + b"6")
    wanted = decode(data).shape[:2]
    assert image_size(data) == image_size(Slice(file, 5, len(data))) == wanted
    file.write_bytes(data)
    assert image_size(file) == image_size(str(file)) == wanted
    assert image_size(decode(data)) == wanted


def test_the_photographs(photos: list[Path]) -> None:
    for photo in photos:
        assert image_size(photo) == decode(photo).shape[:2]


def test_what_stands_before_the_size_or_behind_the_pixels(small: Image.Image, encode: Callable[..., bytes]) -> None:
    jpeg = encode(small, "JPEG", exif=exif(6), comment=b"x" * 60_000)
    padded = jpeg[:2] + (b"\xff\xe2\xff\xff" + b"x" * 65533) * 20 + jpeg[2:]
    assert image_size(padded) == (90, 60)
    png = encode(small, "PNG")
    block = exif(6).tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    behind = png[:-12] + chunk + png[-12:]
    assert image_size(behind) == decode(behind).shape[:2] == (90, 60)


def test_bad_files_get_the_reason_that_decoding_gives(
    tmp_path: Path, jpeg: bytes, encode: Callable[..., bytes]
) -> None:
    bomb = encode(Image.new("1", (20_000, 20_000)), "PNG")
    contents = {"empty": b"", "text": b"hello, world", "pdf": b"%PDF-1.4", "bomb": bomb, "stub": jpeg[:2] + b"\xff"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name in (*contents, "missing", "."):
        with pytest.raises(ImageError) as told:
            image_size(tmp_path / name)
        with pytest.raises(ImageError) as decoded:
            decode(tmp_path / name)
        if name != "stub":
            assert (told.value.message, told.value.hint) == (decoded.value.message, decoded.value.hint)
    no_height = bytearray(jpeg)
    place = jpeg.index(b"\xff\xc0")
    no_height[place + 5 : place + 7] = b"\0\0"
    for damaged in (bytes(no_height), jpeg[:30], encode(Image.new("L", (3, 3)), "PNG")[:20]):
        with pytest.raises(ImageError, match="damaged"):
            image_size(damaged)


def test_a_picture_that_is_read_smaller_has_a_size(monkeypatch: pytest.MonkeyPatch, jpeg: bytes) -> None:
    monkeypatch.setenv("TOPWORK_MAX_PIXELS", "1000")
    assert image_size(jpeg) == (60, 90)
    monkeypatch.setenv("TOPWORK_MAX_PIXELS", "20")
    with pytest.raises(ImageError, match="too large"):
        image_size(jpeg)


def test_boxes_are_turned_as_pixels_are() -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[5:12, 20:50] = 255
    for orientation in range(1, 9):
        ys, xs = np.nonzero(upright(pixels, orientation)[..., 0])
        corners = np.array([[20.0, 5.0, 50.0, 12.0]])
        found = upright_corners(corners, np.array([orientation]), np.array([[40.0, 60.0]]))
        assert found.tolist() == [[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]]


def test_a_truncated_file_has_a_size(jpeg: bytes) -> None:
    assert image_size(jpeg[: len(jpeg) * 3 // 4]) == (60, 90)
