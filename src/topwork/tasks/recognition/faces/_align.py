"""Alignment: the turn, scale and shift that bring five points of a face to where a network expects them.

Source: Umeyama 1991, "Least-Squares Estimation of Transformation Parameters Between Two Point Patterns"; the five
places are those of insightface's ``face_align.py``, for crops of 112 pixels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float64Array, UInt8Array

ARCFACE_SIDE = 112
ARCFACE_POINTS = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)
"""Eye on the left of the picture, eye on the right, tip of the nose, corners of the mouth: x and y in the crop."""


def similarity(points: npt.ArrayLike, places: npt.ArrayLike) -> Float64Array:
    """The turn, scale and shift (no mirroring) that brings points nearest to places, by least squares.

    Args:
        points: (K, 2), K at least 2.
        places: (K, 2), where they should lie.

    Returns:
        float64 (2, 3): ``[x', y'] = matrix @ [x, y, 1]``.

    Raises:
        ValueError: All points are the same, or some are not numbers.
    """
    given, wanted = np.asarray(points, np.float64), np.asarray(places, np.float64)
    centre, goal = given.mean(axis=0), wanted.mean(axis=0)
    # As complex numbers such a transform is one product: the best factor is an ordinary least-squares fit.
    from_centre, from_goal = ((each - middle) @ (1, 1j) for each, middle in ((given, centre), (wanted, goal)))
    spread = float((np.abs(from_centre) ** 2).sum())
    if not np.isfinite(spread) or spread <= 0:
        raise ValueError("no transform leads from points that are all the same")
    factor = complex(np.vdot(from_centre, from_goal)) / spread
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([turn, goal - turn @ centre])


def aligned(pixels: UInt8Array, points: npt.ArrayLike, places: npt.ArrayLike, side: int) -> UInt8Array:
    """A crop, uint8 (side, side, 3), in which the points lie at the places; what is outside the picture is black.

    Raises:
        ValueError: All points are the same, or some are not numbers.
    """
    from PIL import Image

    matrix = similarity(points, places)
    shrinks = int(1 / max(1e-6, np.hypot(*matrix[:, 0])))
    image = Image.fromarray(pixels)
    if shrinks > 1:  # one pixel of the crop stands for several: they are averaged first
        image = image.reduce(shrinks)
        # the centre of pixel 0 of the small image lies at (shrinks - 1) / 2 of the large one
        matrix = np.column_stack(
            [matrix[:, :2] * shrinks, matrix[:, 2] + matrix[:, :2].sum(axis=1) * (shrinks - 1) / 2]
        )
    turn = np.linalg.inv(matrix[:, :2])
    # Pillow takes the place of each pixel's centre, half a pixel from its corner
    shift = -turn @ matrix[:, 2] + 0.5 - turn.sum(axis=1) / 2
    data = np.column_stack([turn, shift]).ravel().tolist()
    crop = image.transform((side, side), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    return np.asarray(crop)


def resized(pixels: UInt8Array, scale: float) -> UInt8Array:
    """A picture so many times as large, one pixel a side at least."""
    from PIL import Image

    if scale == 1:
        return np.ascontiguousarray(pixels)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    how = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(pixels).resize(size, how))
