"""A model as one ONNX file: what it takes, its network, its head, and what else it tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from topwork._system import optional
from topwork.errors import TopworkError
from topwork.exporting._answers import Answers
from topwork.exporting._inputs import Inputs
from topwork.exporting._nodes import Nodes, onnx
from topwork.exporting._targets import Target
from topwork.model import Model

if TYPE_CHECKING:
    from onnx import ModelProto

FILE = "model.onnx"
_MOST = 2**31 - 1  # bytes of one protobuf


def onnx_model(model: Model, inputs: Inputs, answers: Answers) -> ModelProto:
    """The whole model as a graph: what the task answers with comes out, and mostly ``features``.

    Raises:
        MissingExtraError: ``onnx`` is not installed.
        TopworkError: A part of it cannot be written as nodes, or it is too large for one file.
    """
    nodes, outputs = Nodes(), model.record.outputs
    features = inputs.features(nodes, outputs)
    found = {**answers.nodes(model, features), **({"features": features} if answers.features else {})}
    one = np.ones((1, sum(map(model.backbone.width, outputs))), np.float32)
    like = {**answers.expected(model, one), "features": one}  # NumPy's answer to one row has the same shapes
    for name, value in found.items():
        nodes.output(name, value, ["batch", *like[name].shape[1:]])
    made = nodes.model(model.record.task.name)
    if made.ByteSize() > _MOST:
        raise TopworkError(
            f"{inputs.backbone.name} is too large for one ONNX file: {made.ByteSize():,} bytes",
            hint="fit a smaller network with --backbone, or answer with `topwork serve`",
        )
    onnx().checker.check_model(made)
    return made


class OnnxTarget(Target):
    """One file for ONNX Runtime, and for whatever else runs ONNX."""

    runtime = "onnxruntime"
    packages = ("onnxruntime",)
    files = {FILE: "the model, with its preprocessing"}  # noqa: RUF012
    script = {  # noqa: RUF012
        "imports": "import onnxruntime",
        "network": f'NETWORK = onnxruntime.InferenceSession(HERE / "{FILE}", providers=["CPUExecutionProvider"])\n'
        "NAMES = [each.name for each in NETWORK.get_outputs()]",
        "answer": "return dict(zip(NAMES, NETWORK.run(NAMES, {{ feeds }})))",
    }

    def __init__(self, model: Model, inputs: Inputs, answers: Answers) -> None:
        optional("onnxruntime", extra="export", what="an export")  # nothing is written that was not run
        self.inputs = inputs
        self.made = onnx_model(model, inputs, answers)

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        """The file, with what it tells."""
        onnx().helper.set_model_props(self.made, dict(metadata))
        onnx().save_model(self.made, folder / FILE)
