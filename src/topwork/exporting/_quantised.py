"""A network's graph in eight bits: weights a channel at a time, maps in ranges that calibration images told."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork._arrays import Float32Array
from topwork._system import optional
from topwork.exporting._nodes import onnx

if TYPE_CHECKING:
    from onnx import ModelProto

_OPERATORS = ("Conv", "Gemm", "MatMul", "Add", "Clip", "Relu", "MaxPool", "Pad", "Concat")
_NO_MAPS = ("Shape", "Size", "ReduceMean", "ReduceMax", "GlobalAveragePool")  # give sizes, or features at last


def quantised(network: ModelProto, squares: Sequence[Float32Array], *, kept: int = 0) -> ModelProto:
    """The same network with its convolutions and products in int8, by nodes that quantise and dequantise (QDQ).

    Only what lies between the images and the pooling is changed; sizes that are computed and pooled features stay.

    Args:
        network: Of one input, float32 (batch, 3, size, size).
        squares: Calibration images as the network takes them, float32 (n, 3, size, size) each; the range of a map is
            from the least to the greatest number in it.
        kept: Convolutions that stay in float32, the first ones: what they round goes through all the others.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
    """
    tools: Any = optional("onnxruntime.quantization", extra="export", what="an export in int8")
    named = _with_names(network)
    changed = _between(named, kept)
    if not changed:  # an empty list would stand for all
        return network

    class Images(tools.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left: Iterator[Float32Array] = iter(squares)

        def get_next(self) -> dict[str, Float32Array] | None:
            found = next(self._left, None)
            return None if found is None else {network.graph.input[0].name: found}

    with tempfile.TemporaryDirectory(prefix="topwork-int8-") as folder, _unlogged():
        file = Path(folder) / "network.onnx"
        tools.quantize_static(
            named,
            file,
            Images(),
            quant_format=tools.QuantFormat.QDQ,
            per_channel=True,
            activation_type=tools.QuantType.QUInt8,  # of both kinds the one that both runtimes are fast in
            weight_type=tools.QuantType.QInt8,
            nodes_to_quantize=changed,
            op_types_to_quantize=list(_OPERATORS),
        )
        found: ModelProto = onnx().load(file)
    return found


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Without ONNX Runtime's advice, for which it would set up Python's logging."""
    nowhere = logging.NullHandler()
    logging.getLogger().addHandler(nowhere)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(nowhere)


def _with_names(network: ModelProto) -> ModelProto:
    """A copy whose nodes can be told apart by name."""
    copy: ModelProto = onnx().ModelProto()
    copy.CopyFrom(network)
    for place, node in enumerate(copy.graph.node):
        node.name = f"{node.op_type}_{place}"
    return copy


def _between(network: ModelProto, kept: int) -> list[str]:
    """Names of the nodes that compute maps of maps, from a convolution on."""
    maps, found, convolutions = {network.graph.input[0].name}, [], 0
    for node in network.graph.node:
        if node.op_type in _NO_MAPS or not maps.intersection(node.input):
            continue
        maps.update(node.output)
        convolutions += node.op_type == "Conv"
        if node.op_type in _OPERATORS and (not kept or convolutions > kept):
            found.append(node.name)
    return found
