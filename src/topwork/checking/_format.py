"""What a file says of itself before its pixels: format, size in pixels, number of frames."""

from __future__ import annotations

import os
import struct

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II", "TIFF"),
    (b"MM", "TIFF"),
    (b"RIFF", "WEBP"),
    (b"P", "PPM"),
)
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
"""Formats by the code that ``Survey`` stores."""

_SUFFIXES = {
    "JPEG": (".jfif", ".jpe", ".jpeg", ".jpg"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".pbm", ".pgm", ".pnm", ".ppm"),
}


_START_OF_SCAN, _QUANTISATION = 0xDA, 0xDB


def format_of(data: bytes) -> str:
    """The format of a file that ``decode`` has taken; empty where the start is none of those known here."""
    return next((name for signature, name in _SIGNATURES if data.startswith(signature)), "")


def suffix_fits(path: str, kind: str) -> bool:
    """Whether a file's name says what its first bytes say; a name without a suffix says nothing wrong."""
    suffix = os.path.splitext(path)[1].lower()
    return not suffix or not kind or suffix in _SUFFIXES[kind]


def true_size(data: bytes, kind: str, decoded: tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image that may have been decoded at a fraction of its size.

    Args:
        data: The file.
        kind: Its format; only a JPEG comes scaled.
        decoded: Height and width of the decoded pixels, upright.
    """
    if kind != "JPEG":
        return decoded
    import simplejpeg

    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:  # such a file was decoded whole by Pillow
        return decoded
    turned = (decoded[0] - decoded[1]) * (height - width) < 0  # EXIF says that the camera stood on its side
    return (width, height) if turned else (height, width)


def compression(data: bytes, kind: str) -> float:
    """How coarsely a JPEG was quantised: the mean of its first table, 1 (best) to 255; 0 for other formats.

    Tables follow from the quality that was asked for and not from the picture (ITU-T T.81, section B.2.4.1).
    """
    position = 2 if kind == "JPEG" else len(data)
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != _START_OF_SCAN:
        if data[position + 1] == _QUANTISATION:
            wide = data[position + 4] >> 4  # 16 bits a number
            table = data[position + 5 : position + 5 + 64 * (1 + wide)]
            return sum(table[wide :: 1 + wide]) / 64
        position += 1 if data[position + 1] == 0xFF else 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return 0.0


def frames(data: bytes, kind: str) -> int:
    """How many pictures an animation holds; 1 for a still. Steps over blocks and decodes nothing.

    Sources: GIF89a sections 17 to 27; RFC 9649 section 2.7 (WebP); PNG third edition, section 11.3.6 (``acTL``).
    """
    count = {"GIF": _gif_frames, "WEBP": _webp_frames, "PNG": _png_frames}.get(kind)
    try:
        return max(1, count(data)) if count else 1
    except (IndexError, struct.error):  # damaged behind its first picture
        return 1


def _gif_frames(data: bytes) -> int:
    position = 13 + _colour_table(data[10])
    found = 0
    while data[position] != 0x3B:
        if data[position] == 0x2C:
            found += 1
            position += 11 + _colour_table(data[position + 9])
        else:
            position += 2
        while length := data[position]:
            position += length + 1
        position += 1
    return found


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp_frames(data: bytes) -> int:
    position, found = 12, 0
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        found += name == b"ANMF"
        position += 8 + length + (length & 1)
    return found


def _png_frames(data: bytes) -> int:
    position = 8
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        if name == b"acTL":
            return int(struct.unpack_from(">I", data, position + 8)[0])
        if name == b"IDAT":
            break
        position += 12 + length
    return 1
