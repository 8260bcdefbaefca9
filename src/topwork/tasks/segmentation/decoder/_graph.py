"""The graph of a decoder in OpenVINO's own operators: what ``TorchDecoder`` computes, without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from topwork.engines._engine import last_line
from topwork.engines._package import openvino
from topwork.errors import ModelError
from topwork.tasks.segmentation.decoder._layers import Arrays, Layers
from topwork.tasks.segmentation.decoder._spec import DecoderSpec, Design

_RATES = (12, 24, 36)  # of DeepLabV3+, see ``_module``
_GROUPS = 32  # of the feature pyramid's norms


def decoder_graph(spec: DecoderSpec, arrays: Arrays, batch: int) -> Any:
    """An ``openvino.Model`` from features, float32 (batch, D), to logits (batch, K, side, side).

    Args:
        spec: What the decoder is.
        arrays: Its numbers, named as ``TorchDecoder``'s parameters.
        batch: Images a call.

    Raises:
        ModelError: An array is missing, left over, misshapen or not as the spec says.
    """
    ops = openvino().opset13
    features = ops.parameter([batch, spec.n_features], np.float32)
    maps, start = [], 0
    for width, side in zip(spec.widths, spec.sides, strict=True):
        end = start + width * side**2
        cut = [ops.constant(np.array([place], np.int64)) for place in (start, end, 1, 1)]
        shape = ops.constant(np.array([batch, width, side, side], np.int64))
        maps.append(ops.reshape(ops.slice(features, *cut), shape, special_zero=False))
        start = end
    logits = decoded(spec, arrays, maps)
    return openvino().Model([ops.result(logits)], [features])


def decoded(spec: DecoderSpec, arrays: Arrays, maps: Sequence[Any]) -> Any:
    """Logits (batch, K, side, side) as a node, from nodes of maps of static shapes.

    Raises:
        ModelError: As ``decoder_graph``.
    """
    layers = Layers(arrays)
    try:
        found = through(spec, layers, maps)
    except RuntimeError as error:  # OpenVINO's own for shapes that do not fit
        raise ModelError(f"a decoder's numbers do not fit each other: {last_line(error)}") from error
    extra = sorted(set(arrays) - layers.used)
    if extra:
        raise ModelError(f"a decoder: {', '.join(extra[:3])} not expected")
    shape, side = list(found.output(0).get_shape())[1:], spec.side
    if shape != [spec.channels, side, side]:
        raise ModelError(f"a decoder for {spec.channels} channels gives {shape[0]}")
    return found


def through(spec: DecoderSpec, layers: Layers, maps: Sequence[Any]) -> Any:
    """The same, unchecked, in whichever operators the layers are."""
    levels = [layers.bilinear(each, side) for each, side in zip(maps, spec.levels, strict=True)]
    return layers.conv(_DESIGNS[spec.design](layers, spec, levels), "head")


def _unet(layers: Layers, spec: DecoderSpec, levels: Sequence[Any]) -> Any:
    maps, skips, sides = levels[-1], levels[-2::-1], [*spec.levels[-2::-1], spec.side]
    for place in range(len(spec.blocks)):
        skip = skips[place : place + 1]
        maps = _block(layers, f"decoder.blocks.{place}", maps, sides[place], skip)
    return maps


def _unet_plus_plus(layers: Layers, spec: DecoderSpec, levels: Sequence[Any]) -> Any:
    """Every node reads the one below it, enlarged, and all of its own level that came before."""
    own, sides = levels[::-1], [*spec.levels[::-1], spec.side]
    depth = len(levels) - 1
    found: dict[tuple[int, int], Any] = {}
    for step in range(depth):
        for first in range(depth - step):
            last = first + step
            below = own[first] if step == 0 else found[first, last - 1]
            before = [found[each, last] for each in range(first + 1, last + 1)]
            name = f"decoder.blocks.x_{first}_{last}"
            found[first, last] = _block(layers, name, below, sides[last + 1], [*before, own[last + 1]])
    return _block(layers, f"decoder.blocks.x_0_{depth}", found[0, depth - 1], sides[depth + 1], [])


def _block(layers: Layers, name: str, maps: Any, side: int, skips: Sequence[Any]) -> Any:
    """Enlarged, put beside what is skipped to it, two convolutions."""
    maps = layers.nearest(maps, side)
    maps = layers.joined([maps, *skips]) if skips else maps
    for each in ("conv1", "conv2"):
        maps = layers.conv(maps, f"{name}.{each}.0", f"{name}.{each}.1", relu=True)
    return maps


def _fpn(layers: Layers, spec: DecoderSpec, levels: Sequence[Any]) -> Any:
    maps, told = layers.conv(levels[-1], "decoder.p5"), list[Any]()
    for place in range(4):
        if place:
            below = layers.nearest(maps, spec.levels[-1 - place])
            maps = layers.add(below, layers.conv(levels[-1 - place], f"decoder.p{5 - place}.skip_conv"))
        enlarged = maps
        for step in range(max(1, 3 - place)):
            name = f"decoder.seg_blocks.{place}.block.{step}.block"
            enlarged = layers.relu(layers.group_norm(layers.conv_bare(enlarged, f"{name}.0"), f"{name}.1", _GROUPS))
            if place < 3:
                enlarged = layers.bilinear(enlarged, spec.levels[-1 - place] * 2 ** (step + 1), corners=True)
        told.append(enlarged)
    found = told[0]
    for each in told[1:]:
        found = layers.add(found, each)
    return found


def _deeplab(layers: Layers, spec: DecoderSpec, levels: Sequence[Any]) -> Any:
    fine, coarse = levels
    side, name = spec.levels[-1], "decoder.aspp.0"
    seen = [layers.conv(coarse, f"{name}.convs.0.0", f"{name}.convs.0.1", relu=True)]
    for place, rate in enumerate(_RATES, start=1):
        each = layers.depthwise(coarse, f"{name}.convs.{place}.0.0", rate)
        seen.append(layers.conv(each, f"{name}.convs.{place}.0.1", f"{name}.convs.{place}.1", relu=True))
    whole = layers.conv(layers.mean(coarse), f"{name}.convs.4.1", f"{name}.convs.4.2", relu=True)
    seen.append(layers.bilinear(whole, side))
    maps = layers.conv(layers.joined(seen), f"{name}.project.0", f"{name}.project.1", relu=True)
    maps = layers.conv(layers.depthwise(maps, "decoder.aspp.1.0"), "decoder.aspp.1.1", "decoder.aspp.2", relu=True)
    maps = layers.bilinear(maps, spec.levels[0], corners=True)
    fine = layers.conv(fine, "decoder.block1.0", "decoder.block1.1", relu=True)
    maps = layers.depthwise(layers.joined([maps, fine]), "decoder.block2.0.0")
    return layers.conv(maps, "decoder.block2.0.1", "decoder.block2.1", relu=True)


def _segformer(layers: Layers, spec: DecoderSpec, levels: Sequence[Any]) -> Any:
    mixed = [layers.linear(each, f"decoder.mlp_stage.{place}.linear") for place, each in enumerate(levels[::-1])]
    told = layers.joined([layers.bilinear(each, spec.side) for each in mixed])
    return layers.conv(told, "decoder.fuse_stage.0", "decoder.fuse_stage.1", relu=True)


_DESIGNS: dict[Design, Callable[[Layers, DecoderSpec, Sequence[Any]], Any]] = {
    "unet": _unet,
    "unet++": _unet_plus_plus,
    "fpn": _fpn,
    "deeplabv3+": _deeplab,
    "segformer": _segformer,
}
