"""dlib's file of a trained face network, read without dlib: what its ResNet of 29 convolutions computes, in arrays.

Source: King 2017, "High Quality Face Recognition with Deep Metric Learning" (dlib's blog) and the design in dlib's
``dnn_face_recognition_ex.cpp``: He et al. 2015, arXiv 1512.03385, with half the filters of ResNet-34 and fewer layers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from topwork._arrays import Float32Array
from topwork.backbones._torch_file import Arrays
from topwork.errors import BackboneError

LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Channels, residual blocks, and whether the first block halves the side; nearest the pixels first."""

CONVOLUTIONS = 1 + 2 * sum(blocks for _, blocks, _ in LEVELS)
LAST = "last.weight"  # what the pooled map is multiplied by, float32 (256, 128)

_LAYERS = {"con_4": (CONVOLUTIONS, 0), "affine_": (CONVOLUTIONS, 0), "fc_2": (1, 2)}
"""What the file calls the layers that hold numbers, how many there are, and the settings before each one's."""


def dlib_arrays(path: Path) -> Arrays:
    """The network's numbers: for each convolution ``N.weight`` (out, in, k, k), ``N.bias``, ``N.scale``, ``N.shift``.

    Raises:
        BackboneError: It is not that network's file.
    """
    content = path.read_bytes()
    try:
        found = {name: _tensors(content, name, *told) for name, told in _LAYERS.items()}
        return _named(found["con_4"], found["affine_"], found["fc_2"][0])
    except (ValueError, IndexError) as error:
        raise BackboneError(f"{path}: not dlib's face network: {error}") from error


def _named(convolutions: list[Float32Array], affine: list[Float32Array], last: Float32Array) -> Arrays:
    """Numbers of each convolution, its bias behind its kernel, and of the scaling after it."""
    arrays: Arrays = {}
    taken, sizes = 3, [(LEVELS[0][0], 7), *((width, 3) for width, blocks, _ in LEVELS for _ in range(2 * blocks))]
    for place, (width, side) in enumerate(sizes):
        arrays[f"{place}.weight"] = convolutions[place][:-width].reshape(width, taken, side, side)
        arrays[f"{place}.bias"] = convolutions[place][-width:]
        arrays[f"{place}.scale"], arrays[f"{place}.shift"] = affine[place].reshape(2, width)
        taken = width
    return {**arrays, LAST: last.reshape(taken, -1)}


def _tensors(content: bytes, name: str, count: int, settings: int) -> list[Float32Array]:
    """What stands behind each layer of a name: settings, a version, four sizes, and so many float32."""
    sought, found, place = bytes([1, len(name)]) + name.encode(), [], 0
    while (place := content.find(sought, place)) >= 0:
        place += len(sought)
        sizes = []
        for _ in range(settings + 5):
            number, place = _number(content, place)
            sizes.append(number)
        numbers = int(np.prod(sizes[settings + 1 :]))
        found.append(np.frombuffer(content, "<f4", numbers, place))
        place += 4 * numbers
    if len(found) != count or not all(np.isfinite(each).all() for each in found):
        raise ValueError(f"{len(found)} layers {name} where {count} are expected")
    return found


def _number(content: bytes, place: int) -> tuple[int, int]:
    """A whole number, whose first byte says how many follow, and where it ends."""
    end = place + 1 + (content[place] & 0x0F)
    return int.from_bytes(content[place + 1 : end], "little"), end
