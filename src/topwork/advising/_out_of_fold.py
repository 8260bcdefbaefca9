"""How each way answers training images that it has not learnt from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.advising._rung import Answers
from topwork.features import FeatureTable
from topwork.heads import Head, LinearFit, fit_knn, fit_temperature, row_losses
from topwork.strategies import FitHead, cross_val_probabilities, held_out_losses


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
    found = cross_val_probabilities(fit, train, seed)
    return _answers(found[0], train.dataset.labels, found[1]) if found else None


def knn(train: FeatureTable) -> Head:
    """The head of the nearest neighbours."""
    return fit_knn(train.values, train.dataset.labels, len(train.dataset.classes))


def _answers(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[Any], held: npt.NDArray[np.bool_]) -> Answers:
    logits = np.log(np.maximum(probabilities, 1e-6)).astype(np.float32)
    truth = labels.astype(np.int64)
    temperature = fit_temperature(logits[held], truth[held])
    return Answers(logits.argmax(axis=1) == truth, row_losses(logits / np.float32(temperature), truth), held)
