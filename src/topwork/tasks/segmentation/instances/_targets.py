"""What a network learns beside the classes, so that objects can be told apart: where they touch, or depths."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topwork._arrays import BoolArray, Float32Array, IntegerArray
from topwork._system import optional
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
    own = _numbers(objects)
    if width < 1:
        raise DataError(f"a border of {width} pixels is none", hint="Give a width of 1 or more.")
    highest = _spread(own, width, np.maximum)
    lowest = _spread(np.where(own > 0, own, np.iinfo(np.int64).max), width, np.minimum)
    border: BoolArray = (own > 0) & ((highest != own) | (lowest != own))
    return border


def depth_targets(objects: IntegerArray) -> Float32Array:
    """How deep pixels lie in their objects: the distance to the edge, as a share of that of the object's deepest pixel.

    Middles are far from each other where edges touch, and a small object's is as deep as a large one's. Source: the
    distances that networks learn for a watershed (Bai and Urtasun 2017, "Deep Watershed Transform for Instance
    Segmentation"; Naylor et al. 2019, "Segmentation of Nuclei in Histopathology Images by Deep Regression of the
    Distance Map").

    Args:
        objects: (H, W), numbers of objects, 0 where none is.

    Returns:
        float32 (H, W), from 0 at an edge, and outside, to 1; 1 throughout an object that is all edge.

    Raises:
        DataError: No numbers of objects.
        MissingExtraError: SciPy is not installed.
    """
    own = _numbers(objects)
    ndimage = optional("scipy.ndimage", extra="segmentation", what="telling objects apart")
    edge = (_spread(own, 1, np.maximum) != own) | (_spread(own, 1, np.minimum) != own)
    inside = (own > 0) & ~edge
    if inside.all():  # one object, and no edge to be away from
        return np.ones(own.shape, np.float32)
    numbers, places = np.unique(own, return_inverse=True)
    places = places.reshape(own.shape)
    distance, deepest = ndimage.distance_transform_edt(inside), np.zeros(len(numbers))
    np.maximum.at(deepest, places.ravel(), distance.ravel())
    flat = (own > 0) & (deepest[places] == 0)
    found: Float32Array = np.where(flat, 1, distance / np.maximum(deepest[places], 1)).astype(np.float32)
    return found


def _numbers(objects: IntegerArray) -> npt.NDArray[np.int64]:
    if objects.ndim != 2 or objects.dtype.kind not in "iu":
        raise DataError(f"objects must be integers of shape (H, W), got {objects.dtype} {objects.shape}")
    return objects.astype(np.int64)


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
