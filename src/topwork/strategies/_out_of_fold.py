"""What a head says of images that it has not learnt from: what thresholds and the alarm are read off."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from topwork.data import k_folds
from topwork.errors import DataError
from topwork.features import FeatureTable
from topwork.heads import FOLDS, Novelty, equal_blocks, fit_novelty
from topwork.metrics import softmax

Source = Literal["cross-validation", "validation", "training"]

_MOST = 2000  # images that the alarm is fitted on: 32 directions need no more
_FEWEST = 19  # references with which one image in twenty can be told


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Honest answers of the head that is kept, on images that have not measured it.

    Attributes:
        source: ``cross-validation``: out of fold, by heads like it. ``validation``: it has not seen them, but they told
            when to stop and which model to keep. ``training``: nothing but a temperature was fitted on them.
        rows: (n,) rows of the strategy's table.
        probabilities: (n, C).
    """

    source: Source
    rows: npt.NDArray[np.intp]
    probabilities: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.probabilities):
            raise ValueError(f"{len(self.rows)} rows, but probabilities {self.probabilities.shape}")


def from_logits(source: Source, rows: npt.NDArray[np.intp], logits: npt.NDArray[np.float32]) -> OutOfFold | None:
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
    the validation images are what new ones are compared with.

    Args:
        table: Features of the training images, in the columns that the head reads, and perhaps of others.
        out_of_fold: What the head says of images that it has not learnt from.
        seed: Of the folds, and of the sample where there are very many images.
    """
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
