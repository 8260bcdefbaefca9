"""From a file, or its bytes, to pixels."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from topwork.data._files import read_bytes
from topwork.data._format import sniff
from topwork.data._jpeg import decode_jpeg
from topwork.data._names import printable
from topwork.data._pillow import decode_other
from topwork.errors import ImageError


def decode(source: str | os.PathLike[str] | bytes, *, min_side: int | None = None) -> npt.NDArray[np.uint8]:
    """Decode one image, whole, to upright RGB. Safe to call from many threads; the decoders release the GIL.

    The format is told by the first bytes, not by the name: JPEG, PNG, WebP, GIF and TIFF (the first picture),
    BMP, PPM. EXIF orientation is undone. Transparency is laid on white. 16-bit samples are scaled to 8.
    Colour profiles are not applied, so a damaged one does no harm, and neither does damaged EXIF.

    Args:
        source: A path, or the bytes of a file.
        min_side: Pixels. A JPEG may then come scaled by 1/2, 1/4 or 1/8 (much faster), as long as its shorter
            side is at least this long. Other formats, and a picture that is smaller to begin with, come at
            full size.

    Returns:
        Shape ``(H, W, 3)``, uint8, RGB, C-contiguous.

    Raises:
        ImageError: Not an image, of a format that is not read, damaged, truncated, of more than 89 million
            pixels or 512 MiB, missing, or not a regular file. Names the file where a path was given.
    """
    if min_side is not None and min_side < 1:
        raise ImageError(f"min_side must be at least 1 pixel, not {min_side}")
    if isinstance(source, bytes):
        return _decode_bytes(source, min_side)
    data = read_bytes(source)
    try:
        return _decode_bytes(data, min_side)
    except ImageError as error:
        raise ImageError(f"{printable(os.fspath(source))}: {error.message}", hint=error.hint) from error


def _decode_bytes(data: bytes, min_side: int | None) -> npt.NDArray[np.uint8]:
    kind = sniff(data)
    pixels = decode_jpeg(data, min_side) if kind == "JPEG" else None
    return decode_other(data, kind) if pixels is None else pixels
