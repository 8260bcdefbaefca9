"""Layers of a decoder as ONNX nodes: the same graph, for an export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from topwork._arrays import Float32Array
from topwork.exporting import Value
from topwork.tasks.segmentation.decoder._graph import through
from topwork.tasks.segmentation.decoder._head import DecoderHead
from topwork.tasks.segmentation.decoder._layers import Arrays, Layers


def decoder_nodes(head: DecoderHead, maps: Sequence[Value]) -> Value:
    """Logits (batch, K, side, side), from maps (batch, channels, side, side) of the spec's stages."""
    spec = head.spec
    layers = OnnxLayers(head.arrays)
    sized = zip(maps, spec.widths, spec.sides, strict=True)
    found: Value = through(spec, layers, [layers.known(each, width, side) for each, width, side in sized])
    return found


class OnnxLayers(Layers):
    """Channels and side of each map are kept beside it: ONNX values have no shape before they run."""

    def __init__(self, arrays: Arrays) -> None:
        super().__init__(arrays)
        self._shapes: dict[str, tuple[int, int]] = {}

    def known(self, maps: Value, channels: int, side: int) -> Value:
        """The maps, whose shape is known from now on."""
        self._shapes[maps.name] = channels, side
        return maps

    def relu(self, maps: Value) -> Value:
        return self._like(maps, maps.nodes.add("Relu", maps))

    def add(self, first: Value, second: Value) -> Value:
        return self._like(first, first + second)

    def joined(self, maps: Sequence[Value]) -> Value:
        channels = sum(self._shapes[each.name][0] for each in maps)
        found = maps[0].nodes.add("Concat", *maps, axis=1)
        return self.known(found, channels, self._shapes[maps[0].name][1])

    def mean(self, maps: Value) -> Value:
        return self.known(maps.over("ReduceMean", 2, 3), self._shapes[maps.name][0], 1)

    def _like(self, before: Value, after: Value) -> Value:
        return self.known(after, *self._shapes[before.name])

    def _sized(self, maps: Value, side: int, mode: str, where: str) -> Value:
        channels, before = self._shapes[maps.name]
        if before == side:
            return maps
        if mode == "nearest" and side % before == 0:  # the others as matrices: no runtime rounds those its own way
            factors = np.array([1, 1, side // before, side // before], np.float32)
            how: dict[str, Any] = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            found = maps.nodes.add("Resize", maps, np.zeros(0, np.float32), factors, mode="nearest", **how)
        else:
            matrix = enlarging(before, side, mode, where)
            found = maps.nodes.add("MatMul", maps.nodes.constant(matrix), maps) @ np.ascontiguousarray(matrix.T)
        return self.known(found, channels, side)

    def _convolved(self, maps: Value, kernel: Float32Array) -> Value:
        found = maps.nodes.add("Conv", maps, kernel, pads=[kernel.shape[2] // 2] * 4)
        return self.known(found, len(kernel), self._shapes[maps.name][1])

    def _each_convolved(self, maps: Value, kernel: Float32Array, dilation: int) -> Value:
        pads = [dilation * (kernel.shape[2] // 2)] * 4
        found = maps.nodes.add("Conv", maps, kernel, pads=pads, dilations=[dilation] * 2, group=len(kernel))
        return self._like(maps, found)

    def _normed(self, maps: Value, groups: int, epsilon: float) -> Value:
        channels, side = self._shapes[maps.name]
        flat = maps.reshape(0, groups, -1)
        away = flat - flat.over("ReduceMean", 2)
        deviation = maps.nodes.add("Sqrt", (away * away).over("ReduceMean", 2) + np.float32(epsilon))
        return self._like(maps, (away / deviation).reshape(0, channels, side, side))

    def _scaled(self, maps: Value, factors: Float32Array) -> Value:
        return self._like(maps, maps * factors[None, :, None, None])

    def _shifted(self, maps: Value, bias: Float32Array) -> Value:
        return self._like(maps, maps + bias[None, :, None, None])


def enlarging(before: int, after: int, mode: str, where: str) -> Float32Array:
    """(after, before): what each place of a row takes of the places of a shorter or longer one."""
    places = np.arange(after, dtype=np.float64)
    if where == "align_corners":
        steps = places * ((before - 1) / max(1, after - 1))
    else:
        steps = places * before / after if where == "asymmetric" else (places + 0.5) * before / after - 0.5
    steps = np.clip(steps, 0, before - 1)
    low = np.floor(steps).astype(np.intp)
    share = np.zeros(after) if mode == "nearest" else steps - low
    found = np.zeros((after, before))
    np.add.at(found, (np.arange(after), low), 1 - share)
    np.add.at(found, (np.arange(after), np.minimum(low + 1, before - 1)), share)
    return found.astype(np.float32)
