"""An image network as nodes: from its blocks, where topwork knows them, else from what torch exports."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._system import require_torch
from topwork.backbones import EMBEDDING, MAP, Backbone, Block, Convolution, blocks_of
from topwork.errors import TopworkError
from topwork.exporting._nodes import OPSET, Nodes, Value, onnx

if TYPE_CHECKING:
    from onnx import ModelProto


def features_of(nodes: Nodes, images: Value, backbone: Backbone, outputs: tuple[str, ...]) -> Value:
    """A backbone's outputs, side by side.

    Args:
        nodes: The graph.
        images: float32 (batch, 3, size, size), normalised.
        backbone: The network.
        outputs: What is wanted of it, in this order.

    Returns:
        float32 (batch, width of the outputs together).

    Raises:
        BackboneError: The weights are missing or do not fit.
        MissingExtraError: PyTorch or a package that it exports with is not installed.
        TopworkError: PyTorch cannot export the network.
    """
    blocks = blocks_of(backbone)
    parts = _through(images, backbone.preprocessing.size, blocks, outputs) if blocks else None
    if parts is None:
        parts = nodes.absorb(_traced(backbone, outputs), {"images": images})
    return parts[0] if len(parts) == 1 else nodes.add("Concat", *parts, axis=1)


def _through(images: Value, size: int, blocks: tuple[Block, ...], outputs: tuple[str, ...]) -> tuple[Value, ...]:
    """What is wanted of the blocks; those behind the last of it are left out."""
    wanted, pooled = set(outputs), dict[str, Value]()
    maps = images
    for block in blocks:
        before = maps
        for convolution in block.convolutions:
            maps, size = _convolved(maps, size, convolution)
        maps = before + maps if block.residual else maps
        if not block.stage:
            continue
        last = block is blocks[-1]
        if f"{block.stage}/{MAP}" in wanted:
            pooled[f"{block.stage}/{MAP}"] = maps.reshape(0, -1)
        for name, operator in (
            (f"{block.stage}/mean", "ReduceMean"),
            (f"{block.stage}/max", "ReduceMax"),
            (EMBEDDING if last else "", "ReduceMean"),
        ):
            if name in wanted:
                pooled[name] = maps.over(operator, 2, 3, keep=False)
        if len(pooled) == len(wanted):
            break
    return tuple(pooled[name] for name in outputs)


def _convolved(maps: Value, size: int, convolution: Convolution) -> tuple[Value, int]:
    """A convolution with its batch norm, padded as TensorFlow does, and the side of its map."""
    kernel, bias = convolution.folded
    stride, reach = convolution.stride, kernel.shape[-1]
    side = -(-size // stride)
    margin = max((side - 1) * stride + reach - size, 0)
    pads = [margin // 2] * 2 + [margin - margin // 2] * 2
    groups = len(kernel) if convolution.depthwise else 1
    maps = maps.nodes.add("Conv", maps, kernel, bias, strides=[stride] * 2, pads=pads, group=groups)
    return (maps.nodes.add("Clip", maps, 0.0, 6.0) if convolution.clipped else maps), side


def _traced(backbone: Backbone, outputs: tuple[str, ...]) -> ModelProto:
    """What torch exports of a network, by tracing: docs/decisions/export.md tells why not by ``dynamo``."""
    require_torch(f"an export of {backbone.name}")
    import torch

    from topwork.backbones.layers import PooledStages

    size = backbone.preprocessing.size
    file, network = io.BytesIO(), PooledStages(backbone, outputs).eval()
    names = [f"output_{place}" for place in range(len(outputs))]
    axes: dict[str, Any] = {name: {0: "batch"} for name in ("images", *names)}
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer's notes on shapes that are constant here
            torch.onnx.export(
                network,
                (torch.zeros(2, 3, size, size),),
                file,  # type: ignore[arg-type]  # the tracer writes to what is open too
                input_names=["images"],
                output_names=names,
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise TopworkError(
            f"PyTorch cannot export {backbone.name} to ONNX: {reason}", hint="`topwork export --to torch` needs no ONNX"
        ) from error
    found: ModelProto = onnx().load_from_string(file.getvalue())
    for attribute in (each for node in found.graph.node if node.op_type == "Transpose" for each in node.attribute):
        attribute.ints[:] = [axis % len(attribute.ints) for axis in attribute.ints]  # the tracer writes axes below 0
    return found


def level_features(nodes: Nodes, levels: Value, backbone: Backbone, outputs: tuple[str, ...]) -> Value:
    """The same, of levels from 0 to 255 as the preprocessing gives them."""
    mean, std = (
        np.array(numbers, np.float32)[:, None, None] * np.float32(255)
        for numbers in (backbone.preprocessing.mean, backbone.preprocessing.std)
    )
    return features_of(nodes, (levels - mean) / std, backbone, outputs)
