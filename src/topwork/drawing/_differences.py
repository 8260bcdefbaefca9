"""Where a mask and another of the same image differ: what is missed, what is invented, what is called otherwise."""

from __future__ import annotations

from typing import Literal

import numpy as np

from topwork._arrays import IntegerArray, UInt8Array
from topwork.drawing._masks import scaled

Difference = Literal["missed", "invented", "confused", "unknown"]

DIFFERENCES: dict[Difference, str] = {
    "missed": "#7a1f8c",
    "invented": "#ffd92f",
    "confused": "#111111",
    "unknown": "#ffffff",
}
"""Dark violet and bright yellow, told apart with any colour vision and in grey, and far from the first colours of
classes; the last two are striped."""

STRIPED: frozenset[Difference] = frozenset({"confused", "unknown"})

_SHARE = 0.75  # of the colour; the image shows through
_STRIPE = 3  # pixels


def differing(
    image: UInt8Array, there: IntegerArray, said: IntegerArray, *, has_background: bool, side: int
) -> UInt8Array:
    """An image in pale grey, with a colour where what is there and what was said differ.

    Args:
        image: uint8 (H, W, 3).
        there: (H, W) places among the classes, below 0 where nothing is known.
        said: (H, W), the same.
        has_background: Whether class 0 is none: then it can be missed and invented, and not only be called otherwise.
        side: Pixels of the picture's longer side.

    Returns:
        uint8 (h, w, 3).
    """
    canvas, places = scaled(image, side)
    meant, told = there[places], said[places]
    pale = 110 + canvas.mean(axis=2, keepdims=True) * 0.55
    drawn = np.repeat(pale, 3, axis=2)
    wrong, ground = (meant >= 0) & (meant != told), (0 if has_background else -1)
    stripes = np.add.outer(np.arange(len(canvas)), np.arange(canvas.shape[1])) // _STRIPE % 2 == 0
    kinds = {
        "missed": wrong & (told == ground),
        "invented": wrong & (meant == ground),
        "confused": wrong & (told != ground) & (meant != ground),
        "unknown": meant < 0,
    }
    for kind, colour in DIFFERENCES.items():
        shown = np.array(list(bytes.fromhex(colour[1:])))
        at = kinds[kind] & stripes if kind in STRIPED else kinds[kind]
        drawn[at] = drawn[at] * (1 - _SHARE) + shown * _SHARE
    return drawn.clip(0, 255).astype(np.uint8)
