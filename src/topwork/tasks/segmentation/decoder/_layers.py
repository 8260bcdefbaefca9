"""Layers of a decoder as OpenVINO's own operators, by the names that their numbers have in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from topwork._arrays import Float32Array
from topwork.engines._package import openvino
from topwork.errors import ModelError

Arrays = Mapping[str, Float32Array]

_EPSILON = 1e-5  # of torch's batch and group norms


class Layers:
    """Makes operators out of named numbers, and knows which of them it has used.

    What ends in another runtime's operators has its own of the methods that take maps and arrays (``OnnxLayers``).
    """

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self._ops = openvino().opset13
        self.used: set[str] = set()

    def conv_bare(self, maps: Any, layer: str) -> Any:
        """A convolution that keeps the side, without a bias."""
        return self._convolved(maps, self._take(f"{layer}.weight", 4))

    def conv(self, maps: Any, layer: str, norm: str = "", *, relu: bool = False) -> Any:
        """A convolution that keeps the side, its bias or the batch norm behind it folded in."""
        kernel = self._take(f"{layer}.weight", 4)
        bias = self._take(f"{layer}.bias", 1) if not norm else None
        if norm:
            scale, shift, mean, variance = (
                self._take(f"{norm}.{name}", 1) for name in ("weight", "bias", "running_mean", "running_var")
            )
            if (variance < 0).any():
                raise ModelError(f"{norm}.running_var: a variance is negative")
            if not len(kernel) == len(scale) == len(shift) == len(mean) == len(variance):
                raise ModelError(f"{norm}: its numbers are not as many as {layer} gives")
            factor = scale / np.sqrt(variance.astype(np.float64) + _EPSILON)
            kernel = (kernel * factor[:, None, None, None]).astype(np.float32)
            bias = (shift - mean * factor).astype(np.float32)
        found = self._convolved(maps, kernel)
        if bias is not None:
            found = self._shifted(found, bias)
        return self.relu(found) if relu else found

    def depthwise(self, maps: Any, layer: str, dilation: int = 1) -> Any:
        """A convolution of each channel by itself, without a bias."""
        return self._each_convolved(maps, self._take(f"{layer}.weight", 4), dilation)

    def linear(self, maps: Any, layer: str) -> Any:
        """The same matrix at every place."""
        kernel, bias = self._take(f"{layer}.weight", 2), self._take(f"{layer}.bias", 1)
        return self._shifted(self._convolved(maps, kernel[:, :, None, None]), bias)

    def group_norm(self, maps: Any, layer: str, groups: int) -> Any:
        """As torch's; in operators of its own, since a compiler may have none for it."""
        scale, shift = (self._take(f"{layer}.{name}", 1) for name in ("weight", "bias"))
        return self._shifted(self._scaled(self._normed(maps, groups, _EPSILON), scale), shift)

    def _normed(self, maps: Any, groups: int, epsilon: float) -> Any:
        """Each group of channels of one image with mean 0 and deviation 1."""
        shape = self._ops.constant(np.array(list(maps.output(0).get_shape()), np.int64))
        parted = self._ops.constant(np.array([0, groups, -1], np.int64))
        flat = self._ops.reshape(maps, parted, special_zero=True)
        last = self._ops.constant(np.array([2], np.int64))
        normed = self._ops.mvn(flat, last, True, epsilon, "inside_sqrt")
        return self._ops.reshape(normed, shape, special_zero=False)

    def _scaled(self, maps: Any, factors: Float32Array) -> Any:
        """Each channel times its factor."""
        return self._ops.multiply(maps, self._ops.constant(factors[None, :, None, None]))

    def _shifted(self, maps: Any, bias: Float32Array) -> Any:
        """Each channel and its bias."""
        return self._ops.add(maps, self._ops.constant(bias[None, :, None, None]))

    def relu(self, maps: Any) -> Any:
        """Nothing below 0."""
        return self._ops.relu(maps)

    def add(self, first: Any, second: Any) -> Any:
        """The sum of two maps."""
        return self._ops.add(first, second)

    def joined(self, maps: Sequence[Any]) -> Any:
        """Channels one after another."""
        return self._ops.concat(list(maps), 1)

    def mean(self, maps: Any) -> Any:
        """(n, channels, 1, 1), over all places."""
        return self._ops.reduce_mean(maps, self._ops.constant(np.array([2, 3], np.int64)), keep_dims=True)

    def nearest(self, maps: Any, side: int) -> Any:
        """Each place takes the nearest, as torch's ``nearest`` does."""
        return self._sized(maps, side, "nearest", "asymmetric")

    def bilinear(self, maps: Any, side: int, *, corners: bool = False) -> Any:
        """Between the nearest four; ``corners`` is torch's ``align_corners``."""
        return self._sized(maps, side, "linear_onnx", "align_corners" if corners else "half_pixel")

    def _sized(self, maps: Any, side: int, mode: str, where: str) -> Any:
        if list(maps.output(0).get_shape()[2:]) == [side, side]:
            return maps
        sizes, axes = (self._ops.constant(np.array(each, np.int64)) for each in ([side, side], [2, 3]))
        return self._ops.interpolate(
            maps, sizes, mode, "sizes", coordinate_transformation_mode=where, nearest_mode="floor", axes=axes
        )

    def _convolved(self, maps: Any, kernel: Float32Array) -> Any:
        pads, each = [kernel.shape[2] // 2] * 2, [1, 1]
        return self._ops.convolution(maps, self._ops.constant(kernel), each, pads, pads, each)

    def _each_convolved(self, maps: Any, kernel: Float32Array, dilation: int) -> Any:
        pads, each = [dilation * (kernel.shape[2] // 2)] * 2, [1, 1]
        of_groups = self._ops.constant(kernel[:, None])
        return self._ops.group_convolution(maps, of_groups, each, pads, pads, [dilation] * 2)

    def _take(self, name: str, axes: int) -> Float32Array:
        if name not in self._arrays:
            raise ModelError(f"a decoder: {name} is missing")
        self.used.add(name)
        array = self._arrays[name]
        if array.dtype != np.float32 or array.ndim != axes or not array.size:
            raise ModelError(f"{name}: expected float32 with {axes} axes, got {array.dtype} {array.shape}")
        return array
