"""The graph of the head in OpenVINO's own operators: what ``TorchHead`` computes, its norms folded, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from topwork._arrays import Float32Array, IntpArray
from topwork.engines._package import openvino
from topwork.tasks.detection.network._spec import HeadSpec

Arrays = Mapping[str, Float32Array]

_EPSILON = 1e-5  # of torch's batch norm


def head_graph(spec: HeadSpec, arrays: Arrays, batch: int) -> Any:
    """An ``openvino.Model`` from features, float32 (batch, D), to logits, distances and, where asked for, centreness.

    Args:
        spec: What the head is.
        arrays: Its numbers, named as ``TorchHead``'s parameters.
        batch: Images a call.
    """
    ops = openvino().opset13
    features = ops.parameter([batch, spec.n_features], np.float32)
    ends = np.cumsum([width * side**2 for width, side in zip(spec.widths, spec.sides, strict=True)])
    maps = []
    for end, width, side in zip(ends, spec.widths, spec.sides, strict=True):
        cut = [ops.constant(np.array([place], np.int64)) for place in (end - width * side**2, end, 1, 1)]
        shape = ops.constant(np.array([batch, width, side, side], np.int64))
        maps.append(ops.reshape(ops.slice(features, *cut), shape, special_zero=False))
    found = _Head(spec, arrays).predicted(maps)
    return openvino().Model([ops.result(each) for each in found], [features])


class _Head:
    """Makes the operators of one head."""

    def __init__(self, spec: HeadSpec, arrays: Arrays) -> None:
        self._spec, self._arrays = spec, arrays
        self._ops = openvino().opset13

    def predicted(self, maps: list[Any]) -> list[Any]:
        """(batch, P, K) of each kind, (batch, P) of centreness."""
        levels = self._pyramid(maps)
        towers = {name: [self._tower(name, *each) for each in enumerate(levels)] for name in ("classes", "boxes")}
        logits = self._told("logits", towers["classes"], self._spec.n_classes)
        distances = self._ops.softplus(self._told("distances", towers["boxes"], 4))
        if not self._spec.centreness:
            return [logits, distances]
        return [logits, distances, self._told("centreness", towers["boxes"], 1)]

    def _pyramid(self, maps: list[Any]) -> list[Any]:
        """The levels, the finest first."""
        sides, levels = self._spec.sides, list[Any]()
        coarser = None
        for place in reversed(range(len(maps))):
            own = self._normed(maps[place], f"pyramid.inner_blocks.{place}.0", f"pyramid.inner_blocks.{place}.1", 0)
            if coarser is not None:
                own = self._ops.add(own, self._enlarged(coarser, sides[place + 1], sides[place]))
            coarser = own
            name = f"pyramid.layer_blocks.{place}"
            levels.insert(0, self._normed(own, f"{name}.0", f"{name}.1", 1))
        for place in range(self._spec.extra):
            levels.append(self._plain(levels[-1], f"pyramid.extra_blocks.convolutions.{place}", stride=2))
        return levels

    def _enlarged(self, maps: Any, before: int, after: int) -> Any:
        """Each place takes the nearest of the coarser map, as torch does."""
        rows = self._ops.constant(nearest(before, after))
        for axis in (2, 3):
            maps = self._ops.gather(maps, rows, self._ops.constant(axis))
        return maps

    def _tower(self, name: str, place: int, level: Any) -> Any:
        for depth in range(self._spec.depth):
            layer, norm = f"{name}.convolutions.{depth}", f"{name}.norms.{depth}.{place}"
            if self._spec.layers == "separable":
                level = self._depthwise(level, f"{layer}.0")
                level = self._normed(level, f"{layer}.1", norm, 0)
            else:
                level = self._normed(level, layer, norm, 1)
            level = self._ops.relu(level)
        return level

    def _told(self, name: str, levels: list[Any], count: int) -> Any:
        """(batch, P, count) of all levels."""
        shape = self._ops.constant(np.array([0, count, -1], np.int64))
        order = self._ops.constant(np.array([0, 2, 1], np.int64))
        found = [self._ops.reshape(self._plain(level, name), shape, special_zero=True) for level in levels]
        return self._ops.transpose(self._ops.concat(found, 2), order)

    def _normed(self, maps: Any, layer: str, norm: str, padding: int) -> Any:
        """A convolution with its batch norm in it."""
        kernel, bias = folded(self._arrays, layer, norm)
        return self._convolution(maps, kernel, bias, padding)

    def _plain(self, maps: Any, layer: str, stride: int = 1) -> Any:
        kernel, bias = self._arrays[f"{layer}.weight"], self._arrays[f"{layer}.bias"]
        return self._convolution(maps, kernel, bias, kernel.shape[2] // 2, stride)

    def _convolution(self, maps: Any, kernel: Float32Array, bias: Float32Array, padding: int, stride: int = 1) -> Any:
        pads, each = [padding] * 2, [1, 1]
        found = self._ops.convolution(maps, self._ops.constant(kernel), [stride] * 2, pads, pads, each)
        return self._ops.add(found, self._ops.constant(bias[None, :, None, None]))

    def _depthwise(self, maps: Any, layer: str) -> Any:
        kernel = self._arrays[f"{layer}.weight"]
        pads, each = [kernel.shape[2] // 2] * 2, [1, 1]
        return self._ops.group_convolution(maps, self._ops.constant(kernel[:, None]), each, pads, pads, each)


def folded(arrays: Arrays, layer: str, norm: str) -> tuple[Float32Array, Float32Array]:
    """Kernel (out, in, k, k) and bias (out,) of a convolution without a bias and the batch norm behind it."""
    variance = arrays[f"{norm}.running_var"].astype(np.float64)
    factor = arrays[f"{norm}.weight"] / np.sqrt(variance + _EPSILON)
    bias = arrays[f"{norm}.bias"] - arrays[f"{norm}.running_mean"] * factor
    kernel = arrays[f"{layer}.weight"] * factor[:, None, None, None]
    return kernel.astype(np.float32), bias.astype(np.float32)


def nearest(before: int, after: int) -> IntpArray:
    """(after,) which of ``before`` rows each takes."""
    return (np.arange(after) * before // after).astype(np.int64)
