"""What detectors of faces that come as ONNX files say of a picture: boxes, scores and five points of each face.

Sources: YuNet (Wu, Peng & Yu 2023, and OpenCV's ``face_detect.cpp``, which decodes it); SCRFD (Guo et al. 2021, and
insightface's ``scrfd.py``), whose layout insightface's RetinaFace has too. Both look at a square on grids of 8, 16 and
32 pixels, and give their points in the order that alignment takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork.metrics import overlaps

STRIDES = (8, 16, 32)
"""Pixels from one place of a grid to the next."""

_MOST = 5000  # faces before doubles are left out, as OpenCV has it


class Seen(NamedTuple):
    """Faces in pixels of the square: corners (K, 4), scores (K,) and points (K, 5, 2), the surest first."""

    corners: Float32Array
    scores: Float32Array
    points: Float32Array

    def take(self, rows: object) -> Seen:
        """Some of them."""
        return Seen(*(each[rows] for each in self))  # type: ignore[call-overload]  # as NumPy takes them


@dataclass(frozen=True)
class Layout:
    """How one kind of detector is asked, and how its answers are read.

    Attributes:
        name: What it is called.
        widths: Of the outputs of each grid, sorted.
        shown: Makes of RGB, uint8 (side, side, 3), what it takes, float32 (1, 3, side, side).
        read: Makes faces of one grid's outputs, (P, width) each in the order of ``widths``, of the places (P, 2) of
            that grid, x and y in steps, and of its stride.
        least: Score from which on a face is one.
        overlap: Intersection over union from which on the less sure of two is the same.
    """

    name: str
    widths: tuple[int, ...]
    shown: Callable[[UInt8Array], Float32Array]
    read: Callable[[Sequence[Float32Array], Float32Array, int], Seen]
    least: float
    overlap: float


def told_layout(outputs: Sequence[Float32Array], side: int) -> Layout | None:
    """The layout that has outputs of these shapes for a square of that side; None where none has."""
    grids = _by_grid(outputs)
    if len(grids) != len(STRIDES):
        return None
    of_place = len(grids[0][0]) / (side // STRIDES[0]) ** 2  # anchors
    if any(len(grid[0]) != of_place * (side // stride) ** 2 for grid, stride in zip(grids, STRIDES, strict=True)):
        return None
    widths = {tuple(each.shape[1] for each in grid) for grid in grids}
    found = [each for each in LAYOUTS if widths == {each.widths}]
    return found[0] if found and of_place in (1, 2) else None


def faces(layout: Layout, outputs: Sequence[Float32Array], side: int) -> Seen:
    """What a detector of this layout found in a square of that side, without doubles."""
    parts = []
    for grid, stride in zip(_by_grid(outputs), STRIDES, strict=True):
        steps = np.arange(side // stride, dtype=np.float32)
        places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        part = layout.read(grid, np.repeat(places, len(grid[0]) // len(places), axis=0), stride)
        parts.append(part.take(part.scores >= layout.least))
    found = Seen(*(np.concatenate(each) for each in zip(*parts, strict=True)))
    found = found.take(np.argsort(-found.scores, kind="stable")[:_MOST])
    kept: list[int] = []
    rest = np.flatnonzero(np.isfinite(found.corners).all(axis=1) & np.isfinite(found.points).all(axis=(1, 2)))
    while len(rest):
        kept.append(int(rest[0]))
        shared = overlaps(found.corners[rest[1:]], found.corners[rest[:1]], np.zeros(1, np.bool_))[:, 0]
        rest = rest[1:][shared <= layout.overlap]
    return found.take(np.array(kept, np.intp))


def _by_grid(outputs: Sequence[Float32Array]) -> list[list[Float32Array]]:
    """Outputs (P, width) of each grid, the finest first; in a grid the narrowest first."""
    flat = [each.reshape(-1, each.shape[-1]) for each in outputs if each.ndim in (2, 3)]
    rows = sorted({len(each) for each in flat}, reverse=True)
    return [sorted((each for each in flat if len(each) == count), key=lambda each: each.shape[1]) for count in rows]


def _yunet_shown(square: UInt8Array) -> Float32Array:
    """Blue, green and red from 0 to 255."""
    return np.ascontiguousarray(square[None, :, :, ::-1].transpose(0, 3, 1, 2), np.float32)


def _yunet(grid: Sequence[Float32Array], places: Float32Array, stride: int) -> Seen:
    """How sure it is of a face and of an object, middle and sides of the box, and points, from the grid's places."""
    first, second, box, points = grid
    scores = np.sqrt(first[:, 0].clip(0, 1) * second[:, 0].clip(0, 1))
    with np.errstate(over="ignore", invalid="ignore"):  # what is wild is not finite, and left out
        middle, half = (places + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride / 2
        corners = np.concatenate([middle - half, middle + half], axis=1)
    return Seen(corners, scores, (points.reshape(-1, 5, 2) + places[:, None]) * stride)


def _scrfd_shown(square: UInt8Array) -> Float32Array:
    """Red, green and blue from -1 to 1."""
    return np.ascontiguousarray((square[None].transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128)


def _scrfd(grid: Sequence[Float32Array], places: Float32Array, stride: int) -> Seen:
    """How far a box's edges, and points, lie from the grid's places, in steps."""
    scores, edges, points = grid
    corners = np.concatenate([places - edges[:, :2], places + edges[:, 2:]], axis=1) * stride
    return Seen(corners, scores[:, 0], (places[:, None] + points.reshape(-1, 5, 2)) * stride)


LAYOUTS = (
    Layout("YuNet", (1, 1, 4, 10), _yunet_shown, _yunet, 0.9, 0.3),
    Layout("SCRFD", (1, 4, 10), _scrfd_shown, _scrfd, 0.5, 0.4),
)
"""The layouts that are known."""
