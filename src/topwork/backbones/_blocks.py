"""EfficientNet-Lite block by block: what the default networks compute, from their weights' file alone, without torch.

Source: Tan & Le 2019, "EfficientNet", arXiv 1905.11946; Lite leaves out squeeze-and-excitation and takes ReLU6. A stem,
seven stages of inverted residuals (Sandler et al. 2018, "MobileNetV2", arXiv 1801.04381), a last convolution. Names are
timm's, as are those of a fine-tuned network's file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from topwork._arrays import Float32Array
from topwork.backbones import _weights
from topwork.backbones._backbone import Backbone
from topwork.backbones._detector import DetectorNetwork
from topwork.backbones._faces import is_face
from topwork.backbones._segmenter import TrainedNetwork
from topwork.backbones._torch_file import Arrays

_DEPTHS = {  # blocks of each stage
    "tf_efficientnet_lite0": (1, 2, 2, 3, 3, 4, 1),
    "tf_efficientnet_lite1": (1, 3, 3, 4, 4, 5, 1),
    "tf_efficientnet_lite2": (1, 3, 3, 4, 4, 5, 1),
}
_KERNELS = (3, 3, 5, 3, 5, 5, 3)  # of each stage's depthwise convolutions
_EXPANSION = 6
_EPSILON = 1e-3  # of every batch norm
CLASSES = 1000  # of ImageNet-1k
_NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution and the batch norm after it; padded as TensorFlow does ("same": what is odd goes to the end).

    Attributes:
        kernel: float32 (out, in, k, k), or (channels, 1, k, k) where each channel is convolved by itself.
        scale: float32 (out,), the batch norm's; so is ``shift``.
        mean: float32 (out,), what the convolution gave on the images that the network was trained on.
        deviation: float32 (out,), of the same.
        clipped: Whether ReLU6 follows.
    """

    kernel: Float32Array
    scale: Float32Array
    shift: Float32Array
    mean: Float32Array
    deviation: Float32Array
    stride: int
    depthwise: bool
    clipped: bool

    @property
    def folded(self) -> tuple[Float32Array, Float32Array]:
        """Kernel and bias of the convolution that does both."""
        factor = self.scale.astype(np.float64) / self.deviation
        kernel = self.kernel * factor[:, None, None, None]
        return kernel.astype(np.float32), (self.shift - self.mean * factor).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Block:
    """Convolutions one after another; ``residual`` adds what went in, ``stage`` names the stage that ends here."""

    convolutions: tuple[Convolution, ...]
    residual: bool = False
    stage: str = ""


def blocks_of(backbone: Backbone) -> tuple[Block, ...] | None:
    """What a network computes up to its last map, whose mean is its own pooled features.

    Returns:
        Its blocks, nearest the pixels first; None where only torch knows, as of every other network and random weights.

    Raises:
        BackboneError: The weights are missing, changed, or do not fit the network.
    """
    if not has_blocks(backbone):
        return None
    state = named_arrays(backbone)
    return tuple(
        Block(tuple(_convolution(each, state) for each in block.layers), block.residual, block.stage)
        for block in _design(backbone)
    )


def has_blocks(backbone: Backbone) -> bool:
    """Whether topwork knows this network block by block, and so runs it without torch."""
    return backbone.name in _DEPTHS and backbone.weights.source in ("package", "file")


def named_arrays(backbone: Backbone) -> Arrays:
    """Every tensor of a network by timm's names; imports torch where there are no blocks.

    Raises:
        BackboneError: The weights are missing, changed, or do not fit the network.
    """
    if is_face(backbone):
        return face_arrays(backbone)
    if isinstance(backbone, TrainedNetwork):
        return backbone.arrays()
    if not has_blocks(backbone):
        inside = "network." if isinstance(backbone, DetectorNetwork) else ""
        return {name.removeprefix(inside): value.numpy() for name, value in backbone.module().state_dict().items()}
    state = _weights.read_arrays(backbone.weights)
    own = _shapes(backbone)
    if backbone.weights.source == "package" and len(own) == len(state):  # names of their own, in timm's order
        state = dict(zip(own, state.values(), strict=True))
    _weights.require_fit(own, {name: value.shape for name, value in state.items()}, ("classifier.",))
    return state


def face_arrays(backbone: Backbone) -> Arrays:
    """The numbers of a network of faces, or its ONNX file's bytes as ``onnx``.

    Raises:
        BackboneError: The weights are missing or changed.
    """
    return _weights.read_arrays(backbone.weights)


class _Layer(NamedTuple):
    """A convolution without its numbers, and the names of both."""

    name: str
    norm: str
    shape: tuple[int, int, int, int]
    stride: int
    clipped: bool


class _Plan(NamedTuple):
    """A block without its numbers."""

    layers: tuple[_Layer, ...]
    residual: bool
    stage: str


def _design(backbone: Backbone) -> Iterator[_Plan]:
    """The blocks without their numbers; widths and strides of the stages are the catalogue's."""
    stem, *groups, last = backbone.stages
    yield _single(_Layer("conv_stem", stem.name, (stem.channels, 3, 3, 3), stem.stride, True))
    before = stem
    for stage, depth, kernel in zip(groups, _DEPTHS[backbone.name], _KERNELS, strict=True):
        for index in range(depth):
            first = index == 0
            taken, stride = (before.channels, stage.stride // before.stride) if first else (stage.channels, 1)
            layers = _inverted(f"{stage.name}.{index}", taken, stage.channels, kernel, stride, expands=before != stem)
            yield _Plan(layers, not first, stage.name if index == depth - 1 else "")
        before = stage
    yield _single(_Layer("conv_head", last.name, (last.channels, before.channels, 1, 1), 1, True))


def _single(layer: _Layer) -> _Plan:
    return _Plan((layer,), residual=False, stage=layer.norm)


def _inverted(name: str, taken: int, given: int, kernel: int, stride: int, *, expands: bool) -> tuple[_Layer, ...]:
    """An inverted residual: widen, convolve each channel by itself, narrow; the first stage's do not widen."""
    inner = taken * _EXPANSION if expands else taken
    steps = [
        ("conv_dw", (inner, 1, kernel, kernel), stride),
        ("conv_pwl" if expands else "conv_pw", (given, inner, 1, 1), 1),
    ]
    if expands:
        steps.insert(0, ("conv_pw", (inner, taken, 1, 1), 1))
    return tuple(
        _Layer(f"{name}.{conv}", f"{name}.bn{place}", shape, step, place < len(steps))
        for place, (conv, shape, step) in enumerate(steps, start=1)
    )


def _shapes(backbone: Backbone) -> dict[str, tuple[int, ...]]:
    """Every tensor of the network in timm's order."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in (layer for plan in _design(backbone) for layer in plan.layers):
        shapes[f"{layer.name}.weight"] = layer.shape
        shapes |= {f"{layer.norm}.{name}": layer.shape[:1] for name in _NORM}
        shapes[f"{layer.norm}.num_batches_tracked"] = ()
    return {**shapes, "classifier.weight": (CLASSES, backbone.embedding), "classifier.bias": (CLASSES,)}


def _convolution(layer: _Layer, state: Arrays) -> Convolution:
    names = (f"{layer.name}.weight", *(f"{layer.norm}.{name}" for name in _NORM))
    kernel, scale, shift, mean, variance = (state[name].astype(np.float32, copy=False) for name in names)
    deviation = np.sqrt(variance + np.float32(_EPSILON))
    return Convolution(kernel, scale, shift, mean, deviation, layer.stride, layer.shape[1] == 1, layer.clipped)
