"""The graph of a network that topwork knows block by block, made in OpenVINO's own operators; no torch is needed."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork.backbones import EMBEDDING, Block, Convolution


def graph(blocks: tuple[Block, ...], size: int, outputs: tuple[str, ...]) -> Any:
    """An ``openvino.Model`` from normalised images, float32 (1, 3, size, size), to named outputs, (1, width) each.

    Args:
        blocks: What the network computes (``backbones.blocks_of``); batch norms are folded into the convolutions.
        size: Side of the images in pixels.
        outputs: Names of a stage and how its map is pooled; the network's own pooled features are the last map's mean.
    """
    import openvino
    from openvino import opset13 as operators

    images = operators.parameter([1, 3, size, size], np.float32)
    maps, across = images, operators.constant(np.array([2, 3], np.int64))
    pooled: dict[str, Any] = {}
    for block in blocks:
        before = maps
        for convolution in block.convolutions:
            maps = _convolved(maps, convolution)
        if block.residual:
            maps = operators.add(before, maps)
        if block.stage:
            pooled[f"{block.stage}/mean"] = operators.reduce_mean(maps, across, keep_dims=False)
            pooled[f"{block.stage}/max"] = operators.reduce_max(maps, across, keep_dims=False)
            pooled[EMBEDDING] = pooled[f"{block.stage}/mean"]
    results = []
    for name in outputs:
        pooled[name].output(0).add_names({name})
        results.append(operators.result(pooled[name]))
    return openvino.Model(results, [images])


def _convolved(maps: Any, convolution: Convolution) -> Any:
    from openvino import opset13 as operators

    kernel, bias = convolution.folded
    step, none = [convolution.stride] * 2, [0, 0]
    if convolution.depthwise:
        of_groups = operators.constant(kernel[:, None])  # (groups, out of each, in of each, k, k)
        maps = operators.group_convolution(maps, of_groups, step, none, none, [1, 1], "same_upper")
    else:
        maps = operators.convolution(maps, operators.constant(kernel), step, none, none, [1, 1], "same_upper")
    maps = operators.add(maps, operators.constant(bias[None, :, None, None]))
    return operators.clamp(maps, 0.0, 6.0) if convolution.clipped else maps
