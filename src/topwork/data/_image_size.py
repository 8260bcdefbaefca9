"""How large an image is, told by its header: nothing is decoded, and of most files little is read."""

from __future__ import annotations

import contextlib
import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from topwork.data._decode import checked_pixels, opened_image
from topwork.data._source import Slice, Source, checked_size, opened, read_bytes, source_name
from topwork.data._upright import orientation
from topwork.data.formats import check_jpeg_size, check_size, jpeg_segments, sniff
from topwork.errors import ImageError

_HEAD = 2**16  # bytes in which nearly every file tells its size
_SMALLEST = 8  # a JPEG is read at an eighth where that is enough
_APP1, _NO_FRAMES = 0xE1, (0xC4, 0xC8, 0xCC)
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274  # tags of TIFF


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its picture.

    Attributes:
        height: Pixels, as they are stored.
        width: Pixels, as they are stored.
        orientation: EXIF's, 1 (upright) to 8.
    """

    height: int
    width: int
    orientation: int = 1

    @property
    def shown(self) -> tuple[int, int]:
        """Height and width of the image as it is shown."""
        return (self.width, self.height) if self.orientation > 4 else (self.height, self.width)


def image_size(source: Source) -> tuple[int, int]:
    """Height and width in pixels of what :func:`decode` would give, from the header alone.

    A file that is cut off behind its header is found when it is decoded, not here.

    Raises:
        ImageError: Not an image, of a format that is not read, with a damaged header, too large to be decoded at any
            scale, missing, or not a regular file. Names the file where a path was given.
    """
    return header_of(source).shown


def header_of(source: Source) -> Header:
    """What :func:`image_size` goes by.

    Raises:
        ImageError: As it says.
    """
    if isinstance(source, np.ndarray):
        return Header(*checked_pixels(source).shape[:2])
    with _stream(source) as file:
        try:
            return _header(file)
        except ImageError as error:
            if not (name := source_name(source)):
                raise
            raise ImageError(f"{name}: {error.message}", hint=error.hint) from error


@contextlib.contextmanager
def _stream(source: str | os.PathLike[str] | bytes | Slice) -> Iterator[BinaryIO]:
    if isinstance(source, bytes | Slice):
        yield io.BytesIO(source if isinstance(source, bytes) else read_bytes(source))
        return
    name = os.fspath(source)
    with opened(name) as (file, info):
        checked_size(info.st_size, name)
        yield file


def _header(file: BinaryIO) -> Header:
    head = file.read(_HEAD)
    kind = sniff(head)
    if kind == "JPEG":
        found = _of_jpeg(head) or _of_jpeg(head + file.read())
        if found is None:
            raise ImageError("damaged JPEG: its header holds no size")
        return found
    return _of_png(head, file) if kind == "PNG" else _of_other(file, kind)


def _of_jpeg(data: bytes) -> Header | None:
    """Size and orientation; None where these bytes end before the size (ITU-T T.81, section B.2.2)."""
    turned = 0
    for marker, start, end in jpeg_segments(data):
        if marker == _APP1 and not turned and data[start : start + 6] == b"Exif\0\0":
            turned = orientation(data[start + 6 : end])
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES and start + 5 <= len(data):
            height, width = struct.unpack_from(">HH", data, start + 1)
            if not height or not width:
                return None
            check_jpeg_size(width, height, _SMALLEST, progressive=marker in _PROGRESSIVE)
            return Header(height, width, turned or 1)
    return None


def _of_png(head: bytes, file: BinaryIO) -> Header:
    """Size and orientation, which may stand behind the pixels (PNG third edition, sections 5.3 and 11)."""
    try:
        width, height = struct.unpack_from(">II", head, 16)
    except struct.error as error:
        raise ImageError("damaged PNG: truncated") from error
    if head[12:16] != b"IHDR" or not width or not height:
        raise ImageError("damaged PNG: its header holds no size")
    check_size(width, height)
    position = 8
    while True:
        file.seek(position)
        chunk = file.read(8)
        if len(chunk) < 8 or chunk[4:] == b"IEND":
            return Header(height, width)
        (length,) = struct.unpack_from(">I", chunk)
        if chunk[4:] == b"eXIf":
            return Header(height, width, orientation(file.read(min(length, _HEAD))))
        position += length + 12  # length, name and checksum


def _of_other(file: BinaryIO, kind: str) -> Header:
    file.seek(0)
    with opened_image(file, kind) as image:
        if kind == "TIFF":
            tags = image.tag_v2  # type: ignore[attr-defined]
            turned = tags.get(_ORIENTATION, 1)
            return Header(tags[_HEIGHT], tags[_WIDTH], turned if turned in range(1, 9) else 1)
        exif = image.info.get("exif")
        width, height = image.size
        return Header(height, width, orientation(exif) if isinstance(exif, bytes) else 1)
