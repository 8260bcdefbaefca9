"""Weights of ``keras.applications``: read without TensorFlow, for networks that compute what Keras's do.

In: a ``.h5`` or ``.keras`` file. Out: a row of facts, weights by timm's names, and (``_module``) the torch network.
"""

from topwork.backbones._keras._load import KerasWeights, is_keras_file, keras_weights
from topwork.backbones._keras._rows import ROWS, KerasRow, keras_row

__all__ = ["ROWS", "KerasRow", "KerasWeights", "is_keras_file", "keras_row", "keras_weights"]
