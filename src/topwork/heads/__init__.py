"""Heads: what is trained on frozen features. Arrays in, arrays out; predicting needs numpy alone.

``fit_linear`` is the one to use; ``fit_knn`` is the baseline it has to beat, and ``fit_mlp`` a small network that has
to prove itself against it. ``map_classes`` and ``fit_mapped`` let the network's own classifier answer, ``TextHead``
lets words do so. All are a ``Head``: that is all a caller needs to know of them. ``fit_projection`` makes embeddings of
features, for identities rather than classes. ``fit_novelty`` tells which images are unlike those; ``write_tensors``
stores what has tensors. ``fit_streamed`` is ``fit_linear`` of rows in shards, more than memory holds.
"""

from __future__ import annotations

from ._crossed import Method
from ._design import equal_blocks
from ._head import Head, head_from_tensors
from ._knn import TEMPERATURE as KNN_TEMPERATURE
from ._knn import KNNHead, fit_knn
from ._linear import FOLDS, LinearFit, LinearHead, fit_linear
from ._mapped import MappedHead, fit_mapped, map_classes, network_probabilities
from ._mlp import DROPOUT, HIDDEN, MLPFit, MLPHead, Network, fit_mlp
from ._moments import Block, row_keys
from ._novelty import Novelty, fit_novelty
from ._path import PathPoint
from ._projection import METHODS as PROJECTIONS
from ._projection import Projection, ProjectionMethod, fit_projection
from ._rows import one_thread, shuffled_by_class
from ._streamed import StreamedFit, StreamedMethod, fit_streamed
from ._streamed_rows import Shards
from ._temperature import TemperatureScaled, fit_temperature, row_losses
from ._tensors import read_tensors, write_tensors
from ._text import BlendHead, TextHead, blended

__all__ = [
    "DROPOUT",
    "FOLDS",
    "HIDDEN",
    "KNN_TEMPERATURE",
    "BlendHead",
    "Block",
    "Head",
    "KNNHead",
    "LinearFit",
    "LinearHead",
    "MLPFit",
    "MLPHead",
    "MappedHead",
    "Method",
    "Network",
    "Novelty",
    "PROJECTIONS",
    "PathPoint",
    "Projection",
    "ProjectionMethod",
    "Shards",
    "StreamedFit",
    "StreamedMethod",
    "TemperatureScaled",
    "TextHead",
    "blended",
    "equal_blocks",
    "fit_knn",
    "fit_linear",
    "fit_mapped",
    "fit_mlp",
    "fit_novelty",
    "fit_projection",
    "fit_streamed",
    "fit_temperature",
    "head_from_tensors",
    "map_classes",
    "network_probabilities",
    "one_thread",
    "read_tensors",
    "row_keys",
    "row_losses",
    "shuffled_by_class",
    "write_tensors",
]
