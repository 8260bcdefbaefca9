"""Why a face should not be relied on: too small, blurred, turned away, cut off.

Where errors begin was measured by ``bench/faces.py limits``.
"""

from __future__ import annotations

import numpy as np

from topwork._arrays import Float64Array, UInt8Array

SMALL = 28.0  # pixels
BLURRED = 0.006  # of `sharpness`
TURNED = 0.28  # of `turn`
CUT = 0.15  # share of the face's box outside the picture

Corners = tuple[float, float, float, float]


def flaws(crop: UInt8Array, corners: Corners, size: tuple[int, int], turn: float) -> str:
    """What is wrong with a face, in words; empty where nothing is.

    Args:
        crop: uint8 (side, side, 3), aligned.
        corners: xmin, ymin, xmax, ymax in the picture.
        size: Height and width of the picture.
        turn: How far the nose stands from between the eyes, over their distance.
    """
    width = corners[2] - corners[0]
    found = {
        f"{width:.0f} pixels wide": width < SMALL,
        "blurred": sharpness(crop) < BLURRED,
        "turned away": abs(turn) > TURNED,
        "cut off": outside(corners, size) > CUT,
    }
    return ", ".join(text for text, beyond in found.items() if beyond)


def sharpness(crop: UInt8Array) -> float:
    """How much of the contrast is between neighbours: variance of the Laplacian over the brightness's own variance."""
    rim = len(crop) // 4  # what lies around the face, or is black because it is outside the picture
    grey = crop[rim:-rim, rim:-rim].astype(np.float64).mean(axis=2)
    laplacian = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * grey[1:-1, 1:-1]
    return float(laplacian.var() / max(grey.var(), 1.0))


def outside(corners: Corners, size: tuple[int, int]) -> float:
    """Share of a box that lies outside a picture of that height and width."""
    left, top, right, bottom = corners
    inner = max(0.0, min(right, size[1]) - max(left, 0.0)) * max(0.0, min(bottom, size[0]) - max(top, 0.0))
    return 1 - inner / max(1e-9, (right - left) * (bottom - top))


def turned(left_eye: Float64Array, right_eye: Float64Array, nose: Float64Array) -> float:
    """Where the nose stands along the line between the eyes' centres: 0 in the middle, -0.5 and 0.5 below an eye."""
    across = right_eye - left_eye
    return float((nose - (left_eye + right_eye) / 2) @ across / max(1e-9, float(across @ across)))
