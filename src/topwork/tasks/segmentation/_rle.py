"""COCO's run-length encoding of a mask, compressed to text: what its tools read."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork._arrays import BoolArray

_BITS, _MORE, _SIGN, _FIRST = 5, 0x20, 0x10, 48


def run_lengths(
    mask: BoolArray, corner: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None
) -> dict[str, Any]:
    """``{"size": [height, width], "counts": text}`` of a mask: COCO's compressed form, column by column.

    Args:
        mask: (h, w), of the whole image or of a part, outside of which nothing is.
        corner: The part's first row and column.
        size: Height and width of the image; the mask's own when None.
    """
    height, width = size or mask.shape
    edges = np.zeros((mask.shape[1], mask.shape[0] + 2), np.int8)
    edges[:, 1:-1] = np.asarray(mask, np.bool_).T
    steps = np.diff(edges, axis=1)
    columns = (np.arange(mask.shape[1]) + corner[1])[:, None] * height + corner[0]
    places = np.broadcast_to(columns + np.arange(steps.shape[1]), steps.shape)
    starts, ends = places[steps == 1], places[steps == -1]
    apart = starts[1:] > ends[:-1]  # one that fills its column to the end goes on in the next
    runs = np.stack([starts[np.append(True, apart)[: len(starts)]], ends[np.append(apart, True)[: len(ends)]]], axis=1)
    counts = np.diff(runs.ravel(), prepend=0, append=height * width).tolist()
    return {"size": [height, width], "counts": _as_text(counts if len(counts) == 1 or counts[-1] else counts[:-1])}


def _as_text(counts: list[int]) -> str:
    """Each run, from the fourth on less the one two before it, in groups of five bits, the lowest first."""
    found = bytearray()
    for place, count in enumerate(counts):
        left = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits = left & (_MORE - 1)
            left >>= _BITS
            more = left != -1 if bits & _SIGN else left != 0
            found.append((bits | _MORE if more else bits) + _FIRST)
    return found.decode("ascii")
