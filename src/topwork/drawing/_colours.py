"""Numbers to colours: maps that a person reads in the right order, also in grey and with red-green blindness."""

from __future__ import annotations

import numpy as np

from topwork._arrays import AnyArray, Float32Array, Float64Array, UInt8Array

# Nine points each of matplotlib's "inferno" and ColorBrewer's "RdBu" (Brewer 2003), between which is interpolated.
_HEAT = ("000004", "210c4a", "57106e", "8a226a", "bc3754", "e45a31", "f98e09", "f9cb35", "fcffa4")
_SIGNED = ("2166ac", "4393c3", "92c5de", "d1e5f0", "f7f7f7", "fddbc7", "f4a582", "d6604d", "b2182b")
_CLASSES = ("0072b2", "e69f00", "009e73", "d55e00", "cc79a7", "56b4e9", "999933", "882255", "555555", "44aa99")


def heat(values: AnyArray) -> UInt8Array:
    """Numbers from 0 to 1, dark to bright: uint8 (..., 3)."""
    return _between(_HEAT, values)


def signed(values: AnyArray) -> UInt8Array:
    """Numbers from -1 (blue) over 0 (white) to 1 (red): uint8 (..., 3)."""
    return _between(_SIGNED, (np.asarray(values) + 1) / 2)


def class_colours(count: int) -> UInt8Array:
    """So many colours, uint8 (count, 3): ten that are easy to tell apart, then darker and lighter ones of them."""
    base = _points(_CLASSES)
    rounds = np.arange(count) // len(base)
    shade = np.array([1.0, 0.6, 1.35, 0.35])[rounds % 4]
    colours: UInt8Array = np.clip(base[np.arange(count) % len(base)] * shade[:, None], 0, 235).astype(np.uint8)
    return colours


def overlay(image: UInt8Array, values: AnyArray) -> UInt8Array:
    """An image (H, W, 3) with numbers from 0 to 1 (H, W) as heat upon it; where they are 0 it shows in grey."""
    grey = image.astype(np.float32).mean(axis=2, keepdims=True) * 0.7
    share = np.clip(np.asarray(values, np.float32), 0, 1)[..., None] ** 0.7 * 0.8
    return np.asarray(np.clip(grey * (1 - share) + heat(values) * share, 0, 255), np.uint8)


def stretched(values: AnyArray) -> Float32Array:
    """Any numbers brought to 0 to 1; all 0 where they are all equal."""
    values = values.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) / (high - low or 1), np.float32)


def _between(colours: tuple[str, ...], values: AnyArray) -> UInt8Array:
    points = _points(colours)
    places = np.clip(np.nan_to_num(np.asarray(values, np.float32)), 0, 1) * (len(points) - 1)
    known = np.arange(len(points))
    return np.stack([np.interp(places, known, points[:, channel]) for channel in range(3)], axis=-1).astype(np.uint8)


def _points(colours: tuple[str, ...]) -> Float64Array:
    return np.array([list(bytes.fromhex(colour)) for colour in colours], np.float64)
