"""Whether the outlines lie where they should: boundary pixels of one mask that are near those of another."""

from __future__ import annotations

import math

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Int64Array

from ._bands import bands

Places = tuple[AnyArray, ...]


def boundary_counts(there: AnyArray, said: AnyArray, n_classes: int, tolerance: float) -> Int64Array:
    """(C, 4): boundary pixels that were said, those near a true one, true ones, those near one that was said.

    A boundary pixel of a class has one of its four neighbours in another class. The image's edge and pixels of which
    nothing is told (below 0) are no boundary: nobody drew it there.

    Source: Csurka et al. 2013, "What is a good evaluation measure for semantic segmentation?".

    Args:
        there: (H, W) true labels, below 0 where nothing is told.
        said: (H, W) labels; of no matter where nothing is told.
        n_classes: C.
        tolerance: How near is near, in pixels between their centres.
    """
    counts = np.zeros((n_classes, 4), np.int64)
    around = int(tolerance) + 1  # rows: how far a boundary is looked for, and the neighbours of its last one
    height = len(there)
    for rows in bands(there.shape, least=2 * around):
        top = max(0, rows.start - around)
        seen = slice(top, min(height, rows.stop + around))
        own = slice(rows.start - top, rows.stop - top)
        known = there[seen]
        counts += _of_band(known, np.where(known >= 0, said[seen], -1), own, n_classes, tolerance)
    return counts


def _of_band(there: AnyArray, said: AnyArray, own: slice, n_classes: int, tolerance: float) -> Int64Array:
    """The same of the boundary pixels in some of these rows; the others are only near them."""
    counts = np.zeros((n_classes, 4), np.int64)
    edges = boundary(there), boundary(said)
    labels = [labels[edge] for labels, edge in zip((there, said), edges, strict=True)]
    places = [np.nonzero(edge) for edge in edges]
    for each in np.union1d(*labels).tolist():
        true, found = (
            (rows[own_class == each], columns[own_class == each])
            for (rows, columns), own_class in zip(places, labels, strict=True)
        )
        inner_true, inner_found = (_within(all_of, own) for all_of in (true, found))
        near = [_near(*pair, there.shape, tolerance) for pair in ((inner_found, true), (inner_true, found))]
        counts[each] = len(inner_found[0]), near[0], len(inner_true[0]), near[1]
    return counts


def _within(places: Places, rows: slice) -> Places:
    inside = (places[0] >= rows.start) & (places[0] < rows.stop)
    return places[0][inside], places[1][inside]


def boundary(labels: AnyArray) -> BoolArray:
    """(H, W), labelled pixels with a neighbour above, below, left or right that has another label."""
    edge = np.zeros(labels.shape, bool)
    for first, second in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        apart = (labels[first] != labels[second]) & (labels[first] >= 0) & (labels[second] >= 0)
        edge[first] |= apart
        edge[second] |= apart
    return edge


def _near(own: Places, others: Places, shape: tuple[int, ...], tolerance: float) -> int:
    """How many of the places have one of the others within the tolerance.

    The distance to the nearest one in the same column is found for all pixels at once; then only the columns within the
    tolerance are asked, at the places alone. So the cost grows with the outline, not with the area times the tolerance.
    """
    if not len(own[0]) or not len(others[0]):
        return 0
    reach = int(tolerance)
    gaps = np.pad(_column_gaps(others, shape), ((0, 0), (reach, reach)), constant_values=shape[0] + shape[1])
    found = np.zeros(len(own[0]), bool)
    for step in range(-reach, reach + 1):
        found |= gaps[own[0], own[1] + reach + step] <= math.sqrt(tolerance**2 - step**2)
    return int(found.sum())


def _column_gaps(places: Places, shape: tuple[int, ...]) -> AnyArray:
    """int32 (H, W), how far the nearest of the places in the same column is; more than any image where none is."""
    far = shape[0] + shape[1]
    rows = np.arange(shape[0], dtype=np.int32)[:, None]
    above, below = np.full(shape, -far, np.int32), np.full(shape, 2 * far, np.int32)
    above[places] = below[places] = places[0]
    np.maximum.accumulate(above, axis=0, out=above)
    below = np.minimum.accumulate(below[::-1], axis=0)[::-1]
    nearest: AnyArray = np.minimum(rows - above, below - rows)
    return nearest
