"""What probabilities say of objects that were told apart: two that are one, and those that are hardly there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topwork._arrays import AnyArray, Float32Array, Float64Array, Int64Array
from topwork._system import optional

Objects = npt.NDArray[np.int32]


def joined(objects: Objects, border: Float32Array, least: float) -> Objects:
    """Objects with those made one between which no border is seen; numbers have gaps then.

    A watershed from many starts cuts whole objects in pieces. Pieces whose common edge is no border, on average over
    the edge's pixels, are put together again: a region adjacency graph that is cut at a limit.

    Args:
        objects: (H, W), 0 where none is.
        border: (H, W), how probable a border is, of the pixels that are of an object.
        least: From which mean on an edge is a border.
    """
    sparse = optional("scipy.sparse", extra="segmentation", what="telling objects apart")
    first, second, strength = _edges(objects, border)
    if not len(first):
        return objects
    pairs, edges = np.unique(np.stack([first, second]), axis=1, return_inverse=True)
    edges = edges.reshape(-1)
    weak = pairs[:, np.bincount(edges, strength) < least * np.bincount(edges)]
    count = int(objects.max()) + 1
    graph = sparse.coo_matrix((np.ones(weak.shape[1], bool), (weak[0], weak[1])), (count, count))
    _, groups = sparse.csgraph.connected_components(graph, directed=False)
    found: Objects = (groups.astype(np.int32) + 1)[objects]
    found[objects == 0] = 0
    return found


def _edges(objects: Objects, border: Float32Array) -> tuple[Int64Array, Int64Array, Float64Array]:
    """Of each pair of neighbouring pixels in two objects the lower number, the higher one, and the border there."""
    found: list[tuple[AnyArray, ...]] = []
    for axis in (0, 1):
        numbers, values = np.moveaxis(objects, axis, 0), np.moveaxis(border, axis, 0)
        one, other = numbers[:-1], numbers[1:]
        there = (one != other) & (one > 0) & (other > 0)
        one, other = one[there], other[there]
        found.append((np.minimum(one, other), np.maximum(one, other), np.maximum(values[:-1], values[1:])[there]))
    first, second, strength = (np.concatenate(each) for each in zip(*found, strict=True))
    return first.astype(np.int64), second.astype(np.int64), strength.astype(np.float64)


def sureness(objects: Objects, foreground: Float32Array) -> Float64Array:
    """(n + 1,) how probable the pixels of each object are, a mean over them; 0 for what is no object."""
    areas = np.bincount(objects.ravel())
    found: Float64Array = np.bincount(objects.ravel(), foreground.ravel(), len(areas)) / np.maximum(areas, 1)
    found[:1] = 0
    return found


def kept(objects: Objects, which: npt.NDArray[np.bool_]) -> Objects:
    """The objects with these numbers, (n + 1,), numbered anew without gaps."""
    which = which.copy()
    which[:1] = False
    return np.cumsum(which, dtype=np.int32)[objects] * which[objects]
