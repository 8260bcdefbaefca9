"""One look at one image: the facts that tell a bad picture from a good one, from a small decode."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from topwork.checking._format import compression, format_of, frames, true_size
from topwork.checking._perceptual_hash import image_hash
from topwork.data import decode

if TYPE_CHECKING:
    from PIL.Image import Image

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]

SIDE = 32  # of the thumbnail that brightness, uniformity and the hash are taken from, in pixels
SHARP_SIDE = 128  # shorter side in pixels at which sharpness is measured, whatever the image's own size
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class Look:
    """What one image is like. Brightness runs from 0 to 255.

    Attributes:
        key: 16 bytes that name the file's content.
        kind: Format, from the first bytes.
        height: Pixels, upright.
        width: Pixels, upright.
        compression: How coarsely a JPEG was quantised, see ``compression``.
        frames: Pictures in an animation; 1 for a still.
        low: Brightness that 1 % of the thumbnail is below.
        high: Brightness that 1 % of it is above.
        spread: Standard deviation of the thumbnail's brightness.
        colour: Mean difference between the largest and the smallest channel of the thumbnail.
        sharpness: Of its edges, see ``_sharpness``; NaN where the image is too small to say.
        hash: See ``image_hash``.
        thumbnail: uint8 (32, 32), the whole image squashed, brightness alone.
    """

    key: bytes
    kind: str
    height: int
    width: int
    compression: float
    frames: int
    low: float
    high: float
    spread: float
    colour: float
    sharpness: float
    hash: int
    thumbnail: UInt8Array


def look(found: bytes | UInt8Array) -> Look:
    """Look at one image. A JPEG is decoded at a fraction of its size, which still finds every damage.

    Args:
        found: The file's bytes, or pixels.

    Raises:
        ImageError: It cannot be decoded.
    """
    from PIL import Image

    pixels = found if isinstance(found, np.ndarray) else decode(found, min_side=SHARP_SIDE)
    data = b"" if isinstance(found, np.ndarray) else found
    image = Image.fromarray(pixels)
    small = _resized(image, (SIDE, SIDE))
    grey = _brightness(small)
    order = np.sort(grey, axis=None)
    margin = order.size // 100
    height, width = true_size(data, kind := format_of(data), (pixels.shape[0], pixels.shape[1]))
    return Look(
        key=content_key(found),
        kind=kind,
        height=height,
        width=width,
        compression=compression(data, kind),
        frames=frames(data, kind),
        low=float(order[margin]),
        high=float(order[-1 - margin]),
        spread=float(grey.std()),
        colour=float(np.ptp(small, axis=2).mean()),
        sharpness=_sharpness(image) if min(height, width) >= SHARP_SIDE else float("nan"),
        hash=image_hash(grey),
        thumbnail=np.round(grey).astype(np.uint8),
    )


def content_key(found: bytes | UInt8Array) -> bytes:
    """16 bytes that name a file's bytes, or an image's pixels and shape."""
    data = found if isinstance(found, bytes) else np.array(found.shape).tobytes() + found.tobytes()
    return hashlib.blake2b(data, digest_size=16).digest()


def _sharpness(image: Image) -> float:
    """Variance of the Laplacian over the variance of the brightness, at a shorter side of 128 pixels.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy". At one scale for all images,
    since a large photograph that is a little soft is sharp to a network that sees 224 pixels of it; divided by
    the variance, since a sharp picture of a grey day is still sharp.

    Args:
        image: Both sides at least 128 pixels.
    """
    scale = SHARP_SIDE / min(image.size)
    width, height = (max(SHARP_SIDE, round(side * scale)) for side in image.size)
    grey = _brightness(_resized(image, (width, height)))
    middle = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle
    return float(laplacian.var() / max(float(middle.var()), 1.0))


def _brightness(pixels: UInt8Array) -> Float32Array:
    """(H, W) of (H, W, 3), 0 to 255."""
    return pixels.astype(np.float32) @ _LUMA


def _resized(image: Image, size: tuple[int, int]) -> UInt8Array:
    """The image at another width and height."""
    from PIL import Image

    return np.asarray(image.resize(size, Image.Resampling.BOX))
