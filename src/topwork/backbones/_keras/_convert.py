"""Keras's arrays as ours: which network a file holds, its tensors by timm's names, and how it sees pixels."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np

from topwork._arrays import Float32Array
from topwork.backbones._keras._file import Layers
from topwork.backbones._keras._names import Layer
from topwork.backbones._keras._rows import ROWS, KerasRow
from topwork.errors import BackboneError

Tensors = dict[str, Float32Array]
Values = tuple[float, float, float]

_NUMBERED = re.compile(r"(conv2d|batch_normalization|normalization)(?:_(\d+))?")
_STEPS = 7  # rows and columns of the map that VGG's dense layers read, at 224 pixels
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
_CAFFE = tuple(value / 255 for value in (123.68, 116.779, 103.939))  # its mean as Caffe had it
_PIXELS: dict[str, tuple[Values, Values]] = {
    "caffe": ((_CAFFE[0], _CAFFE[1], _CAFFE[2]), (1 / 255, 1 / 255, 1 / 255)),
    "tf": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "torch": (_MEAN, _STD),
    "own": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


def by_place(layers: Layers) -> Layers:
    """Layers under the names of ``_names``: those that Keras numbers by itself by their place among their kind."""
    found: Layers = {}
    numbered: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for name, arrays in layers.items():
        match = _NUMBERED.fullmatch(name)
        if match is None:
            found[name] = arrays
        else:
            numbered[match[1]].append((int(match[2] or 0), name))
    for kind, members in numbered.items():
        found |= {f"{kind}#{place}": layers[name] for place, (_, name) in enumerate(sorted(members))}
    return found


def recognised(layers: Layers) -> KerasRow | None:
    """The network whose layers these are, told by their names and the last one's width; the largest of several."""
    named = by_place(layers)
    fitting: list[tuple[int, KerasRow]] = []
    for row in ROWS.values():
        own = [layer for layer in row.layers() if not layer.head]
        if all(layer.theirs in named for layer in own) and _width(named[own[-1].theirs]) == row.width:
            fitting.append((len(own), row))
    return max(fitting, key=lambda each: each[0])[1] if fitting else None


def _width(arrays: tuple[Float32Array, ...]) -> int:
    return int(arrays[-1].shape[-1]) if arrays and arrays[-1].ndim else 0


def tensors(layers: Layers, row: KerasRow) -> Tensors:
    """A network's tensors by timm's names.

    Raises:
        BackboneError: Layers are missing, have other shapes, or hold NaN or infinity.
    """
    named = by_place(layers)
    own = list(row.layers())
    _require_layers(named, [layer for layer in own if not layer.head], row)
    found: Tensors = {}
    for layer in own:
        if layer.theirs in named:
            try:
                found |= _translated(layer, named[layer.theirs])
            except ValueError as error:
                shapes = ", ".join(str(each.shape) for each in named[layer.theirs])
                raise BackboneError(
                    f"the layer {layer.theirs} of {row.name} cannot have arrays of the shapes {shapes}: {error}"
                ) from error
    spoilt = [name for name, value in found.items() if not np.isfinite(value).all()]
    if spoilt:
        raise BackboneError(f"{len(spoilt)} tensors contain NaN or infinity, such as {spoilt[0]}")
    if row.mode == "caffe":  # its images have blue first
        first = f"{own[0].ours}.weight"
        found[first] = np.ascontiguousarray(found[first][:, ::-1])
    return found


def _require_layers(named: Layers, own: list[Layer], row: KerasRow) -> None:
    missing = [layer.theirs for layer in own if layer.theirs not in named]
    if not missing:
        return
    other = recognised(named)
    near = difflib.get_close_matches(missing[0], list(named), n=2)
    hint = f"its layers are those of {other.name.removeprefix('keras-')}: --backbone {other.name}" if other else ""
    raise BackboneError(
        f"{len(missing)} of the {len(own)} layers of {row.name} are missing, such as {missing[0]}"
        + (f" (there is {', '.join(near)})" if near and not other else ""),
        hint=hint or "is it the file of another network, or of one with layers of another name?",
    )


def _translated(layer: Layer, arrays: tuple[Float32Array, ...]) -> Tensors:
    if layer.kind == "norm":
        return _norm(layer.ours, arrays)
    if layer.kind == "separable":
        depthwise, pointwise, *rest = arrays
        if rest:
            raise ValueError("a bias, which the network has not")
        return {f"{layer.ours}.conv1.weight": _depthwise(depthwise), f"{layer.ours}.pointwise.weight": _conv(pointwise)}
    kernel, *bias = arrays
    if len(bias) > 1:
        raise ValueError("more than a kernel and a bias")
    weight = _KERNELS[layer.kind](kernel)
    found = {f"{layer.ours}.weight": np.ascontiguousarray(weight)}
    return {**found, **({f"{layer.ours}.bias": bias[0]} if bias else {})}


def _norm(ours: str, arrays: tuple[Float32Array, ...]) -> Tensors:
    """A batch norm; one without a scale has 1."""
    if len(arrays) == 3:
        arrays = (np.ones_like(arrays[0]), *arrays)
    weight, bias, mean, variance = arrays
    if (variance < 0).any():
        raise ValueError("a variance below 0")
    parts = {"weight": weight, "bias": bias, "running_mean": mean, "running_var": variance}
    return {
        **{f"{ours}.{name}": value for name, value in parts.items()},
        f"{ours}.num_batches_tracked": np.zeros((), np.int64),
    }


def _conv(kernel: Float32Array) -> Float32Array:
    """(rows, columns, in, out) as (out, in, rows, columns)."""
    return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))


def _depthwise(kernel: Float32Array) -> Float32Array:
    """(rows, columns, channels, 1) as (channels, 1, rows, columns)."""
    return np.ascontiguousarray(kernel.transpose(2, 3, 0, 1))


def _flat(kernel: Float32Array) -> Float32Array:
    """A dense layer on a map of 7 by 7 places as a convolution that reads all of it."""
    inputs, outputs = kernel.shape
    channels, rest = divmod(inputs, _STEPS**2)
    if rest:
        raise ValueError(f"it reads {inputs} numbers, which are no map of {_STEPS} by {_STEPS} places")
    return _conv(kernel.reshape(_STEPS, _STEPS, channels, outputs))


_KERNELS: dict[str, Callable[[Float32Array], Float32Array]] = {
    "conv": _conv,
    "depthwise": _depthwise,
    "flat": _flat,
    "dense": lambda kernel: kernel.transpose(1, 0),
    "dense-conv": lambda kernel: kernel.transpose(1, 0)[:, :, None, None],
    "conv-dense": lambda kernel: kernel[0, 0].transpose(1, 0),
}


def pixels(layers: Mapping[str, tuple[Float32Array, ...]], row: KerasRow) -> tuple[Values, Values]:
    """Mean and deviation of the pixels that a network expects, on the scale 0 to 1.

    EfficientNet holds them itself. Those that were trained on ImageNet have the deviation where the variance belongs,
    and one more layer that makes up for it.
    """
    plain = _PIXELS[row.mode]
    held = by_place(dict(layers)).get("normalization#0")
    if row.mode != "own" or held is None or len(held) < 2 or any(each.shape != (3,) for each in held[:2]):
        return plain
    mean, variance = (np.asarray(each, np.float64) for each in held[:2])
    std = variance if np.allclose(variance, _STD, atol=1e-4) else np.sqrt(variance)
    return _three(mean), _three(std)


def _three(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Values:
    red, green, blue = (float(each) for each in values)
    return red, green, blue
