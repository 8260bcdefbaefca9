"""Cross-validation of whatever makes a head of a table of features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from topwork.data import k_folds_or_fewer
from topwork.features import FeatureTable
from topwork.heads import FOLDS, Head

FitHead = Callable[[FeatureTable], Head]


def cross_val_probabilities(
    fit: FitHead, train: FeatureTable, seed: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]] | None:
    """What heads say of the training images that they have not learnt from; groups are never parted.

    Args:
        fit: Makes a head of some of the rows.
        train: The training split.
        seed: Of the folds.

    Returns:
        Probabilities (N, C), and (N,) which rows have them: the only image of a class trains in every fold. None where
        there are too few images to hold any out.
    """
    labels = train.dataset.labels
    folds = k_folds_or_fewer(train.dataset, FOLDS, seed=seed)
    if folds is None:
        return None
    counts = np.bincount(labels, minlength=len(train.dataset.classes))
    held = counts[labels] > 1
    probabilities = np.zeros((len(train), len(train.dataset.classes)), np.float32)
    for fold in np.unique(folds):
        out = folds == fold
        learnt = train.select(~out)
        known = np.isin(labels, learnt.dataset.labels)  # nothing is learnt of a class that is held out whole
        held &= ~out | known
        if len(np.unique(learnt.dataset.labels)) > 1:
            probabilities[out] = fit(learnt).probabilities(train.values[out])
        else:
            held &= ~out
    return (probabilities, held) if held.any() else None
