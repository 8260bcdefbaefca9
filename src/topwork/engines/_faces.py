"""Graphs of face networks in OpenVINO's own operators, or read from the user's ONNX file; no torch, no dlib."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork._arrays import Float32Array
from topwork.backbones import DLIB_LAST, DLIB_LEVELS, EMBEDDING, ONNX, Arrays, Backbone, face_arrays
from topwork.engines._engine import last_line, openvino_core
from topwork.engines._package import openvino
from topwork.errors import BackboneError


def face_graph(backbone: Backbone) -> Any:
    """An ``openvino.Model`` from normalised images, float32 (1, 3, size, size), to ``embedding``, (1, D).

    Raises:
        BackboneError: The weights are missing, changed or no face network's, or OpenVINO cannot read them.
    """
    arrays, size = face_arrays(backbone), backbone.preprocessing.size
    network = _read(arrays[ONNX].tobytes(), backbone) if ONNX in arrays else _built(arrays, size)
    network.output(0).set_names({EMBEDDING})
    return network


def _read(content: bytes, backbone: Backbone) -> Any:
    """A network of ArcFace's kind, its answer as one row an image."""
    size, operators = backbone.preprocessing.size, openvino().opset13
    try:
        network = openvino_core().read_model(content)
        network.reshape([2, 3, size, size])  # whether it takes any number of images shows here
        network.reshape([1, 3, size, size])
        answer = network.output(0).get_node().input_value(0)
        row = operators.reshape(answer, operators.constant(np.array([0, -1], np.int64)), special_zero=True)
        network = openvino().Model([operators.result(row)], network.get_parameters())
        width = network.output(0).get_shape()[1]
    except RuntimeError as error:
        raise BackboneError(f"OpenVINO cannot read {backbone.name}: {last_line(error)}") from error
    if width != backbone.embedding:
        raise BackboneError(f"{backbone.name} gives {width} numbers a face, not {backbone.embedding}")
    return network


def _built(arrays: Arrays, size: int) -> Any:
    """The network of dlib: residual blocks whose shorter way is padded with zeros where it is smaller."""
    operators = openvino().opset13
    images = operators.parameter([1, 3, size, size], np.float32)
    maps = operators.relu(_convolved(images, arrays, 0, stride=2))
    maps = openvino().opset1.max_pool(maps, [2, 2], [0, 0], [0, 0], [3, 3])  # later ones tell where each was, too
    place = 1
    for _, blocks, halves in DLIB_LEVELS:
        for block in range(blocks):
            maps = _residual(maps, arrays, place, halves=halves and block == 0)
            place += 2
    pooled = operators.reduce_mean(maps, operators.constant(np.array([2, 3], np.int64)), keep_dims=False)
    answer = operators.matmul(pooled, operators.constant(arrays[DLIB_LAST]), False, False)
    return openvino().Model([operators.result(answer)], [images])


def _residual(maps: Any, arrays: Arrays, place: int, *, halves: bool) -> Any:
    operators = openvino().opset13
    inner = operators.relu(_convolved(maps, arrays, place, stride=2 if halves else 1))
    inner = _convolved(inner, arrays, place + 1, stride=1)
    if halves:
        maps = operators.avg_pool(maps, [2, 2], [0, 0], [0, 0], [2, 2], exclude_pad=True)
    shapes = [np.array(list(each.output(0).get_shape())) for each in (inner, maps)]
    inner, maps = (_padded(each, np.maximum(*shapes) - own) for each, own in zip((inner, maps), shapes, strict=True))
    return operators.relu(operators.add(inner, maps))


def _padded(maps: Any, by: Any) -> Any:
    if not by.any():
        return maps
    operators = openvino().opset13
    none, ends = (operators.constant(each.astype(np.int64)) for each in (np.zeros_like(by), by))
    return operators.pad(maps, none, ends, "constant", np.float32(0))


def _convolved(maps: Any, arrays: Arrays, place: int, *, stride: int) -> Any:
    """A convolution and the scaling after it; the border is padded only where every pixel is kept."""
    operators = openvino().opset13
    kernel, bias, scale, shift = (arrays[f"{place}.{name}"] for name in ("weight", "bias", "scale", "shift"))
    border = [0 if stride > 1 else kernel.shape[2] // 2] * 2
    folded: Float32Array = kernel * scale[:, None, None, None]
    maps = operators.convolution(maps, operators.constant(folded), [stride] * 2, border, border, [1, 1])
    return operators.add(maps, operators.constant((bias * scale + shift)[None, :, None, None]))
