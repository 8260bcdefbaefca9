"""What heads say of images that they have not learnt from: predictions, and how good each one is.

Comparisons, thresholds and the alarm for strange images all rest on these.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from topwork.advising._comparison import held_out_losses
from topwork.advising._learning_curve import Doubles
from topwork.backbones import NGRAMS
from topwork.data import k_folds, k_folds_or_fewer
from topwork.errors import DataError
from topwork.features import FeatureTable
from topwork.heads import (
    FOLDS,
    Head,
    LinearFit,
    Novelty,
    equal_blocks,
    fit_knn,
    fit_novelty,
    fit_temperature,
    row_losses,
)
from topwork.metrics import softmax

Origin = Literal["cross-validation", "validation", "training"]

_MOST = 2000  # images that the alarm is fitted on: 32 directions need no more
_FEWEST = 19  # references with which one image in twenty can be told


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Predictions of the head that is kept, on images that it was not trained on.

    Attributes:
        source: ``cross-validation``: out of fold, by heads like it. ``validation``: it has not seen them, but they told
            when to stop and which model to keep. ``training``: nothing but a temperature was fitted on them.
        rows: (n,) rows of the strategy's table.
        probabilities: (n, C).
    """

    source: Origin
    rows: npt.NDArray[np.intp]
    probabilities: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.probabilities):
            raise ValueError(f"{len(self.rows)} rows, but probabilities {self.probabilities.shape}")


def from_logits(source: Origin, rows: npt.NDArray[np.intp], logits: npt.NDArray[np.float32]) -> OutOfFold | None:
    """The answers behind logits (n, C) at the head's temperature; None where there are no rows."""
    if not len(rows):
        return None
    return OutOfFold(source, rows, softmax(logits).astype(np.float32))


def training_rows(table: FeatureTable) -> npt.NDArray[np.intp]:
    """Rows of the split ``train``."""
    return np.flatnonzero(np.asarray(table.dataset.splits) == "train")


def novelty_of(table: FeatureTable, out_of_fold: OutOfFold | None, seed: int) -> Novelty | None:
    """What tells images that are unlike the training images; None where these are too few.

    Features of images that trained the network itself lie closer together than those of others, so after fine-tuning
    the validation images are what new ones are compared with. Scores of n-grams tell nothing: a training text has them
    from a table that was not fitted on it, a new one from one fitted on more, whose scores are larger.

    Args:
        table: Features of the training images, in the columns that the head reads, and perhaps of others.
        out_of_fold: What the head says of images that it has not learnt from.
        seed: Of the folds, and of the sample where there are very many images.
    """
    if table.outputs == (NGRAMS,):
        return None
    rows = training_rows(table)
    if out_of_fold is not None and out_of_fold.source == "validation":
        rows = np.union1d(rows, out_of_fold.rows)
    if len(rows) > _MOST:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST, replace=False))
    part = table.select(rows)
    fold_of = np.full(len(rows), -1)
    if out_of_fold is not None and out_of_fold.source == "validation":
        fold_of = np.where(np.isin(rows, out_of_fold.rows), 0, -1)
    else:
        with contextlib.suppress(DataError):  # fewer images or groups than folds
            fold_of = k_folds(part.dataset, FOLDS, seed=seed)
    if (fold_of >= 0).sum() < _FEWEST:
        return None
    return fit_novelty(part.values, fold_of, column_weights=equal_blocks(part.widths), seed=seed)


@dataclass(frozen=True, eq=False)
class Scores:
    """How one way answered the training images, each image judged by a head that had not learnt from it.

    Attributes:
        hits: bool (N,), whether the right class came first.
        losses: float (N,), log loss in nats.
        held: bool (N,); False where an image trained every head (the only one of its class), so that it says nothing.
        trained: Whether a head was trained at all.
    """

    hits: npt.NDArray[np.bool_]
    losses: Doubles
    held: npt.NDArray[np.bool_]
    trained: bool = True

    @property
    def accuracy(self) -> float:
        """Share of the images that were judged; NaN where there are none."""
        return float(self.hits[self.held].mean()) if self.held.any() else float("nan")

    @property
    def log_loss(self) -> float:
        """Mean over the images that were judged; NaN where there are none."""
        return float(self.losses[self.held].mean()) if self.held.any() else float("nan")


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


def scores_of_linear(fitted: LinearFit, train: FeatureTable) -> Scores:
    """A linear head's out-of-fold answers, which its own fit has made."""
    labels = train.dataset.labels.astype(np.int64)
    losses = np.zeros(len(labels))
    losses[fitted.held_out] = held_out_losses(fitted, train)
    return Scores(fitted.oof_logits.argmax(axis=1) == labels, losses, fitted.held_out)


def scores_of_head(head: Head, train: FeatureTable) -> Scores:
    """A head that has learnt from none of them, at the temperature that suits it here."""
    return _scores(head.probabilities(train.values), train.dataset.labels, np.ones(len(train), np.bool_))


def cross_val_scores(fit: FitHead, train: FeatureTable, seed: int) -> Scores | None:
    """Cross-validate whatever makes a head of a table; None where there are too few images to hold any out."""
    found = cross_val_probabilities(fit, train, seed)
    return _scores(found[0], train.dataset.labels, found[1]) if found else None


def knn(train: FeatureTable) -> Head:
    """The head of the nearest neighbours."""
    return fit_knn(train.values, train.dataset.labels, len(train.dataset.classes))


def _scores(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[Any], held: npt.NDArray[np.bool_]) -> Scores:
    logits = np.log(np.maximum(probabilities, 1e-6)).astype(np.float32)
    truth = labels.astype(np.int64)
    temperature = fit_temperature(logits[held], truth[held])
    return Scores(logits.argmax(axis=1) == truth, row_losses(logits / np.float32(temperature), truth), held)
