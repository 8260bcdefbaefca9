"""Heads: what is trained on frozen features. Arrays in, arrays out; predicting needs numpy alone.

``fit_linear`` is the one to use; ``fit_knn`` is the baseline it has to beat. Both give a ``Head``.
"""

from __future__ import annotations

from ._fit_linear import FOLDS, LinearFit, equal_blocks, fit_linear
from ._knn import KNNHead, fit_knn
from ._linear import LinearHead
from ._path import PathPoint, row_losses
from ._protocol import Head, head_from_tensors

__all__ = [
    "FOLDS",
    "Head",
    "KNNHead",
    "LinearFit",
    "LinearHead",
    "PathPoint",
    "equal_blocks",
    "fit_knn",
    "fit_linear",
    "head_from_tensors",
    "row_losses",
]
