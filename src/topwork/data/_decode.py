"""From a file, or its bytes, to pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topwork.data._files import read_bytes
from topwork.data._format import sniff
from topwork.data._jpeg import decode_jpeg
from topwork.data._pillow import decode_other
from topwork.data._source import Source, source_name
from topwork.errors import ImageError


def decode(source: Source, *, min_side: int | None = None) -> npt.NDArray[np.uint8]:
    """Decode one image, whole, to upright RGB. Safe to call from many threads; the decoders release the GIL.

    The format is told by the first bytes, not by the name: JPEG, PNG, WebP, GIF and TIFF (the first picture),
    BMP, PPM. EXIF orientation is undone. Transparency is laid on white. 16-bit samples are scaled to 8.
    Colour profiles are not applied, so a damaged one does no harm, and neither does damaged EXIF.

    Args:
        source: A path, the bytes of a file, a slice of a larger file, or pixels, which come back as they are.
        min_side: Pixels. A JPEG may then come scaled by 1/2, 1/4 or 1/8 (much faster), as long as its shorter
            side is at least this long. Other formats, and a picture that is smaller to begin with, come at
            full size.

    Returns:
        Shape ``(H, W, 3)``, uint8, RGB, C-contiguous.

    Raises:
        ImageError: Not an image, of a format that is not read, damaged, truncated, of more than 89 million
            pixels or 512 MiB, missing, or not a regular file; pixels that are not uint8 ``(H, W, 3)``. Names
            the file where a path was given.
    """
    if min_side is not None and min_side < 1:
        raise ImageError(f"min_side must be at least 1 pixel, not {min_side}")
    if isinstance(source, np.ndarray):
        return _checked_pixels(source)
    data = source if isinstance(source, bytes) else read_bytes(source)
    try:
        kind = sniff(data)
        pixels = decode_jpeg(data, min_side) if kind == "JPEG" else None
        return decode_other(data, kind) if pixels is None else pixels
    except ImageError as error:
        if not (name := source_name(source)):
            raise
        raise ImageError(f"{name}: {error.message}", hint=error.hint) from error


def _checked_pixels(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(
            f"an image array must be uint8 (height, width, 3), not {image.dtype} {image.shape}",
            hint="grey images: np.stack([image] * 3, axis=-1); floats from 0 to 1: (image * 255).astype('uint8')",
        )
    return image
