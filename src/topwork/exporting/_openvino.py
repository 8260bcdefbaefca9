"""A model as OpenVINO's intermediate representation, read from the same graph as the ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from topwork.engines._engine import last_line
from topwork.engines._package import openvino
from topwork.errors import TopworkError
from topwork.exporting._answers import Answers
from topwork.exporting._inputs import Inputs
from topwork.exporting._onnx import onnx_model
from topwork.exporting._targets import Target
from topwork.model import Model

FILE = "model.xml"


class OpenVINOTarget(Target):
    """Two files for OpenVINO. The preprocessing is the script's: OpenVINO has no double precision on a processor."""

    runtime = "openvino"
    packages = ("openvino",)
    files = {FILE: "the model", "model.bin": "its weights"}  # noqa: RUF012

    def __init__(self, model: Model, inputs: Inputs, answers: Answers) -> None:
        self.inputs = inputs.outside()
        made = onnx_model(model, self.inputs, answers)
        try:
            self._network = openvino().Core().read_model(made.SerializeToString())
        except RuntimeError as error:
            raise TopworkError(
                f"OpenVINO cannot read the graph: {last_line(error)}", hint="try --to onnx, which writes the same graph"
            ) from error
        names = [output.name for output in made.graph.output]
        self.script = {
            "imports": "import openvino",
            "network": 'SETTINGS = {"INFERENCE_PRECISION_HINT": "f32"}  # bf16 would give other digits\n'
            f'NETWORK = openvino.Core().compile_model(HERE / "{FILE}", "CPU", SETTINGS)',
            "answer": f"found = NETWORK({{{{ feeds }}}})\nreturn {{name: found[name] for name in {names}}}",
        }

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        """Both files; what they tell lies in the runtime information, under ``topwork``."""
        for name, told in metadata.items():
            self._network.set_rt_info(told, name.split(".", maxsplit=1))
        openvino().save_model(self._network, folder / FILE, compress_to_fp16=False)
