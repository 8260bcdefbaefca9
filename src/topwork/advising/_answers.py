"""How each way answers training images that it has not learnt from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.advising._rung import Answers
from topwork.data import k_folds
from topwork.errors import DataError
from topwork.features import FeatureTable
from topwork.heads import FOLDS, Head, LinearFit, fit_knn, fit_temperature, row_losses
from topwork.strategies import held_out_losses

FitHead = Callable[[FeatureTable], Head]


def of_linear(fitted: LinearFit, train: FeatureTable) -> Answers:
    """A linear head's out-of-fold answers, which its own fit has made."""
    labels = train.dataset.labels.astype(np.int64)
    losses = np.zeros(len(labels))
    losses[fitted.held_out] = held_out_losses(fitted, train)
    return Answers(fitted.oof_logits.argmax(axis=1) == labels, losses, fitted.held_out)


def of_head(head: Head, train: FeatureTable) -> Answers:
    """A head that has learnt from none of them, at the temperature that suits it here."""
    return _answers(head.probabilities(train.values), train.dataset.labels, np.ones(len(train), np.bool_))


def crossed(fit: FitHead, train: FeatureTable, seed: int) -> Answers | None:
    """Cross-validate whatever makes a head of a table; None where there are too few images to hold any out."""
    labels = train.dataset.labels
    folds = _folds(train, seed)
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
    return _answers(probabilities, labels, held) if held.any() else None


def knn(train: FeatureTable) -> Head:
    """The head of the nearest neighbours."""
    return fit_knn(train.values, train.dataset.labels, len(train.dataset.classes))


def _folds(train: FeatureTable, seed: int) -> npt.NDArray[np.int64] | None:
    for count in range(FOLDS, 1, -1):
        try:
            return k_folds(train.dataset, count, seed=seed)
        except DataError:  # fewer images or groups than folds
            continue
    return None


def _answers(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[Any], held: npt.NDArray[np.bool_]) -> Answers:
    logits = np.log(np.maximum(probabilities, 1e-6)).astype(np.float32)
    truth = labels.astype(np.int64)
    temperature = fit_temperature(logits[held], truth[held])
    return Answers(logits.argmax(axis=1) == truth, row_losses(logits / np.float32(temperature), truth), held)
