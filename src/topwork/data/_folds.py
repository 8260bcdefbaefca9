"""Deals a data set into folds, for cross-validation: the same ones on every machine, in any order of the files."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topwork.data._blocks import blocks
from topwork.data._dataset import Dataset
from topwork.errors import DataError


def k_folds(dataset: Dataset, k: int = 5, *, seed: int = 0) -> npt.NDArray[np.int64]:
    """Give every row the fold, 0 to ``k - 1``, in which it is held out.

    Stratified: where nothing has to stay together, the folds' images of a class differ by one at most. Groups stay
    whole (:func:`grouped` makes some of near duplicates); the largest are dealt first, each to the fold that has the
    least of its classes, as scikit-learn's ``StratifiedGroupKFold`` does, and what is left evens the folds out. Which
    row goes where is a pure function of the seed, the paths, the groups and the classes.

    Args:
        dataset: N rows; their splits do not matter.
        k: How many folds, at least 2.
        seed: Another seed, other folds.

    Returns:
        Shape ``(N,)``, int64.

    Raises:
        DataError: ``k`` is below 2, or there is not one block of rows for each fold.
    """
    if k < 2:
        raise DataError(f"k must be at least 2, not {k}")
    dealt = sorted(blocks(dataset, seed), key=len, reverse=True)  # stable: equal ones keep their order
    if len(dealt) < k:
        raise DataError(
            f"{len(dealt)} images or groups of images that stay together cannot fill {k} folds", hint="lower k"
        )
    totals: list[int] = np.maximum(np.bincount(dataset.strata()), 1).tolist()
    labels: list[int] = dataset.strata().tolist()
    counts = [[0] * len(totals) for _ in range(k)]
    sizes = [0] * k
    folds = np.zeros(len(dataset), dtype=np.int64)
    for rows in dealt:
        given = [labels[row] for row in rows.tolist()]
        load = [
            (sum(count[label] / totals[label] for label in given), sizes[fold]) for fold, count in enumerate(counts)
        ]
        fold = min(range(k), key=load.__getitem__)
        folds[rows] = fold
        sizes[fold] += len(given)
        for label in given:
            counts[fold][label] += 1
    return folds


def k_folds_or_fewer(dataset: Dataset, k: int = 5, *, seed: int = 0) -> npt.NDArray[np.int64] | None:
    """Deal the rows into ``k`` folds, or into as many as there are blocks of rows to fill them; see :func:`k_folds`.

    Args:
        dataset: N rows; their splits do not matter.
        k: How many folds at most, at least 2.
        seed: Another seed, other folds.

    Returns:
        Shape ``(N,)``, int64; None where there is only one block, so that nothing can be held out.
    """
    most = min(k, len(blocks(dataset, seed)))
    return k_folds(dataset, most, seed=seed) if most > 1 else None
