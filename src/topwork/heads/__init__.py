"""Heads: what is trained on frozen features. Arrays in, arrays out; predicting needs numpy alone.

``fit_linear`` is the one to use; ``fit_knn`` is the baseline it has to beat. ``map_classes`` and ``fit_mapped``
let the network's own classifier answer. All give a ``Head``. ``fit_novelty`` tells which images are unlike those.
"""

from __future__ import annotations

from ._fit_linear import FOLDS, LinearFit, equal_blocks, fit_linear
from ._fit_mapped import fit_mapped
from ._knn import TEMPERATURE as KNN_TEMPERATURE
from ._knn import KNNHead, fit_knn
from ._linear import LinearHead
from ._mapped import MappedHead, map_classes, network_probabilities
from ._novelty import Novelty, fit_novelty
from ._path import PathPoint, row_losses
from ._protocol import Head, head_from_tensors
from ._temperature import fit_temperature
from ._text import BlendHead, TextHead, blended

__all__ = [
    "FOLDS",
    "KNN_TEMPERATURE",
    "BlendHead",
    "Head",
    "KNNHead",
    "LinearFit",
    "LinearHead",
    "MappedHead",
    "Novelty",
    "PathPoint",
    "TextHead",
    "blended",
    "equal_blocks",
    "fit_knn",
    "fit_linear",
    "fit_mapped",
    "fit_novelty",
    "fit_temperature",
    "head_from_tensors",
    "map_classes",
    "network_probabilities",
    "row_losses",
]
