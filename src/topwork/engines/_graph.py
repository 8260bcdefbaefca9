"""The graph of a network that topwork knows block by block, made in OpenVINO's own operators; no torch is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from topwork._arrays import Float32Array
from topwork.backbones import EMBEDDING, Block, Convolution
from topwork.engines._package import openvino


def graph(blocks: tuple[Block, ...], size: int, outputs: tuple[str, ...]) -> Any:
    """An ``openvino.Model`` from normalised images, float32 (1, 3, size, size), to named outputs, (1, width) each.

    Args:
        blocks: What the network computes (``backbones.blocks_of``); batch norms are folded into the convolutions.
        size: Side of the images in pixels.
        outputs: Names of a stage and how its map is pooled; the network's own pooled features are the last map's mean.
    """
    operators = openvino().opset13

    def convolved(maps: Any, convolution: Convolution) -> Any:
        kernel, bias = convolution.folded
        return operators.add(_convolution(maps, kernel, convolution), _by_channel(bias))

    images = operators.parameter([1, 3, size, size], np.float32)
    pooled: dict[str, Any] = {}
    for block, maps in _through(blocks, images, convolved):
        if block.stage:
            across = operators.constant(np.array([2, 3], np.int64))
            pooled[f"{block.stage}/mean"] = operators.reduce_mean(maps, across, keep_dims=False)
            pooled[f"{block.stage}/max"] = operators.reduce_max(maps, across, keep_dims=False)
            pooled[EMBEDDING] = pooled[f"{block.stage}/mean"]
    results = []
    for name in outputs:
        pooled[name].output(0).add_names({name})
        results.append(operators.result(pooled[name]))
    return openvino().Model(results, [images])


def graph_of_norms(blocks: tuple[Block, ...], size: int) -> Any:
    """The same network; its outputs are the means of what each batch norm takes, (channels,) over images and places."""
    operators = openvino().opset13

    seen = []

    def convolved(maps: Any, convolution: Convolution) -> Any:
        maps = _convolution(maps, convolution.kernel, convolution)
        across = operators.constant(np.array([0, 2, 3], np.int64))
        seen.append(operators.result(operators.reduce_mean(maps, across, keep_dims=False)))
        factor = convolution.scale / convolution.deviation
        maps = operators.multiply(maps, _by_channel(factor))
        return operators.add(maps, _by_channel(convolution.shift - convolution.mean * factor))

    images = operators.parameter([1, 3, size, size], np.float32)
    for _ in _through(blocks, images, convolved):
        pass
    return openvino().Model(seen, [images])


def _through(
    blocks: tuple[Block, ...], images: Any, convolved: Callable[[Any, Convolution], Any]
) -> Iterator[tuple[Block, Any]]:
    """Every block and its map; ``convolved`` makes a convolution with its batch norm."""
    operators = openvino().opset13
    maps = images
    for block in blocks:
        before = maps
        for convolution in block.convolutions:
            maps = convolved(maps, convolution)
            if convolution.clipped:
                maps = operators.clamp(maps, 0.0, 6.0)
        if block.residual:
            maps = operators.add(before, maps)
        yield block, maps


def _convolution(maps: Any, kernel: Float32Array, convolution: Convolution) -> Any:
    operators = openvino().opset13
    step, none, each = [convolution.stride] * 2, [0, 0], [1, 1]
    if convolution.depthwise:  # (groups, out of each, in of each, k, k)
        of_groups = operators.constant(kernel[:, None])
        return operators.group_convolution(maps, of_groups, step, none, none, each, "same_upper")
    return operators.convolution(maps, operators.constant(kernel), step, none, none, each, "same_upper")


def _by_channel(numbers: Float32Array) -> Any:
    operators = openvino().opset13
    return operators.constant(numbers[None, :, None, None])
