"""The graph of the head, in a runtime's operators: what ``TorchHead`` computes, its norms folded, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

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
    made = openvino().opset13
    features = made.parameter([batch, spec.n_features], np.float32)
    found = predicted(spec, arrays, features, _OpenVINO(batch))
    return openvino().Model([made.result(each) for each in found], [features])


class Operators(Protocol):
    """What a head is made of, in a graph of some runtime; numbers are NumPy's."""

    def cut(self, features: Any, start: int, width: int, side: int) -> Any:
        """Columns of features (batch, D) as a map (batch, width, side, side)."""

    def convolution(
        self, maps: Any, kernel: Float32Array, bias: Float32Array | None, stride: int = 1, *, depthwise: bool = False
    ) -> Any:
        """Padded so that a stride of 1 keeps the side; the kernel is (out, in, k, k), in 1 where it is depthwise."""

    def picked(self, maps: Any, places: IntpArray, axis: int) -> Any:
        """Along an axis, what is at these places."""

    def add(self, one: Any, other: Any) -> Any:
        """The sum of two maps."""

    def relu(self, maps: Any) -> Any:
        """What is above 0."""

    def softplus(self, numbers: Any) -> Any:
        """log(1 + exp(numbers))."""

    def by_place(self, levels: list[Any], count: int) -> Any:
        """Maps (batch, count, side, side), one after another, as (batch, P, count)."""


def predicted(spec: HeadSpec, arrays: Arrays, features: Any, operators: Operators) -> list[Any]:
    """Logits (batch, P, C), distances (batch, P, 4) and, where asked for, centreness (batch, P, 1) of features."""
    maps, start = [], 0
    for width, side in zip(spec.widths, spec.sides, strict=True):
        maps.append(operators.cut(features, start, width, side))
        start += width * side**2
    return _Head(spec, arrays, operators).predicted(maps)


class _Head:
    """Makes the operators of one head."""

    def __init__(self, spec: HeadSpec, arrays: Arrays, operators: Operators) -> None:
        self._spec, self._arrays, self._ops = spec, arrays, operators

    def predicted(self, maps: list[Any]) -> list[Any]:
        """(batch, P, K) of each kind."""
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
            own = self._normed(maps[place], f"pyramid.inner_blocks.{place}.0", f"pyramid.inner_blocks.{place}.1")
            if coarser is not None:
                own = self._ops.add(own, self._enlarged(coarser, sides[place + 1], sides[place]))
            coarser = own
            name = f"pyramid.layer_blocks.{place}"
            levels.insert(0, self._normed(own, f"{name}.0", f"{name}.1"))
        for place in range(self._spec.extra):
            levels.append(self._plain(levels[-1], f"pyramid.extra_blocks.convolutions.{place}", stride=2))
        return levels

    def _enlarged(self, maps: Any, before: int, after: int) -> Any:
        """Each place takes the nearest of the coarser map, as torch does."""
        for axis in (2, 3):
            maps = self._ops.picked(maps, nearest(before, after), axis)
        return maps

    def _tower(self, name: str, place: int, level: Any) -> Any:
        for depth in range(self._spec.depth):
            layer, norm = f"{name}.convolutions.{depth}", f"{name}.norms.{depth}.{place}"
            if self._spec.layers == "separable":
                level = self._ops.convolution(level, self._arrays[f"{layer}.0.weight"], None, depthwise=True)
                level = self._normed(level, f"{layer}.1", norm)
            else:
                level = self._normed(level, layer, norm)
            level = self._ops.relu(level)
        return level

    def _told(self, name: str, levels: list[Any], count: int) -> Any:
        """(batch, P, count) of all levels."""
        return self._ops.by_place([self._plain(level, name) for level in levels], count)

    def _normed(self, maps: Any, layer: str, norm: str) -> Any:
        """A convolution with its batch norm in it."""
        return self._ops.convolution(maps, *folded(self._arrays, layer, norm))

    def _plain(self, maps: Any, layer: str, stride: int = 1) -> Any:
        return self._ops.convolution(maps, self._arrays[f"{layer}.weight"], self._arrays[f"{layer}.bias"], stride)


class _OpenVINO:
    """OpenVINO's operators, for a fixed number of images a call."""

    def __init__(self, batch: int) -> None:
        self._batch, self._ops = batch, openvino().opset13

    def cut(self, features: Any, start: int, width: int, side: int) -> Any:
        where = (start, start + width * side**2, 1, 1)
        cut = [self._ops.constant(np.array([place], np.int64)) for place in where]
        shape = self._ops.constant(np.array([self._batch, width, side, side], np.int64))
        return self._ops.reshape(self._ops.slice(features, *cut), shape, special_zero=False)

    def convolution(
        self, maps: Any, kernel: Float32Array, bias: Float32Array | None, stride: int = 1, *, depthwise: bool = False
    ) -> Any:
        pads, strides, each = [kernel.shape[2] // 2] * 2, [stride] * 2, [1, 1]
        weights = self._ops.constant(kernel[:, None] if depthwise else kernel)
        convolve = self._ops.group_convolution if depthwise else self._ops.convolution
        found = convolve(maps, weights, strides, pads, pads, each)
        return found if bias is None else self._ops.add(found, self._ops.constant(bias[None, :, None, None]))

    def picked(self, maps: Any, places: IntpArray, axis: int) -> Any:
        return self._ops.gather(maps, self._ops.constant(places), self._ops.constant(axis))

    def add(self, one: Any, other: Any) -> Any:
        return self._ops.add(one, other)

    def relu(self, maps: Any) -> Any:
        return self._ops.relu(maps)

    def softplus(self, numbers: Any) -> Any:
        return self._ops.softplus(numbers)

    def by_place(self, levels: list[Any], count: int) -> Any:
        shape = self._ops.constant(np.array([0, count, -1], np.int64))
        order = self._ops.constant(np.array([0, 2, 1], np.int64))
        found = [self._ops.reshape(level, shape, special_zero=True) for level in levels]
        return self._ops.transpose(self._ops.concat(found, 2), order)


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
