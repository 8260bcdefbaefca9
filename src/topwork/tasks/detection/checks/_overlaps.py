"""Boxes of one image that are nearly the same, found without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from topwork.data import BoxDataset
from topwork.tasks.detection.checks._cases import Doubles, Places


def nearly_equal(dataset: BoxDataset, least: float) -> tuple[Places, Doubles]:
    """Pairs of boxes of an image whose intersection over union is at least so much.

    Two boxes that overlap so far begin nearly at the same place: boxes are sorted by where they begin, and each is
    compared with those behind it as long as they begin near enough. So 10,000 boxes in one image take no second.

    Returns:
        (P, 2), boxes of the data set, the earlier one first; (P,), their intersection over union.
    """
    rows, corners = dataset.rows_of_boxes, dataset.corners.astype(np.float64)
    order = np.lexsort((corners[:, 0], rows))
    rows, corners = rows[order], corners[order]
    reach = corners[:, 0] + (corners[:, 2] - corners[:, 0]) * (1 - least) / least
    found = list(_shifted(rows, corners, reach, least))
    if not found:
        return np.zeros((0, 2), np.intp), np.zeros(0)
    pairs = np.sort(order[np.concatenate([pair for pair, _ in found])], axis=1)
    by_box = np.lexsort(pairs.T[::-1])
    return pairs[by_box], np.concatenate([overlap for _, overlap in found])[by_box]


def _shifted(rows: Places, corners: Doubles, reach: Doubles, least: float) -> Iterator[tuple[Places, Doubles]]:
    here = np.arange(len(rows) - 1)
    shift = 1
    while len(here := here[here + shift < len(rows)]):
        there = here + shift
        near = (rows[here] == rows[there]) & (corners[there, 0] <= reach[here])
        here, there = here[near], there[near]
        overlaps = intersection_over_union(corners[here], corners[there])
        alike = overlaps >= least
        if alike.any():
            yield np.stack([here[alike], there[alike]], axis=1), overlaps[alike]
        shift += 1


def intersection_over_union(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> Doubles:
    """(P,) of P pairs of boxes that have an area; both broadcast over all but their last axis, of corners."""
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    shared = np.maximum(np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2]), 0)
    inside = shared.prod(axis=-1)
    areas = (one[..., 2:] - one[..., :2]).prod(axis=-1) + (other[..., 2:] - other[..., :2]).prod(axis=-1)
    return np.asarray(inside / np.maximum(areas - inside, 1e-12))
