"""What kind of file some bytes are and how large the picture is, told before any decoder runs."""

from __future__ import annotations

import struct

from topwork.data._names import printable
from topwork.errors import ImageError

MAX_PIXELS = 89_478_485
"""A picture of more pixels is refused: 256 MiB of RGB, and the count at which Pillow starts to warn."""

READABLE = "JPEG, PNG, WebP, GIF, BMP, TIFF and PPM"

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
    b"mif1": "HEIF",
    b"crx ": "camera raw",
}


def sniff(data: bytes) -> str:
    """Tell the format from the first bytes, whatever the file is called.

    Returns:
        ``"JPEG"``, ``"PNG"``, ``"WEBP"``, ``"GIF"``, ``"BMP"``, ``"TIFF"`` or ``"PPM"``.

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
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "PPM"
    raise _unknown(data)


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
    return ImageError(f"{name} is not read", hint=f"convert it; topwork reads {READABLE}")


def check_size(width: int, height: int) -> None:
    """Refuse a decompression bomb, before anything is allocated for it.

    Raises:
        ImageError: More than ``MAX_PIXELS``.
    """
    if width * height > MAX_PIXELS:
        raise ImageError(f"too large to decode safely: {width:,} × {height:,} pixels, {MAX_PIXELS:,} allowed")


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
    """Step over every block up to the trailer (GIF89a, section 17 on); give the first frame's canvas.

    Only the first frame is decoded, so this walk is what finds an animation cut short.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _colour_table(flags)
    first = True
    while data[position] != 0x3B:
        if data[position] == 0x2C:
            left, top, wide, high, flags = struct.unpack_from("<4HB", data, position + 1)
            if first:
                width, height, first = max(width, left + wide), max(height, top + high), False
            position += 11 + _colour_table(flags)  # descriptor, colours, LZW code size
        else:
            position += 2  # an extension's introducer and label
        while length := data[position]:
            position += length + 1
        position += 1
    return width, height


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
