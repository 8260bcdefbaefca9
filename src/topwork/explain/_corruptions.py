"""What happens to pictures by themselves: blur, noise, compression, too much light; each at five strengths."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from topwork.explain._subject import UInt8Array

STRENGTHS = 5

# Of ImageNet-C (Hendrycks & Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions and
# Perturbations"), for images of 224 pixels.
_BLUR = (1, 2, 3, 4, 6)  # deviation of a Gaussian, in pixels
_NOISE = (0.08, 0.12, 0.18, 0.26, 0.38)  # deviation, with pixels from 0 to 1
_JPEG = (25, 18, 15, 10, 7)  # quality
_LIGHT = (0.1, 0.2, 0.3, 0.4, 0.5)  # added to the brightest colour of each pixel


def blurred(image: UInt8Array, strength: int, rng: np.random.Generator) -> UInt8Array:
    """Out of focus."""
    from PIL import Image, ImageFilter

    radius = _BLUR[strength - 1] * image.shape[0] / 224
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def noisy(image: UInt8Array, strength: int, rng: np.random.Generator) -> UInt8Array:
    """Taken in the dark."""
    noise = rng.normal(0, _NOISE[strength - 1], image.shape)
    return np.asarray(np.clip(np.round(image + 255 * noise), 0, 255), np.uint8)


def compressed(image: UInt8Array, strength: int, rng: np.random.Generator) -> UInt8Array:
    """Sent as a small JPEG."""
    return jpeg(image, _JPEG[strength - 1])


def bright(image: UInt8Array, strength: int, rng: np.random.Generator) -> UInt8Array:
    """Over-exposed: the value of hue, saturation and value is raised."""
    value = image.max(axis=2, keepdims=True).astype(np.float32) / 255
    raised = np.minimum(value + _LIGHT[strength - 1], 1)
    scaled = image * (raised / np.maximum(value, 1 / 255))
    return np.asarray(np.clip(np.round(np.where(value > 0, scaled, raised * 255)), 0, 255), np.uint8)


def jpeg(image: UInt8Array, quality: int) -> UInt8Array:
    """An image as it comes back from a JPEG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


CORRUPTIONS: dict[str, Callable[[UInt8Array, int, np.random.Generator], UInt8Array]] = {
    "blur": blurred,
    "noise": noisy,
    "JPEG": compressed,
    "brightness": bright,
}
"""Each takes an image uint8 (size, size, 3), a strength from 1 to 5, and what it draws from."""
