"""An order of images of which every beginning is a stratified sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def stratified_order(labels: npt.NDArray[Any], seed: int) -> npt.NDArray[np.intp]:
    """Rows in an order drawn from the seed; of every beginning of it each class has its share.

    Args:
        labels: (N,) class indices.
        seed: Another seed, another order.

    Returns:
        (N,) positions, each once.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    dealt = labels[order]
    rank = np.empty(len(order), np.intp)  # of an image within its class, so that every class gives its share
    for label in np.unique(dealt):
        rows = np.flatnonzero(dealt == label)
        rank[rows] = np.arange(len(rows)) * len(order) // len(rows)
    return order[np.argsort(rank, kind="stable")]
