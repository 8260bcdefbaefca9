"""The graph of a segmenter that comes as an ONNX file; no torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork.backbones import CLASSES, ONNX, SegmenterNetwork, face_arrays
from topwork.engines._engine import last_line, openvino_core
from topwork.engines._package import openvino
from topwork.errors import BackboneError

_EDGE = 1e-6  # a probability of 1 has no logit


def segmenter_graph(backbone: SegmenterNetwork) -> Any:
    """An ``openvino.Model`` from normalised images, float32 (1, 3, size, size), to logits of background and foreground.

    Raises:
        BackboneError: The weights are missing or changed, or OpenVINO cannot read them.
    """
    size, ops, config = backbone.preprocessing.size, openvino().opset13, backbone.config
    try:
        network = openvino_core().read_model(face_arrays(backbone)[ONNX].tobytes())
        network.reshape([1, 3, size, size])
        answer = network.output(0).get_node().input_value(0)
        if config.get("probability"):
            inside = ops.clamp(answer, _EDGE, 1 - _EDGE)
            answer = ops.subtract(ops.log(inside), ops.log(ops.subtract(ops.constant(np.float32(1)), inside))).output(0)
        if answer.get_shape()[1] == 1:  # the logit against a background of zero
            zero = ops.multiply(answer, ops.constant(np.float32(0)))
            answer = ops.concat([zero, answer], 1).output(0)
        row = ops.reshape(answer, ops.constant(np.array([0, -1], np.int64)), special_zero=True)
        found = openvino().Model([ops.result(row)], network.get_parameters())
        width = found.output(0).get_shape()[1]
    except RuntimeError as error:
        raise BackboneError(f"OpenVINO cannot read {backbone.name}: {last_line(error)}") from error
    if width != backbone.width(CLASSES):
        raise BackboneError(f"{backbone.name} gives {width} numbers an image, not {backbone.width(CLASSES)}")
    found.output(0).set_names({CLASSES})
    return found
