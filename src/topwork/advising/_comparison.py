"""Comparisons: which of several ways is better, by cross-validation on the training split alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from topwork.data import k_folds_or_fewer
from topwork.features import FeatureTable
from topwork.heads import (
    DROPOUT,
    FOLDS,
    HIDDEN,
    LinearFit,
    Method,
    MLPFit,
    equal_blocks,
    fit_linear,
    fit_mlp,
    row_losses,
)
from topwork.metrics import exceeds_zero

ClassWeight = Literal["auto", "none", "balanced"]
HeadMethod = Literal["auto"] | Method


@dataclass(frozen=True)
class Trial:
    """One way that was tried, with its cross-validated score on the training split.

    Attributes:
        question: What was to be decided: ``backbone``, ``crop_mode``, ``stages`` or ``method``.
        answer: The way that was tried.
        images: How many it was tried on.
        accuracy: Out-of-fold, 0 to 1; None where the images were too few to hold any out.
        log_loss: Out-of-fold, after the temperature, in nats; None where none could be held out.
        chosen: Whether it won.
    """

    question: str
    answer: str
    images: int
    accuracy: float | None
    log_loss: float | None
    chosen: bool


@dataclass(frozen=True)
class Candidate:
    """One answer to a question: its name, and the features of training images that it leads to."""

    name: str
    table: FeatureTable


@dataclass(frozen=True)
class Comparison:
    """What a comparison gave.

    Attributes:
        trials: Every way's scores, the winner marked.
        winner: The better way.
        fitted: A head on its features.
    """

    trials: tuple[Trial, ...]
    winner: Candidate
    fitted: LinearFit


def compare(
    question: str,
    plain: Candidate,
    other: Candidate,
    *,
    errors: float,
    class_weight: ClassWeight,
    seed: int,
    method: HeadMethod = "auto",
) -> Comparison:
    """Cross-validate two ways on the same folds of the same images.

    The other way wins only where its log loss is lower by more than so many standard errors of the paired difference: a
    difference within the noise is no reason to leave the plain way.

    Args:
        question: What is to be decided.
        plain: The way to take unless there is proof.
        other: The way that has to prove itself.
        errors: Standard errors that make a proof.
        class_weight: Of the heads.
        seed: Of the folds.
        method: Of the heads.
    """
    ways = (plain, other)
    fits = [fit_head(way.table, class_weight=class_weight, seed=seed, method=method) for way in ways]
    losses = [held_out_losses(fitted, way.table) for fitted, way in zip(fits, ways, strict=True)]
    gain = losses[0] - losses[1]
    proven = exceeds_zero(gain, errors)
    trials = tuple(
        Trial(question, way.name, len(way.table), fitted.cv_accuracy, mean_or_none(loss), proven == (way is other))
        for way, fitted, loss in zip(ways, fits, losses, strict=True)
    )
    return Comparison(trials, ways[proven], fits[proven])


def fit_head(train: FeatureTable, *, class_weight: ClassWeight, seed: int, method: HeadMethod = "auto") -> LinearFit:
    """A linear head that lets every stage have the same say, however many channels it has.

    On the textile sample this takes all stages from 87.7 to 91.9 % (docs/decisions/probe.md); one block alone is not
    affected.
    """
    return fit_linear(*_given(train), class_weight=class_weight, seed=seed, method=method, **_as_told(train, seed))


def method_trials(fitted: LinearFit) -> tuple[Trial, ...]:
    """The methods of a head that were tried; none where the usual one was taken without a choice."""
    if [each.method for each in fitted.tried] == ["logistic"]:
        return ()
    images = int(fitted.held_out.sum())
    return tuple(
        Trial("method", each.method, images, each.accuracy, each.log_loss, each.method == fitted.method)
        for each in fitted.tried
    )


def fit_mlp_head(
    train: FeatureTable, *, class_weight: ClassWeight, seed: int, hidden: int = HIDDEN, dropout: float = DROPOUT
) -> MLPFit:
    """A small network on the same features, weighed in the same way and judged on the same folds."""
    how: Any = {"hidden": hidden, "dropout": dropout, **_as_told(train, seed)}
    return fit_mlp(*_given(train), class_weight=class_weight, seed=seed, **how)


def _given(train: FeatureTable) -> tuple[Any, Any, int]:
    return train.values, train.dataset.labels, len(train.dataset.classes)


def _as_told(train: FeatureTable, seed: int) -> dict[str, Any]:
    """What the table knows of its columns and of its groups."""
    folds = k_folds_or_fewer(train.dataset, FOLDS, seed=seed) if train.dataset.groups else None
    return {"column_weights": equal_blocks(train.widths), "fold_of": folds}


def held_out_losses(fitted: LinearFit | MLPFit, train: FeatureTable) -> npt.NDArray[np.float64]:
    """Log loss in nats, after the temperature, of every training image that a fold held out."""
    held = fitted.held_out
    labels = train.dataset.labels[held].astype(np.int64)
    return row_losses(fitted.oof_logits[held] / fitted.head.temperature, labels)


def mean_or_none(losses: npt.NDArray[np.float64]) -> float | None:
    """Mean of the losses; None where no image was held out."""
    return float(losses.mean()) if losses.size else None


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
