"""Exporting: a model as a folder that needs no topwork. In: a model, and what its task answers with. Out: a folder.

Nothing is written whose answers are not those of ``predict``. It is called so since ``topwork.export`` is the function.
What a model takes is an ``Inputs`` (images, texts), what it answers an ``Answers`` (classes), where it goes a
``Target``.
"""

from topwork.exporting._answers import Answers
from topwork.exporting._export import Exported, export, require_free
from topwork.exporting._heads import label_of, probabilities_of, typicality_of
from topwork.exporting._inputs import Inputs, inputs_of
from topwork.exporting._int8 import Int8, Speed
from topwork.exporting._nodes import Nodes, Value
from topwork.exporting._onnx import onnx_model
from topwork.exporting._parity import Agreement, Parity
from topwork.exporting._targets import Target, possible, target_called

__all__ = [
    "Agreement",
    "Answers",
    "Exported",
    "Inputs",
    "Int8",
    "Nodes",
    "Parity",
    "Speed",
    "Target",
    "Value",
    "export",
    "inputs_of",
    "label_of",
    "onnx_model",
    "possible",
    "probabilities_of",
    "require_free",
    "target_called",
    "typicality_of",
]
