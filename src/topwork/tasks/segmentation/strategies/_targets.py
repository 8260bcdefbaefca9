"""What a head is to say: masks seen through the preprocessing, at the places of its grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topwork.backbones import Preprocessing
from topwork.data import UNLABELLED, Mask
from topwork.tasks.segmentation.instances import border_targets
from topwork.tasks.segmentation.network import HeadSpec, nearest, on_grid

_BORDER = 1  # places of the grid around an object in which another one makes a border


def target(mask: Mask, spec: HeadSpec, preprocessing: Preprocessing) -> npt.NDArray[np.int32]:
    """(side, side): the class at each place, C at a border between objects, ``UNLABELLED`` where nothing is told.

    Args:
        mask: Of one image.
        spec: Of the head: its grid, its classes, and whether it tells borders.
        preprocessing: That made the square which the grid covers.
    """
    places = nearest(spec.grid, preprocessing, *mask.labels.shape)
    found = on_grid(mask.labels, *places, UNLABELLED).astype(np.int32)
    if spec.border and mask.objects is not None:
        found[border_targets(on_grid(mask.objects, *places, 0), _BORDER) & (found >= 0)] = spec.n_classes
    return found
