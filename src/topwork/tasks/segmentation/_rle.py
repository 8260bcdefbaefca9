"""COCO's run-length encoding of a mask, compressed to text: what its tools read."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork._arrays import BoolArray

_BITS, _MORE, _SIGN, _FIRST = 5, 0x20, 0x10, 48


def run_lengths(mask: BoolArray) -> dict[str, Any]:
    """``{"size": [height, width], "counts": text}`` of a mask (H, W): COCO's compressed form, column by column."""
    flat = np.asarray(mask, np.bool_).ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([np.zeros(1 + bool(len(flat) and flat[0]), np.intp), changes, [len(flat)]])
    return {"size": list(mask.shape), "counts": _as_text(np.diff(ends).tolist())}


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
