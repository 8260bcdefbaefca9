"""Where objects touch: what a network learns beside the classes, so that they can be told apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topwork._arrays import BoolArray, IntegerArray
from topwork.errors import DataError

WIDTH = 2


def border_targets(objects: IntegerArray, width: int = WIDTH) -> BoolArray:
    """Pixels of an object that have another object near them: its edge where it touches, or nearly touches, another.

    They belong to their object, so a pixel of the border is of the object's class too; the gap between two objects is
    background, as it is drawn. Source: the borders that the best networks of the Data Science Bowl 2018 learnt (Caicedo
    et al. 2019, "Nucleus segmentation across imaging experiments").

    Args:
        objects: (H, W), numbers of objects, 0 where none is.
        width: How near, in pixels along rows and columns; two objects that touch have a border of twice that.

    Returns:
        (H, W)

    Raises:
        DataError: No numbers of objects, or a width below 1.
    """
    if objects.ndim != 2 or objects.dtype.kind not in "iu":
        raise DataError(f"objects must be integers of shape (H, W), got {objects.dtype} {objects.shape}")
    if width < 1:
        raise DataError(f"a border of {width} pixels is none", hint="Give a width of 1 or more.")
    own = objects.astype(np.int64)
    highest = _spread(own, width, np.maximum)
    lowest = _spread(np.where(own > 0, own, np.iinfo(np.int64).max), width, np.minimum)
    border: BoolArray = (own > 0) & ((highest != own) | (lowest != own))
    return border


def _spread(values: npt.NDArray[np.int64], width: int, over: np.ufunc) -> npt.NDArray[np.int64]:
    """The extreme of each pixel's square of so many pixels around it, rows first, then columns."""
    for axis in (0, 1):
        found = np.moveaxis(values.copy(), axis, 0)
        given = np.moveaxis(values, axis, 0)
        for step in range(1, min(width, len(given) - 1) + 1):
            over(found[step:], given[:-step], out=found[step:])
            over(found[:-step], given[step:], out=found[:-step])
        values = np.moveaxis(found, 0, axis)
    return values
