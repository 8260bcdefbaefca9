from __future__ import annotations

import os
import struct
import sys
import threading
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageFile, ImageOps, features

from topwork.data import _source, as_source, decode, read_bytes
from topwork.data.formats import MAX_PIXELS
from topwork.errors import ImageError, TopworkError

Encode = Callable[..., bytes]

# Every kind of file that is read: what Pillow is to write, from which mode.
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "jpeg": ("JPEG", "RGB", {}),
    "jpeg-progressive": ("JPEG", "RGB", {"progressive": True}),
    "jpeg-grey": ("JPEG", "L", {}),
    "jpeg-cmyk": ("JPEG", "CMYK", {}),
    "png": ("PNG", "RGB", {}),
    "gif": ("GIF", "P", {}),
    "webp": ("WEBP", "RGB", {}),
    "webp-lossless": ("WEBP", "RGB", {"lossless": True}),
    "tiff": ("TIFF", "RGB", {}),
    "tiff-lzw": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "tiff-deflate": ("TIFF", "RGB", {"compression": "tiff_adobe_deflate"}),
    "bmp": ("BMP", "RGB", {}),
    "ppm": ("PPM", "RGB", {}),
}


def oracle(data: bytes) -> np.ndarray:
    """Pillow's own way: open, turn, convert."""
    with Image.open(BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.fixture
def files(small: Image.Image, encode: Encode) -> dict[str, bytes]:
    return {name: encode(small.convert(mode), kind, **options) for name, (kind, mode, options) in KINDS.items()}


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """Put a chunk behind the header of a PNG."""
    return png[:33] + png_chunk(name, body) + png[33:]


@pytest.mark.parametrize("name", KINDS)
def test_every_format_gives_pillows_pixels(files: dict[str, bytes], name: str) -> None:
    pixels = decode(files[name])
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, oracle(files[name]))


def test_real_photographs_give_pillows_pixels(photos: list[Path], textiles: list[Path]) -> None:
    assert len(photos) == 20
    for path in [*photos, *textiles[:5]]:
        np.testing.assert_array_equal(decode(path), oracle(path.read_bytes()))


@pytest.mark.parametrize(
    ("min_side", "factor"),
    [(None, 1), (2000, 1), (1200, 1), (601, 1), (600, 2), (301, 2), (300, 4), (150, 8), (10, 8), (1, 8)],
)
def test_a_jpeg_is_scaled_by_a_power_of_two_at_most(
    small: Image.Image, encode: Encode, min_side: int | None, factor: int
) -> None:
    photo = small.resize((1504, 1200), Image.Resampling.BICUBIC)
    pixels = decode(encode(photo, "JPEG", quality=95), min_side=min_side)
    assert pixels.shape == (1200 // factor, 1504 // factor, 3)
    shrunk = np.asarray(photo.reduce(factor)).astype(int)
    height, width = shrunk.shape[:2]
    assert np.abs(pixels[:height, :width] - shrunk).mean() < 3


def test_a_jpeg_is_not_scaled_to_part_of_a_pixel(small: Image.Image, encode: Encode) -> None:
    """Half of 501 pixels is 250.5; taken for 251, the picture would be stretched when it is resized."""
    for width, height, shape, rough in [
        (600, 500, (125, 150), (125, 150)),
        (602, 500, (250, 301), (125, 151)),
        (601, 500, (500, 601), (125, 151)),
        (600, 501, (501, 600), (126, 150)),
        (604, 502, (251, 302), (126, 151)),
    ]:
        data = encode(small.resize((width, height)), "JPEG")
        assert decode(data, min_side=125).shape[:2] == shape
        assert decode(data, min_side=125, rough=True).shape[:2] == rough


def test_odd_sides_never_fall_below_min_side(small: Image.Image, encode: Encode) -> None:
    for side in (449, 447, 448, 225, 224, 223):
        pixels = decode(encode(small.resize((side + 100, side)), "JPEG"), min_side=224)
        assert min(pixels.shape[:2]) >= min(side, 224)


@pytest.mark.parametrize("min_side", [0, -1])
def test_min_side_below_one_is_refused(jpeg: bytes, min_side: int) -> None:
    with pytest.raises(ImageError, match="min_side"):
        decode(jpeg, min_side=min_side)


def test_fault_14_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file"):
        decode(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="a folder, not an image"):
        decode(tmp_path)


def test_fault_14_a_damaged_file_is_named_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "two\nlines.jpg"
    path.write_bytes(b"text")
    with pytest.raises(ImageError) as caught:
        decode(path)
    assert "two\\nlines.jpg: not an image" in caught.value.message
    assert "JPEG" in caught.value.hint


@pytest.mark.parametrize("name", ["x.jpg", "x.png"])
def test_fault_20_zero_bytes(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ImageError, match="empty file"):
        decode(tmp_path / name)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
@pytest.mark.parametrize("name", KINDS)
def test_fault_21_truncated(files: dict[str, bytes], name: str, share: float) -> None:
    data = files[name]
    with pytest.raises(ImageError):
        decode(data[: int(len(data) * share)])
    with pytest.raises(ImageError):
        decode(data[: int(len(data) * share)], min_side=10)


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {"bmp"}))  # a BMP's last byte is padding
def test_fault_21_the_last_byte_missing(files: dict[str, bytes], name: str) -> None:
    with pytest.raises(ImageError):
        decode(files[name][:-1])


def test_fault_21_an_animation_cut_after_its_first_frame(small: Image.Image, encode: Encode) -> None:
    frames = [small.rotate(angle) for angle in range(0, 90, 30)]
    for kind in ("GIF", "WEBP", "PNG"):
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
        assert decode(data).shape == (60, 90, 3)
        with pytest.raises(ImageError, match="truncated"):
            decode(data[: int(len(data) * 0.9)])


def test_fault_22_the_content_counts_and_not_the_name(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = tmp_path / "jpeg.png"
    path.write_bytes(files["jpeg"])
    np.testing.assert_array_equal(decode(path), oracle(files["jpeg"]))
    path = tmp_path / "text.jpg"
    path.write_bytes(b"hello\nworld")
    with pytest.raises(ImageError, match=r"not an image: it starts with 'hello\\nworld'"):
        decode(path)


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "EPS"),
        (b"\xc5\xd0\xd3\xc6\x1e\0\0\0", "EPS"),
        (b"\xef\xbb\xbf  <svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (b"II*\0\x10\0\0\0CR\x02\0", "camera raw"),
        (b"IIRO\x08\0\0\0", "camera raw"),
        (b"FUJIFILMCCD-RAW 0201", "camera raw"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0", "camera raw"),
        (b"8BPS\0\1", "Photoshop"),
    ],
)
def test_fault_23_refused_before_any_decoder(start: bytes, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("a decoder was reached")

    monkeypatch.setattr("topwork.data._decode.decode_other", fail)
    monkeypatch.setattr("topwork.data._decode.decode_jpeg", fail)
    with pytest.raises(ImageError, match=f"{name}.* is not supported") as caught:
        decode(start + b"\0" * 100)
    assert "JPEG" in caught.value.hint


@pytest.mark.parametrize("tags", [{50706: b"\1\4\0\0"}, {254: 1}])
def test_fault_23_camera_raw_in_a_tiff_is_refused(small: Image.Image, encode: Encode, tags: dict[int, Any]) -> None:
    with pytest.raises(ImageError, match="camera raw"):
        decode(encode(small, "TIFF", tiffinfo=tags))


def bomb(kind: str, width: int, height: int, small: Image.Image, encode: Encode) -> bytes:
    """A small file whose header speaks of a large picture."""
    if kind == "PNG":
        head = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        return head + png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")
    if kind == "PPM":
        return b"P6 %d %d 255\n" % (width, height) + bytes(100)
    data = bytearray(
        encode(small, "WEBP" if kind == "VP8L" else kind, **({"lossless": True} if kind == "VP8L" else {}))
    )
    if kind == "JPEG":
        position = data.index(b"\xff\xc0") + 5
        data[position : position + 4] = struct.pack(">HH", height, width)
    elif kind == "GIF":
        data[6:10] = struct.pack("<HH", width, height)
    elif kind == "WEBP":
        data[26:30] = struct.pack("<HH", min(width, 16383), min(height, 16383))
    elif kind == "VP8L":
        data[21:25] = struct.pack("<I", min(width - 1, 16383) | min(height - 1, 16383) << 14)
    elif kind == "BMP":
        data[18:26] = struct.pack("<ii", width, height)
    elif kind == "TIFF":
        for tag, side in ((256, width), (257, height)):
            position = data.index(struct.pack("<HHI", tag, 4, 1))
            data[position : position + 12] = struct.pack("<HHII", tag, 4, 1, side)
    return bytes(data)


@pytest.mark.parametrize("size", [(9500, 9500), (65_500, 65_500), (65_535, 65_535)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "VP8L", "BMP", "TIFF", "PPM"])
def test_fault_24_a_decompression_bomb_is_refused_in_little_memory(
    kind: str, size: tuple[int, int], small: Image.Image, encode: Encode
) -> None:
    assert size[0] * size[1] > MAX_PIXELS
    data = bomb(kind, *size, small, encode)
    decode(encode(small, "PNG"))  # whatever is imported once is imported now
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match="too large to decode safely"):
            decode(data, min_side=None if kind == "JPEG" else 10)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_fault_24_a_frame_larger_than_its_canvas_is_refused(small: Image.Image, encode: Encode) -> None:
    data = bytearray(encode(small.convert("P"), "GIF"))
    position = data.index(b",\0\0\0\0") + 5
    data[position : position + 4] = struct.pack("<HH", 65_535, 65_535)
    with pytest.raises(ImageError, match="too large"):
        decode(bytes(data))


def test_fault_24_a_tile_larger_than_its_picture_is_refused(small: Image.Image, encode: Encode) -> None:
    data = encode(small, "TIFF", tiffinfo={65_000: 65_520, 65_001: 65_520})  # Pillow writes no tiles
    for private, tile in ((65_000, 322), (65_001, 323)):
        data = data.replace(struct.pack("<HHI", private, 3, 1), struct.pack("<HHI", tile, 3, 1))
    with pytest.raises(ImageError, match="too large"):
        decode(data)


@pytest.fixture(scope="module")
def huge() -> Image.Image:
    """More pixels than may be held; smooth, so that scaling it by any filter gives the same."""
    return Image.linear_gradient("L").resize((10_000, 9_000))


def test_a_jpeg_too_large_to_hold_is_read_small(huge: Image.Image, encode: Encode) -> None:
    pixels = decode(encode(huge, "JPEG"), min_side=256)
    assert pixels.shape == (1125, 1250, 3)
    expected = np.asarray(huge.resize((1250, 1125), Image.Resampling.BOX), np.int16)
    assert np.abs(pixels[..., 0] - expected).max() <= 2


def test_what_cannot_be_read_small_is_refused_with_a_way_out(
    huge: Image.Image, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    for data in (encode(huge, "JPEG", progressive=True), encode(huge, "PNG")):
        with pytest.raises(ImageError, match="10,000 × 9,000 pixels, 89,478,485 allowed") as caught:
            decode(data, min_side=256)
        assert "TOPWORK_MAX_PIXELS=90000000" in str(caught.value.hint)
        monkeypatch.setenv("TOPWORK_MAX_PIXELS", "90000000")
        assert decode(data).shape == (9_000, 10_000, 3)
        monkeypatch.delenv("TOPWORK_MAX_PIXELS")


@pytest.mark.parametrize("size", [(40_000, 40_000), (65_535, 65_535)])
def test_a_jpeg_that_takes_long_at_any_scale_is_refused(
    size: tuple[int, int], small: Image.Image, encode: Encode
) -> None:
    with pytest.raises(ImageError, match="too large to decode safely"):
        decode(bomb("JPEG", *size, small, encode), min_side=10)


@pytest.mark.parametrize("value", ["200MP", "-1", "0", "1e9"])
def test_a_limit_that_is_no_number_is_named(
    value: str, small: Image.Image, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOPWORK_MAX_PIXELS", value)
    with pytest.raises(TopworkError, match="TOPWORK_MAX_PIXELS must be a whole number of pixels"):
        decode(encode(small, "PNG"))


def test_fault_24_no_limit_of_pillows_was_changed(files: dict[str, bytes]) -> None:
    filters = list(warnings.filters)
    for data in files.values():
        decode(data)
    assert Image.MAX_IMAGE_PIXELS == MAX_PIXELS
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    assert list(warnings.filters) == filters


def test_fault_25_a_huge_png_text_chunk_is_bounded(files: dict[str, bytes]) -> None:
    text = with_chunk(files["png"], b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9))
    start = time.process_time()
    with pytest.raises(ImageError, match="too large"):
        decode(text)
    assert time.process_time() - start < 1


def test_fault_25_a_deep_tiff_and_a_gif_of_10_000_frames_cost_one_frame(small: Image.Image, encode: Encode) -> None:
    tile = small.crop((0, 0, 8, 8))
    pages = encode(tile, "TIFF", save_all=True, append_images=[tile] * 300)
    gif = encode(tile.convert("P"), "GIF")
    start = gif.index(b",\0\0\0\0")
    frames = gif[:start] + gif[start:-1] * 10_000 + b";"
    for data in (pages, frames):
        began = time.process_time()
        np.testing.assert_array_equal(decode(data), oracle(data))
        assert time.process_time() - began < 1


def test_fault_25_a_tiff_whose_directories_form_a_ring_is_read(small: Image.Image, encode: Encode) -> None:
    data = bytearray(encode(small, "TIFF"))
    (directory,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, directory)
    struct.pack_into("<I", data, directory + 2 + 12 * entries, directory)
    np.testing.assert_array_equal(decode(bytes(data)), np.asarray(small))


def test_fault_25_a_progressive_jpeg_of_many_scans_is_refused(files: dict[str, bytes]) -> None:
    data = files["jpeg-progressive"]
    last = data.rindex(b"\xff\xda")
    with pytest.raises(ImageError, match="scans"):
        decode(data[:last] + data[last:-2] * 200 + data[-2:])
    assert decode(files["jpeg"] + b"\xff\xda" * 200).shape == (60, 90, 3)  # a film behind a photograph


def on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:].astype(float) / 255
    return rgba[..., :3] * alpha + 255 * (1 - alpha)


def test_fault_26_cmyk(small: Image.Image, encode: Encode) -> None:
    ink = np.asarray(small.convert("CMYK")).astype(float) / 255
    by_hand = 255 * (1 - ink[..., :3]) * (1 - ink[..., 3:])
    for kind, tolerance in (("TIFF", 1.0), ("JPEG", 3.0)):
        pixels = decode(encode(small.convert("CMYK"), kind, **({"quality": 98} if kind == "JPEG" else {})))
        assert np.abs(pixels - by_hand).mean() < tolerance  # an inversion would be off by about 100


def test_fault_26_alpha_is_laid_on_white(small: Image.Image, encode: Encode, rng: np.random.Generator) -> None:
    alpha = Image.fromarray(rng.integers(0, 256, (60, 90), dtype=np.uint8))
    rgba = small.copy()
    rgba.putalpha(alpha)
    grey = small.convert("L")
    grey.putalpha(alpha)
    for image in (rgba, grey):
        expected = on_white(np.asarray(image.convert("RGBA")))
        assert np.abs(decode(encode(image, "PNG")) - expected).max() <= 1
    assert np.abs(decode(encode(rgba, "WEBP", lossless=True, exact=True)) - on_white(np.asarray(rgba))).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
@pytest.mark.parametrize("transparency", [0, b"\0\x80\xff"])
def test_fault_26_palette(encode: Encode, kind: str, transparency: int | bytes) -> None:
    image = Image.frombytes("P", (3, 4), bytes([0, 1, 2] * 4))
    image.putpalette([200, 0, 0, 0, 100, 0, 0, 0, 50])
    if kind == "GIF" and isinstance(transparency, bytes):
        transparency = 0  # a GIF has one colour that is clear
    colours = [(255, 255, 255), (0, 100, 0), (0, 0, 50)]
    if isinstance(transparency, bytes):
        colours[1] = (127, 177, 127)  # 128/255 of green on white
    pixels = decode(encode(image, kind, transparency=transparency))
    assert np.abs(pixels[0].astype(int) - colours).max() <= 1
    opaque = decode(encode(image, kind))
    assert opaque[0].tolist() == [[200, 0, 0], [0, 100, 0], [0, 0, 50]]


def test_fault_26_one_bit_and_grey(small: Image.Image, encode: Encode) -> None:
    for mode, kinds in (("1", ("PNG", "BMP", "TIFF", "PPM")), ("L", ("PNG", "BMP", "TIFF", "PPM", "JPEG"))):
        grey = small.convert(mode)
        for kind in kinds:
            pixels = decode(encode(grey, kind, **({"quality": 100} if kind == "JPEG" else {})))
            assert np.ptp(pixels.astype(int), axis=2).max() == 0
            expected = np.asarray(grey).astype(int) * (255 if mode == "1" else 1)
            assert np.abs(pixels[..., 0] - expected).max() <= (2 if kind == "JPEG" else 0)


def test_fault_27_16_bits_are_scaled(encode: Encode) -> None:
    ramp = np.array([[0, 255, 256, 300, 32_768, 65_535]], dtype=np.uint16)
    expected = [0, 0, 1, 1, 128, 255]
    big_endian = Image.frombytes("I;16B", (6, 1), ramp.astype(">u2").tobytes())
    files = [
        encode(Image.fromarray(ramp), "PNG"),
        encode(Image.fromarray(ramp), "TIFF"),
        encode(big_endian, "TIFF"),
    ]
    files.append(b"P5 6 1 65535\n" + ramp.astype(">u2").tobytes())
    for data in files:
        pixels = decode(data)
        assert pixels.shape == (1, 6, 3)
        for channel in range(3):
            assert pixels[0, :, channel].tolist() == expected


def test_fault_27_samples_without_a_range_are_refused(encode: Encode) -> None:
    with pytest.raises(ImageError, match="float samples"):
        decode(encode(Image.fromarray(np.zeros((2, 3), dtype=np.float32)), "TIFF"))
    with pytest.raises(ImageError, match="32-bit"):
        decode(encode(Image.fromarray(np.zeros((2, 3), dtype=np.int32)), "TIFF"))


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_fault_28_exif_orientation(small: Image.Image, encode: Encode, kind: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"quality": 95} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    data = encode(small, kind, exif=exif, **options)
    pixels = decode(data)
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, oracle(data))
    assert pixels.shape == ((90, 60, 3) if turn > 4 else (60, 90, 3))
    assert min(decode(data, min_side=15).shape[:2]) >= 15


@pytest.mark.parametrize("turn", range(1, 9))
def test_fault_28_cmyk_is_turned_too(small: Image.Image, encode: Encode, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encode(small.convert("CMYK"), "JPEG", exif=exif)
    np.testing.assert_array_equal(decode(data), oracle(data))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
def test_fault_28_either_byte_order_and_either_integer(jpeg: bytes, order: str, kind: int) -> None:
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *((6, 0) if kind == 3 else (6,)))
    tiff = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IHHHI", 8, 1, 0x0112, kind, 1) + value
    block = b"Exif\0\0" + tiff + bytes(4)
    data = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]
    np.testing.assert_array_equal(decode(data), np.rot90(decode(jpeg), -1))


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (2, 3)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_fault_29_extreme_shapes(encode: Encode, rng: np.random.Generator, size: tuple[int, int], kind: str) -> None:
    data = encode(Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)), kind)
    np.testing.assert_array_equal(decode(data), oracle(data))
    assert min(decode(data, min_side=224).shape[:2]) == min(size)


EXIF_DAMAGE = [b"", b"garbage" * 9, b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40]


@pytest.mark.parametrize("exif", EXIF_DAMAGE)
def test_fault_30_corrupt_exif(small: Image.Image, encode: Encode, exif: bytes) -> None:
    plain = np.asarray(small)
    np.testing.assert_array_equal(decode(encode(small, "JPEG", exif=b"Exif\0\0" + exif)), decode(encode(small, "JPEG")))
    np.testing.assert_array_equal(decode(with_chunk(encode(small, "PNG"), b"eXIf", exif)), plain)
    np.testing.assert_array_equal(decode(encode(small, "WEBP", lossless=True, exif=exif)), plain)


def test_fault_30_corrupt_icc(small: Image.Image, encode: Encode) -> None:
    for kind in ("JPEG", "PNG", "TIFF"):
        damaged = encode(small, kind, icc_profile=b"garbage" * 30_000)
        np.testing.assert_array_equal(decode(damaged), decode(encode(small, kind)))
    misnumbered = bytearray(encode(small, "JPEG", icc_profile=b"garbage" * 30_000))
    misnumbered[misnumbered.index(b"ICC_PROFILE\0") + 12] = 9
    np.testing.assert_array_equal(decode(bytes(misnumbered)), decode(encode(small, "JPEG")))
    with pytest.raises(ImageError):
        decode(bytes(misnumbered[:-50]))  # the detour finds damage all the same
    broken_stream = with_chunk(encode(small, "PNG"), b"iCCP", b"name\0\0not deflated")
    np.testing.assert_array_equal(decode(broken_stream), np.asarray(small))


def damaged_tiff(small: Image.Image, encode: Encode) -> bytes:
    """A TIFF with a text tag that points outside the file: Pillow warns of it."""
    data = bytearray(encode(small, "TIFF", tiffinfo={305: "software with a name of some length"}))
    position = data.index(struct.pack("<HH", 305, 2))
    struct.pack_into("<I", data, position + 8, len(data) + 1000)
    return bytes(data)


def test_fault_30_pillows_warnings_of_metadata_stay_inside(small: Image.Image, encode: Encode) -> None:
    data = damaged_tiff(small, encode)
    with pytest.warns(UserWarning, match="EXIF|Truncated|file"), Image.open(BytesIO(data)):
        pass
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        np.testing.assert_array_equal(decode(data), np.asarray(small))
    assert seen == []


def test_many_threads_decode_alike_and_leave_the_warning_filters_alone(
    files: dict[str, bytes], small: Image.Image, encode: Encode
) -> None:
    filters = list(warnings.filters)
    work = [*files.values(), damaged_tiff(small, encode)] * 20
    alone = {data: decode(data) for data in set(work)}
    with ThreadPoolExecutor(8) as pool:
        for data, pixels in zip(work, pool.map(decode, work), strict=True):
            np.testing.assert_array_equal(pixels, alone[data])
    assert list(warnings.filters) == filters


def test_random_damage_gives_pixels_or_an_image_error(files: dict[str, bytes], rng: np.random.Generator) -> None:
    refused = 0
    for data in files.values():
        for _ in range(25):
            damaged = bytearray(data)
            for position in rng.integers(0, min(len(data), 300), 4):
                damaged[position] = rng.integers(256)
            try:
                pixels = decode(bytes(damaged))
            except ImageError:
                refused += 1
            else:
                assert pixels.dtype == np.uint8
                assert pixels.shape[2:] == (3,)
    assert refused > 20


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_fault_13_a_fifo_or_device_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    errors: list[BaseException] = []

    def attempt() -> None:
        for path in (tmp_path / "pipe.jpg", Path("/dev/zero")):
            try:
                decode(path)
            except ImageError as error:
                errors.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(5)
    assert [str(error).split(": ")[1] for error in errors] == ["not a regular file"] * 2


def test_read_bytes_gives_what_decode_takes(photos: list[Path]) -> None:
    data = read_bytes(photos[0])
    assert data == photos[0].read_bytes()
    np.testing.assert_array_equal(decode(data), decode(str(photos[0])))


def test_a_file_above_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with open(path, "wb") as file:
        file.truncate(512 * 1024 * 1024 + 1)  # sparse: takes no room
    with pytest.raises(ImageError, match=r"huge\.jpg: 536,870,913 bytes, more than"):
        read_bytes(path)


def test_fault_14_a_file_that_grows_while_read_is_named(
    tmp_path: Path, jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "growing.jpg"
    path.write_bytes(jpeg)
    fstat = os.fstat

    def then_grow(descriptor: int) -> os.stat_result:
        before = fstat(descriptor)
        with path.open("ab") as file:
            file.write(b"more")
        return before

    monkeypatch.setattr("topwork.data._source.os.fstat", then_grow)
    with pytest.raises(ImageError, match=r"growing\.jpg: changed while it was being read"):
        read_bytes(path)


@pytest.mark.parametrize("path", ["nul\0.jpg", "x" * 5000])
def test_a_name_that_no_file_can_have_is_an_image_error(path: str) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        decode(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_fault_13_a_file_swapped_for_a_fifo_before_it_is_opened_does_not_hang(
    tmp_path: Path, jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "regular.jpg").write_bytes(jpeg)
    os.mkfifo(tmp_path / "pipe.jpg")
    before = os.stat(tmp_path / "regular.jpg")
    assert _source._FLAGS & os.O_NONBLOCK  # without it the open below would wait for ever
    monkeypatch.setattr("topwork.data._source.os.stat", lambda _: before)
    with pytest.raises(ImageError, match="not a regular file"):
        read_bytes(str(tmp_path / "pipe.jpg"))


def deep_png(samples: npt.NDArray[np.uint16]) -> bytes:
    """A PNG of 16 bits a sample, which Pillow does not write: grey (H, W), colour (H, W, 3) or with alpha (H, W, 4)."""
    height, width, *channels = samples.shape
    kind = {(): 0, (3,): 2, (4,): 6}[tuple(channels)]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = {b"IHDR": struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0), b"IDAT": zlib.compress(rows)}
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in {**chunks, b"IEND": b""}.items()
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(("top", "kind"), [(255, "PNG"), (4095, "PNG"), (4095, "TIFF"), (65_535, "TIFF")])
def test_16_bits_that_use_fewer_look_as_with_8(encode: Encode, photos: list[Path], top: int, kind: str) -> None:
    with Image.open(photos[0]) as photo:
        grey = np.asarray(photo.convert("L")).copy()
    grey[0, 0] = 255  # something white in it
    deep = np.round(grey / 255.0 * top).astype(np.uint16)
    found = decode(encode(Image.fromarray(deep), kind))
    assert np.abs(found[:, :, 0].astype(int) - grey).max() <= 1


def test_a_tiff_says_what_its_white_is(encode: Encode) -> None:
    deep = np.array([[0, 500, 1000]], np.uint16)
    assert decode(encode(Image.fromarray(deep), "TIFF", tiffinfo={281: 1000}))[0, :, 0].tolist() == [0, 128, 255]
    inverted = encode(Image.fromarray(np.array([[0, 30_000, 65_535]], np.uint16)), "TIFF", tiffinfo={262: 0})
    assert decode(inverted)[0, :, 0].tolist() == [255, 255 - (30_000 >> 8), 0]


def test_colours_of_12_bits_in_16_are_not_black(photos: list[Path]) -> None:
    with Image.open(photos[0]) as photo:
        colours = np.asarray(photo.convert("RGB")).copy()
    colours[0, 0] = 255
    full = decode(deep_png(colours.astype(np.uint16) * 257))
    np.testing.assert_array_equal(full, colours)
    found = decode(deep_png(colours.astype(np.uint16) * 16))
    assert np.abs(found.astype(int) - colours).max() <= 17  # four bits are left of them
    with pytest.raises(ImageError, match="lower 8") as caught:
        decode(deep_png(colours.astype(np.uint16)))
    assert "8 bits" in caught.value.hint


def test_alpha_of_16_bits_does_not_hide_what_the_colours_use() -> None:
    samples = np.zeros((1, 2, 4), np.uint16)
    samples[0, 0] = (4080, 0, 0, 65_535)
    assert decode(deep_png(samples))[0].tolist() == [[255, 0, 0], [255, 255, 255]]


def test_heic_is_read_where_its_package_is(monkeypatch: pytest.MonkeyPatch) -> None:
    files = Path(__file__).parent / "files"
    found, expected = decode(files / "cloth.heic"), decode(files / "cloth.png")
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 3  # it was written with quality 80
    monkeypatch.setitem(sys.modules, "pi_heif.as_plugin", None)
    with pytest.raises(ImageError, match=r"pip install 'topwork\[heic\]'"):
        decode(files / "cloth.heic")


@pytest.mark.skipif(not features.check("avif"), reason="an older Pillow")
def test_avif_is_read_where_pillow_reads_it(
    small: Image.Image, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(small, "AVIF", quality=90)
    assert np.abs(decode(data).astype(int) - np.asarray(small)).mean() < 4
    with pytest.raises(ImageError, match="damaged AVIF"):
        decode(data[: len(data) // 2])
    monkeypatch.setattr("PIL.AvifImagePlugin.SUPPORTED", False)
    with pytest.raises(ImageError, match="pip install -U 'pillow"):
        decode(data)


def test_a_black_image_of_16_bits_is_black(encode: Encode) -> None:
    black = np.zeros((4, 5), np.uint16)
    assert decode(encode(Image.fromarray(black), "PNG")).max() == 0
    np.testing.assert_array_equal(as_source(black), np.zeros((4, 5, 3), np.uint8))
