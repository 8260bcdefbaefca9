"""What heads on maps are made of, in NumPy: maps are (channels, side, side), float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

EPSILON = 1e-5


def conv(maps: Any, kernel: Any, bias: Any = None, *, stride: int = 1, dilation: int = 1) -> Any:
    """A convolution, padded by zeros so that a stride of 1 keeps the side; (channels, 1, k, k) is depthwise."""
    k, side = kernel.shape[2], maps.shape[1]
    pad = dilation * (k // 2)
    around = np.pad(np.asarray(maps, np.float64), ((0, 0), (pad, pad), (pad, pad)))
    depthwise = kernel.shape[1] == 1 and len(maps) > 1
    places = math.ceil(side / stride)
    found = np.zeros((len(kernel), places, places))
    for down in range(k):
        for across in range(k):
            top, left, last = down * dilation, across * dilation, stride * (places - 1) + 1
            part = around[:, top : top + last : stride, left : left + last : stride]
            weight = kernel[:, :, down, across]
            found += part * weight[:, 0, None, None] if depthwise else np.tensordot(weight, part, axes=1)
    return found if bias is None else found + bias[:, None, None]


def norm(maps: Any, t: Mapping[str, Any], name: str) -> Any:
    """A batch norm with its own statistics."""
    weight, bias, mean, variance = (
        t[f"{name}.{each}"][:, None, None] for each in ("weight", "bias", "running_mean", "running_var")
    )
    return (maps - mean) / np.sqrt(variance.astype(np.float64) + EPSILON) * weight + bias


def group_norm(maps: Any, t: Mapping[str, Any], name: str, groups: int) -> Any:
    parted = maps.reshape(groups, -1)
    normed = (parted - parted.mean(1, keepdims=True)) / np.sqrt(parted.var(1, keepdims=True) + EPSILON)
    return normed.reshape(maps.shape) * t[f"{name}.weight"][:, None, None] + t[f"{name}.bias"][:, None, None]


def relu(maps: Any) -> Any:
    return np.maximum(maps, 0)


def nearest(maps: Any, side: int) -> Any:
    places = np.arange(side) * maps.shape[1] // side
    return maps[:, places][:, :, places]


def bilinear(maps: Any, side: int, *, corners: bool = False) -> Any:
    """Between places; ``corners`` lays the outermost places of both on each other."""
    rows = matrix(steps(maps.shape[1], side, corners=corners), maps.shape[1])
    return rows @ maps @ rows.T


def steps(before: int, after: int, *, corners: bool) -> Any:
    """Where the rows of a map of ``after`` rows lie in one of ``before``."""
    if corners:
        return np.arange(after) * ((before - 1) / (after - 1) if after > 1 else 0)
    return (np.arange(after) + 0.5) * before / after - 0.5


def matrix(places: Any, count: int) -> Any:
    """(len(places), count): how much each of ``count`` rows counts at fractional places; the ends go on."""
    at = np.clip(places, 0, count - 1)
    low = np.minimum(np.floor(at).astype(int), max(count - 2, 0))
    found = np.zeros((len(at), count))
    rows = np.arange(len(at))
    found[rows, low] = 1 - (at - low)
    if count > 1:
        found[rows, low + 1] += at - low
    return found


def softmax(logits: Any) -> Any:
    """Over the first axis."""
    raised = np.exp(logits - logits.max(0))
    return raised / raised.sum(0)


def sigmoid(logits: Any) -> Any:
    return 1 / (1 + np.exp(-logits))
