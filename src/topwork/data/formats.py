"""What a file of a picture says of itself: format, size, frames, compression. Told before any decoder runs."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from topwork.data._names import printable
from topwork.errors import ImageError, TopworkError

MAX_PIXELS = 89_478_485
"""A picture of more pixels is refused: 256 MiB of RGB, and the count at which Pillow starts to warn."""

_VARIABLE = "TOPWORK_MAX_PIXELS"
_LARGEST_SCALED = 16
"""A JPEG of more than this many times the pixels allowed is refused at any scale: its lines take seconds to read."""

READABLE = "JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, AVIF and (with an extra) HEIC"

_SUFFIXES = {
    "JPEG": (".jfif", ".jpe", ".jpeg", ".jpg"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".pbm", ".pgm", ".pnm", ".ppm"),
    "AVIF": (".avif",),
    "HEIC": (".heic", ".heif", ".hif"),
}
FORMATS = tuple(_SUFFIXES)
"""What ``sniff`` may say."""

IMAGE_SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)
"""Files with another suffix are left out; what a file truly is, its first bytes tell when it is decoded."""

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)

# Named so that the message can say what the file is; none of them reaches a decoder.
_REFUSED = (
    (b"%!PS", "EPS or PostScript"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"<?xml", "SVG or XML"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\1\0", "Windows icon"),
    (b"IIRO", "camera raw"),
    (b"IIU\0", "camera raw"),
    (b"FUJIFILM", "camera raw"),
    (b"PK\3\4", "ZIP"),
)
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"hevc": "HEIC",
    b"mif1": "HEIC",
    b"msf1": "HEIC",
    b"crx ": "camera raw",
}


_START_OF_SCAN, _QUANTISATION = 0xDA, 0xDB
_SQUARE = 1.1  # longer over shorter side up to which an image counts as square


def sniff(data: bytes) -> str:
    """Tell the format, one of ``FORMATS``, from the first bytes, whatever the file is called.

    Raises:
        ImageError: No bytes, a format that is not read, or not an image.
    """
    if not data:
        raise ImageError("an empty file (0 bytes)")
    if data.startswith((b"II*\0", b"MM\0*")) and data[8:10] == b"CR":
        raise _not_read("camera raw")
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and (brand := _BRANDS.get(data[8:12])) in FORMATS:
        return brand
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "PPM"
    raise _unknown(data)


def format_of(data: bytes) -> str:
    """The format of a file; empty where it is none that is read."""
    try:
        return sniff(data)
    except ImageError:
        return ""


def suffix_of(kind: str) -> str:
    """What the name of a file of a format ends in; empty for none."""
    return {"JPEG": ".jpg"}.get(kind, _SUFFIXES[kind][0]) if kind else ""


def suffix_fits(path: str, kind: str) -> bool:
    """Whether a file's name says what its first bytes say; a name without a suffix says nothing wrong."""
    suffix = os.path.splitext(path)[1].lower()
    return not suffix or not kind or suffix in _SUFFIXES[kind]


def mostly_square(heights: npt.NDArray[np.integer], widths: npt.NDArray[np.integer]) -> bool:
    """Whether half of the images (N,) at least are square, or nearly; no where there are none."""
    longer, shorter = np.maximum(heights, widths), np.minimum(heights, widths)
    return len(longer) > 0 and float(np.median(longer / np.maximum(shorter, 1))) <= _SQUARE


def _unknown(data: bytes) -> ImageError:
    text = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, name in _REFUSED:
        if data.startswith(signature) or text.startswith(signature):
            return _not_read(name)
    if data[4:8] == b"ftyp":
        return _not_read(_BRANDS.get(data[8:12], "a video or another container"))
    start = printable(data[:12].decode("utf-8", "surrogateescape"))
    return ImageError(f"not an image: it starts with '{start}'", hint=f"topwork reads {READABLE}")


def _not_read(name: str) -> ImageError:
    return ImageError(f"{name} is not supported", hint=f"convert it; topwork reads {READABLE}")


def check_size(width: int, height: int) -> None:
    """Refuse a decompression bomb, before anything is allocated for it.

    Raises:
        ImageError: More than ``max_pixels()``.
    """
    if width * height > (allowed := max_pixels()):
        raise ImageError(
            f"too large to decode safely: {width:,} × {height:,} pixels, {allowed:,} allowed",
            hint=f"make it smaller; or, where you trust the file, set {_VARIABLE}={width * height}",
        )


def check_jpeg_size(width: int, height: int, factor: int, *, progressive: bool) -> None:
    """``check_size`` for a JPEG that is decoded at 1/factor: its lines are read one after the other, so what counts is
    what comes out, but for time, and but for a progressive one, which is held whole.

    Raises:
        ImageError: Too large.
    """
    slow = width * height > _LARGEST_SCALED * max_pixels()
    factor = 1 if progressive or slow else factor
    if -(-width // factor) * -(-height // factor) > max_pixels():
        check_size(width, height)


def max_pixels() -> int:
    """Pixels that an image may have: ``TOPWORK_MAX_PIXELS``, else Pillow's own limit.

    Raises:
        TopworkError: The variable does not hold a whole number above zero.
    """
    text = os.environ.get(_VARIABLE, "").strip()
    if not text:
        return MAX_PIXELS
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise TopworkError(f"{_VARIABLE} must be a whole number of pixels such as 200000000, not {text!r}")


def check_structure(data: bytes, kind: str) -> None:
    """Check, without decoding, what the decoder would miss: an end cut off, a bomb that it allocates.

    Raises:
        ImageError: Truncated, or too large.
    """
    try:
        if kind == "PNG" and not 0 <= data.rfind(b"IEND") <= len(data) - 8:  # name and checksum
            raise ImageError("damaged PNG: truncated, its end marker is missing")
        if kind == "WEBP":
            check_size(*_webp_size(data))
        if kind == "GIF":
            check_size(*_gif_size(data))
    except (IndexError, struct.error) as error:
        raise ImageError(f"damaged {kind}: truncated") from error


def _webp_size(data: bytes) -> tuple[int, int]:
    """Read width and height; layout as in RFC 9649, sections 2.5 to 2.7."""
    if len(data) < 8 + struct.unpack_from("<I", data, 4)[0]:
        raise ImageError("damaged WEBP: truncated")
    chunk = data[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _gif_size(data: bytes) -> tuple[int, int]:
    """Give the first frame's canvas, which is all that is decoded; the walk over all finds an animation cut short."""
    width, height = struct.unpack_from("<HH", data, 6)
    for place in [*_gif_pictures(data)][:1]:
        left, top, wide, high = struct.unpack_from("<4H", data, place + 1)
        width, height = max(width, left + wide), max(height, top + high)
    return width, height


def _gif_pictures(data: bytes) -> Iterator[int]:
    """Positions of an animation's pictures: steps over every block up to the trailer (GIF89a, sections 17 to 27).

    Raises:
        IndexError: It is cut short.
    """
    position = 13 + _colour_table(data[10])
    while data[position] != 0x3B:
        if data[position] == 0x2C:
            yield position
            position += 11 + _colour_table(data[position + 9])  # descriptor, colours, LZW code size
        else:
            position += 2  # an extension's introducer and label
        while length := data[position]:
            position += length + 1
        position += 1


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def frames(data: bytes, kind: str) -> int:
    """How many pictures an animation holds; 1 for a still. Steps over blocks and decodes nothing.

    Sources: GIF89a sections 17 to 27; RFC 9649 section 2.7 (WebP); PNG third edition, section 11.3.6 (``acTL``).
    """
    try:
        if kind == "GIF":
            return max(1, sum(1 for _ in _gif_pictures(data)))
        if kind == "WEBP":
            return max(1, sum(name == b"ANMF" for name, _ in _chunks(data, "<4sI", 12)))
        for name, position in _chunks(data, ">I4s", 8) if kind == "PNG" else ():
            if name == b"acTL":
                return max(1, int(struct.unpack_from(">I", data, position)[0]))
            if name == b"IDAT":
                break
    except (IndexError, struct.error):  # damaged behind its first picture
        pass
    return 1


def _chunks(data: bytes, layout: str, position: int) -> Iterator[tuple[bytes, int]]:
    """Name and content's position of each chunk of a WebP (``<4sI``: name, length) or a PNG (``>I4s``)."""
    while position + 8 <= len(data):
        first, second = struct.unpack_from(layout, data, position)
        name, length = (first, second) if isinstance(first, bytes) else (second, first)
        yield name, position + 8
        position += 8 + length + (length & 1 if layout[0] == "<" else 4)  # padding; checksum


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, first byte and end of the content of each segment before the pixels (ITU-T T.81, section B.1.1.4)."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != _START_OF_SCAN:
        if data[position + 1] == 0xFF:  # fill byte
            position += 1
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        yield data[position + 1], position + 4, end
        position = end


def compression(data: bytes, kind: str) -> float:
    """How coarsely a JPEG was quantised: the mean of its first table, 1 (best) to 255; 0 for other formats.

    Tables follow from the quality that was asked for and not from the picture (ITU-T T.81, section B.2.4.1).
    """
    for marker, start, _ in jpeg_segments(data) if kind == "JPEG" else ():
        if marker == _QUANTISATION:
            wide = data[start] >> 4  # 16 bits a number
            return sum(data[start + 1 : start + 1 + 64 * (1 + wide)][wide :: 1 + wide]) / 64
    return 0.0


def true_size(data: bytes, kind: str, decoded: tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image that may have been decoded, upright, at a fraction of its size; only a JPEG is."""
    if kind != "JPEG":
        return decoded
    import simplejpeg

    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:  # such a file was decoded whole by Pillow
        return decoded
    turned = (decoded[0] - decoded[1]) * (height - width) < 0  # EXIF says that the camera stood on its side
    return (width, height) if turned else (height, width)
